"""Training of a supernet by single paths: every step trains one random network of the space (Guo et al. 2020)."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from mmengine.optim import OptimWrapper
from mmseg.registry import LOOPS
from torch import nn

from ssr_mmseg.architecture.genotype import random_choice
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.search.step import get_architecture
from ssr_mmseg.training.step import train_step


class SinglePathStep:
    """One iteration: a weight step of a random network on the first batch, and of another one on the second.

    Args:
        model: A segmentor whose backbone is a supernet.
        wrappers: The optimizers; that of `weights` is used.
    """

    def __init__(self, model: nn.Module, wrappers: Mapping[str, OptimWrapper]) -> None:
        self.model, self.wrappers = model, wrappers
        self.architecture = get_architecture(model)
        self.architecture.requires_grad_(False)

    def __call__(self, batches: tuple[Any, Any], generator: np.random.Generator) -> dict:
        """Run both weight steps; return the mean of their losses."""
        losses = []
        for batch in batches:
            with self.architecture.one_hot(random_choice(self.architecture.space, generator)):
                losses.append(train_step(self.model, batch, self.wrappers["weights"]))
        mean = {key: sum(part[key] for part in losses) / len(losses) for key in ("loss", "decode.acc_seg")}
        return {"loss_weights": mean["loss"], "acc_seg": mean["decode.acc_seg"]}


@LOOPS.register_module()
class SinglePathLoop(SearchLoop):
    """Train the weights of all networks of the space alike, for selectors that score networks with inherited weights.

    An iteration uses the same images as one of `SearchLoop`, whose arguments it takes; α does not change. The paths of
    an iteration follow from the seed and its number.

    Source: Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020,
    arXiv 1904.00420.
    """

    @cached_property
    def path_step(self) -> SinglePathStep:
        """The step of one iteration; the runner builds its optimizers after its loop."""
        return SinglePathStep(self.runner.model, self.runner.optim_wrapper)

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Run two weight steps."""
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch[0])
        outputs = self.path_step(data_batch, np.random.default_rng((self.runner.seed, self._iter)))
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch[0], outputs=outputs)
        self._iter += 1
