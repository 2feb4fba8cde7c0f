"""Training of a supernet by single paths: every step trains one random network of the space.

Source: Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", ECCV 2020,
arXiv 1904.00420.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from mmengine.optim import OptimWrapper
from torch import nn

from ssr_mmseg.architecture.genotype import random_choice
from ssr_mmseg.search.shared_operators import share_operators
from ssr_mmseg.search.step import get_architecture, is_architecture
from ssr_mmseg.training.step import train_step


class SinglePathStep:
    """One iteration: a weight step of a random network on the first batch, and of another one on the second.

    Every option is trained as if it had been chosen, however likely the gates make it.

    Args:
        model: A segmentor whose backbone is a supernet.
        wrappers: The optimizers; that of `weights` is used.
        share: Whether the operators of a block share their weights; see `share_operators`.
    """

    def __init__(self, model: nn.Module, wrappers: Mapping[str, OptimWrapper], share: bool = False) -> None:
        self.model, self.wrappers, self.share = model, wrappers, share
        self.architecture = get_architecture(model)
        self.weights = [p for name, p in model.named_parameters() if not is_architecture(name)]

    def __call__(self, batches: Iterable[Any], generator: np.random.Generator) -> dict:
        """Run both weight steps; return the means of `loss_weights` and `acc_seg`."""
        for parameter in self.weights:
            parameter.requires_grad_(True)
        self.architecture.requires_grad_(False)
        losses = []
        for batch in batches:
            choice = random_choice(self.architecture.space, generator)
            with self.architecture.one_hot(choice):
                losses.append(train_step(self.model, batch, self.wrappers["weights"]))
            if self.share:
                share_operators(self.model, self.wrappers["weights"].optimizer, choice["operator"])
        mean = {key: sum(part[key] for part in losses) / len(losses) for key in ("loss", "decode.acc_seg")}
        return {"loss_weights": mean["loss"], "acc_seg": mean["decode.acc_seg"]}
