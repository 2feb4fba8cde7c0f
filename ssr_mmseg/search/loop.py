"""The search loop, which alternates weight steps and architecture steps, and its optimizers (method §6)."""

from functools import cached_property
from typing import Any

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapperDict
from mmengine.registry import build_from_cfg
from mmseg.registry import LOOPS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from ssr_mmseg.costs import build_cost
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.search.step import TwoPhaseStep, get_architecture, is_architecture
from ssr_mmseg.training.data.device_loader import build_loader
from ssr_mmseg.training.loop import ResumableTrainLoop, model_device


@LOOPS.register_module()
class SearchLoop(ResumableTrainLoop):
    """Alternate weight steps and architecture steps until every gate is decided, then run weight steps only.

    Args:
        runner: The runner; its `optim_wrapper` has the parts `weights` and `architecture`.
        dataloader: Batches of the weight steps.
        architecture_dataloader: Batches of the architecture steps.
        max_epochs: The epoch at which this stage ends.
        objective: `weights` and `regularizer` of `ArchitectureObjective`, and in `cost` the arguments of `build_cost`
            except the space.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        architecture_dataloader: Any,
        max_epochs: int,
        objective: dict,
        **options: Any,
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, **options)
        self.architecture_dataloader = build_loader(architecture_dataloader, runner.seed, model_device(runner.model))
        architecture = get_architecture(runner.model)
        cost = build_cost(space=architecture.space, **objective["cost"])
        self.objective = ArchitectureObjective(architecture, objective["weights"], objective["regularizer"], cost)

    @cached_property
    def step(self) -> TwoPhaseStep:
        """The step on one batch for each phase; the runner builds its optimizers after its loop."""
        return TwoPhaseStep(self.runner.model, self.runner.optim_wrapper, self.objective)

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
        """Run one weight step and, while a gate is undecided, one architecture step."""
        weight_batch, architecture_batch = data_batch
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=weight_batch)
        outputs = self.step(weight_batch, architecture_batch)
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=weight_batch, outputs=outputs)
        self._iter += 1

    @torch.no_grad()
    def facts(self) -> dict[str, float]:
        """Return the options alive over all gates, and the expected cost as a share of the reference cost."""
        architecture = get_architecture(self.runner.model)
        ratio = float(self.objective.cost_ratio(architecture.probabilities()))
        return {"options_alive": sum(architecture.options_alive().values()), "cost_ratio": ratio}


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
