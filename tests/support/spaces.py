"""Small search spaces and supernets for tests."""

import numpy as np
import torch

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import DIMENSIONS, SearchSpace
from ssr_mmseg.models.supernet import SSRSupernet

SEARCH = {
    "space": {
        "stages": [{"blocks": 2, "channels": 20, "width_step": 2}, {"blocks": 3, "channels": 28, "width_step": 3}],
        "dilations": [1, 3],
        "resolutions": [1, 2],
        "width_options": 4,
    },
    "dimensions": list(DIMENSIONS),
    "gate": "sigmoid",
}
SPACE = SearchSpace.from_settings(SEARCH)


def search_settings(**changes) -> dict:
    """Return the settings of the small search with some keys changed."""
    return {**SEARCH, **changes}


def random_supernet(seed: int, search: dict = SEARCH) -> SSRSupernet:
    """Return a supernet with random weights, batch-norm statistics and α, in evaluation mode and double precision."""
    torch.manual_seed(seed)
    supernet = SSRSupernet(**search).double().eval()
    with torch.no_grad():
        for name, value in [*supernet.named_parameters(), *supernet.named_buffers()]:
            if not value.is_floating_point():
                continue
            if "running_var" in name:
                value.uniform_(0.5, 2.0)
            elif "running_mean" in name or ".bn" in name or "alpha" in name:
                value.normal_()
    return supernet


def random_survivors(supernet: SSRSupernet, seed: int) -> None:
    """Remove random options of a supernet's gates, but never a whole group, and everything that depends on them."""
    generator = np.random.default_rng(seed)
    architecture = supernet.architecture
    for alive in architecture.alive.values():
        keep = torch.from_numpy(generator.random(tuple(alive.shape)) < 0.5)
        best = torch.from_numpy(np.where(alive.numpy(), generator.random(tuple(alive.shape)), -1.0)).argmax(dim=-1)
        keep.scatter_(-1, best.unsqueeze(-1), True)
        alive.logical_and_(keep)
    architecture.remove_dependents()


def full_stages(genotype: Genotype) -> bool:
    """Return whether stage 1 ends at full width; only then is the next reduction block the same as the supernet's."""
    return genotype.stages[0].blocks[-1].out == genotype.stages[0].channels
