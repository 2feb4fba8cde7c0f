"""The two-phase search loop: a weight step on one batch, an architecture step on another (method §6)."""

from typing import Any, cast

import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapperDict
from mmengine.registry import build_from_cfg
from mmseg.registry import LOOPS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from torch import nn

from ssr_mmseg.costs import build_cost
from ssr_mmseg.gates import ArchitectureParameters
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.supernet import SSRSupernet
from ssr_mmseg.training.loop import ResumableTrainLoop, device_of
from ssr_mmseg.training.resident import build_loader


def architecture_of(model: nn.Module) -> ArchitectureParameters:
    """The gates of a segmentor whose backbone is a supernet."""
    return cast(ArchitectureParameters, cast(SSRSupernet, model.backbone).architecture)


@LOOPS.register_module()
class SearchLoop(ResumableTrainLoop):
    """Alternate weight steps and architecture steps until every gate is decided, then weight steps alone.

    Args:
        runner: The runner; its `optim_wrapper` has the parts `weights` and `architecture`.
        dataloader: Batches of the weight steps.
        architecture_dataloader: Batches of the architecture steps.
        max_epochs: The epoch at which this stage ends.
        objective: `weights` and `regularizer` of `ArchitectureObjective`, and as `cost` the arguments of `build_cost`
            but the space.
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
        self.architecture_dataloader = build_loader(architecture_dataloader, runner.seed, device_of(runner.model))
        self.architecture = architecture_of(runner.model)
        cost = build_cost(space=self.architecture.space, **objective["cost"])
        self.objective = ArchitectureObjective(self.architecture, objective["weights"], objective["regularizer"], cost)
        self.weights = [p for name, p in runner.model.named_parameters() if not is_architecture(name)]

    @property
    def steps_per_epoch(self) -> int:
        """Iterations of an epoch: the shorter of the two halves, if they differ."""
        return min(len(self.dataloader), len(self.architecture_dataloader))

    def batches(self, first: int) -> Any:
        """Pairs of a batch for the weights and one for the architecture parameters."""
        for loader in (self.dataloader, self.architecture_dataloader):
            loader.sampler.start(self._epoch, first * loader.batch_size)
        return zip(self.dataloader, self.architecture_dataloader, strict=False)

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One weight step and, while a gate is undecided, one architecture step."""
        weight_batch, architecture_batch = data_batch
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=weight_batch)
        model, wrappers = self.runner.model, self.runner.optim_wrapper
        self._learn(weights=True)
        losses = model.train_step(weight_batch, optim_wrapper=wrappers["weights"])
        outputs = {"loss_weights": losses["loss"], "acc_seg": losses["decode.acc_seg"]}
        if not self.architecture.decided:
            self._learn(weights=False)
            outputs |= self._architecture_step(architecture_batch, wrappers["architecture"])
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=weight_batch, outputs=outputs)
        self._iter += 1

    @torch.no_grad()
    def facts(self) -> dict[str, float]:
        """Options alive over all gates, and the expected cost as a share of the reference cost."""
        ratio = float(self.objective.cost_ratio(self.architecture.probabilities()))
        return {"options_alive": sum(self.architecture.options_alive().values()), "cost_ratio": ratio}

    def _architecture_step(self, batch: Any, wrapper: Any) -> dict:
        model = self.runner.model
        with wrapper.optim_context(model):
            data = model.data_preprocessor(batch, training=True)
            cross_entropy, _ = model.parse_losses(model(**data, mode="loss"))
        loss, terms = self.objective(cross_entropy)
        wrapper.update_params(loss)
        return {"loss_architecture": loss.detach(), **{f"loss_{k}": v.detach() for k, v in terms.items()}}

    def _learn(self, weights: bool) -> None:
        """Let gradients flow to the weights or to the architecture parameters: the other half costs nothing then."""
        for parameter in self.weights:
            parameter.requires_grad_(weights)
        self.architecture.requires_grad_(not weights)


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


def is_architecture(name: str) -> bool:
    """Whether a parameter of a segmentor, by its name, is an architecture parameter."""
    return ".architecture." in f".{name}"
