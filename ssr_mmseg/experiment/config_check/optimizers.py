"""Check the optimizers and learning rate schedules of an mmengine config, which are built for a single parameter."""

from typing import Any

import torch
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS, PARAM_SCHEDULERS
from torch import nn

from ssr_mmseg.experiment.config_check.components import (
    build,
    check_arguments,
    component,
    lookup,
    registered_names,
)
from ssr_mmseg.experiment.config_check.place import Place

CLIPPERS = {"norm": nn.utils.clip_grad_norm_, "value": nn.utils.clip_grad_value_}
SEARCH_OPTIMIZERS = ("weights", "architecture")
STEPS = 10  # iterations of an epoch, for schedules that change every iteration


def check_optimizers(config: Place, part: str) -> None:
    """Check `optim_wrapper` and `param_scheduler`.

    Args:
        part: `search`, which has an optimizer for the weights and one for the architecture, or `retrain`.

    Raises:
        UserError: A type or an argument is wrong, or a required key is missing.
    """
    wrapper = config.require("optim_wrapper").mapping()
    if "constructor" in wrapper:
        constructor = wrapper.at("constructor")
        name = constructor.value
        if lookup(OPTIM_WRAPPER_CONSTRUCTORS, str(name)) is None and not callable(name):
            raise constructor.unknown("unknown constructor", str(name), registered_names(OPTIM_WRAPPER_CONSTRUCTORS))
    optimizers: dict[str, Any] = {}
    if part == "search":
        remedy = "a search has one optimizer for the weights and one for the architecture"
        for name in SEARCH_OPTIMIZERS:
            optimizers[name] = _build_optimizer(wrapper.require(name, remedy))
    else:
        optimizers[""] = _build_optimizer(wrapper)
    schedulers = config.require("param_scheduler")
    if isinstance(schedulers.value, dict) and "type" not in schedulers and part == "search":
        for name in schedulers.value:
            if name not in optimizers:
                raise schedulers.at(name).unknown("unknown optimizer", name, optimizers)
            _check_schedulers(schedulers.at(name), optimizers[name])
    else:
        for optimizer in optimizers.values():
            _check_schedulers(schedulers, optimizer)


def _build_optimizer(wrapper: Place) -> torch.optim.Optimizer:
    """Check a wrapper with its gradient clipping, and build its optimizer."""
    kind = component(wrapper, OPTIM_WRAPPERS, "optimizer wrapper", "OptimWrapper")
    optimizer = wrapper.require("optimizer")
    check_arguments(wrapper, kind, ["optimizer"], ["constructor", "paramwise_cfg"], bases=True)
    clip = wrapper.value.get("clip_grad")
    if clip is not None:
        _check_clipping(wrapper.at("clip_grad").mapping())
    check_arguments(optimizer, component(optimizer, OPTIMIZERS, "optimizer"), ["params"])

    def build_optimizer(options: dict) -> Any:
        options.pop("fused", None)  # this machine may not be the one that trains
        return OPTIMIZERS.build({**options, "params": [nn.Parameter(torch.zeros(1))]})

    return build(optimizer, build_optimizer, OPTIMIZERS)


def _check_clipping(clip: Place) -> None:
    kind = clip.value.get("type", "norm")
    if not isinstance(kind, str) or kind not in CLIPPERS:
        raise clip.at("type").unknown("unknown clipping", str(kind), CLIPPERS)
    check_arguments(clip, CLIPPERS[kind], ["parameters"])


def _check_schedulers(schedulers: Place, optimizer: torch.optim.Optimizer) -> None:
    supplied = {"optimizer": optimizer, "epoch_length": STEPS}
    for scheduler in schedulers.one_or_more():
        kind = component(scheduler, PARAM_SCHEDULERS, "scheduler")
        check_arguments(scheduler, kind, supplied, ["convert_to_iter_based"])
        build(scheduler, lambda config: PARAM_SCHEDULERS.build(config, default_args=supplied), PARAM_SCHEDULERS)
