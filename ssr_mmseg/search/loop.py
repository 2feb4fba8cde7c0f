"""The search loop, which alternates weight steps and architecture steps, and its optimizers (method §6)."""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapperDict
from mmengine.registry import build_from_cfg
from mmseg.registry import LOOPS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from ssr_mmseg.costs import build_cost
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.search.single_path import SinglePathStep
from ssr_mmseg.search.step import TwoPhaseStep, get_architecture, is_architecture
from ssr_mmseg.training.data.loaders import build_loaders
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.utils.errors import UserError


@LOOPS.register_module()
class SearchLoop(ResumableTrainLoop):
    """Alternate weight steps and architecture steps until every gate is decided, then run weight steps only.

    Before that, a warm-up may train the weights of random networks; see `SinglePathStep`. The networks of an iteration
    follow from the seed and its number.

    Args:
        runner: The runner; its `optim_wrapper` has the parts `weights` and `architecture`.
        dataloader: Batches of images, from which the loader of each step is made: see `build_loaders`.
        max_epochs: The epoch at which this stage ends.
        objective: Weights of the terms of the architecture loss: `cross_entropy`, `cost`, and one for each gate.
        cost: The cost to end with, as `build_cost` takes it, such as `dict(type="macs", target=0.6)`.
        size: Height and width of the network's input, for the cost.
        regularizer: Name of a regularizer, or a dict of its `type` and arguments.
        split: `halves`: the two steps learn on disjoint halves of the images. `whole`: both learn on all of them.
        table: Path of the latency table, for a cost that needs one.
        warmup: Number of first epochs that are the warm-up.
        share_operators: Whether the operators of a block share their weights in the warm-up.
        options: Arguments of mmengine's `EpochBasedTrainLoop`.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        max_epochs: int,
        objective: dict[str, float],
        cost: dict,
        size: Sequence[int],
        regularizer: str | dict = "ssr",
        split: str = "halves",
        table: str | None = None,
        warmup: int = 0,
        share_operators: bool = False,
        **options: Any,
    ) -> None:
        self.warmup, self.share_operators = warmup, share_operators
        if split not in ("halves", "whole"):
            raise UserError(f"the split of a search is halves or whole, found {split!r}; correct it")
        parts = partial(halves, seed=runner.seed) if split == "halves" else _twice
        weight_loader, self.architecture_dataloader = build_loaders(dataloader, runner, parts)
        super().__init__(runner, weight_loader, max_epochs, **options)
        architecture = get_architecture(runner.model)
        classes = runner.model.decode_head.num_classes
        built = build_cost(cost, architecture.space, classes, size, table)
        self.objective = ArchitectureObjective(architecture, objective, regularizer, built)

    @cached_property
    def step(self) -> TwoPhaseStep:
        """The step on one batch for each phase; the runner builds its optimizers after its loop."""
        return TwoPhaseStep(self.runner.model, self.runner.optim_wrapper, self.objective)

    @cached_property
    def warmup_step(self) -> SinglePathStep:
        """The step of an iteration of the warm-up."""
        return SinglePathStep(self.runner.model, self.runner.optim_wrapper, self.share_operators)

    @property
    def noise_key(self) -> tuple[int, ...]:
        """Nothing: the operators draw the noise of all processes alike, and each takes its images' part."""
        return ()

    @property
    def steps_per_epoch(self) -> int:
        """Iterations of an epoch, those of the shorter half if the two differ."""
        return min(len(self.dataloader), len(self.architecture_dataloader))

    def batches(self, first: int) -> Any:
        """Return an iterator over pairs of a batch for the weights and a batch for the architecture parameters."""
        for loader in (self.dataloader, self.architecture_dataloader):
            loader.sampler.start(self._epoch, first * loader.batch_size)
        return zip(self.dataloader, self.architecture_dataloader, strict=False)

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Run one weight step and, while a gate is undecided, one architecture step; or a step of the warm-up."""
        weight_batch, architecture_batch = data_batch
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=weight_batch)
        if self._epoch < self.warmup:
            outputs = self.warmup_step(data_batch, np.random.default_rng((self.runner.seed, self._iter)))
        else:
            outputs = self.step(weight_batch, architecture_batch)
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=weight_batch, outputs=outputs)
        self._iter += 1

    @torch.no_grad()
    def facts(self) -> dict[str, float]:
        """Return the options alive over all gates, and the expected cost as a share of the reference cost."""
        architecture = get_architecture(self.runner.model)
        ratio = float(self.objective.cost_ratio(architecture.probabilities()))
        return {"options_alive": sum(architecture.options_alive().values()), "cost_ratio": ratio}


def halves(images: int, seed: int) -> tuple[list[int], list[int]]:
    """Draw two disjoint halves of `images` images with the seed, and return their indices."""
    order = np.random.default_rng(seed).permutation(images)
    middle = images // 2
    return sorted(order[:middle].tolist()), sorted(order[middle:].tolist())


def _twice(images: int) -> tuple[None, None]:
    return None, None


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SearchOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Build one optimizer for the weights and one for the architecture parameters.

    Args:
        optim_wrapper_cfg: The two wrappers' configs under `weights` and `architecture`.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        self.wrapper_cfg = optim_wrapper_cfg

    def __call__(self, model: nn.Module) -> OptimWrapperDict:
        groups: dict[str, list] = {"weights": [], "architecture": []}
        for name, parameter in model.named_parameters():
            groups["architecture" if is_architecture(name) else "weights"].append(parameter)
        wrappers = {}
        for part, parameters in groups.items():
            config = dict(self.wrapper_cfg[part])
            config.setdefault("type", "OptimWrapper")
            optimizer = build_from_cfg({**config.pop("optimizer"), "params": parameters}, OPTIMIZERS)
            wrappers[part] = OPTIM_WRAPPERS.build({**config, "optimizer": optimizer})
        return OptimWrapperDict(**wrappers)
