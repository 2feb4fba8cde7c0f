"""Capture and restore the state of a runner: everything that the rest of a training depends on."""

from collections.abc import Iterator
from typing import Any

import torch
from mmengine.optim import OptimWrapperDict

from ssr_mmseg.training.checkpoint.fitting import is_finite
from ssr_mmseg.training.checkpoint.safe_load import state_needed
from ssr_mmseg.training.checkpoint.state_checks import check_kinds, check_optimizer, duration, natural
from ssr_mmseg.training.loop import ResumableTrainLoop


def capture(runner: Any, iteration: int) -> dict[str, Any]:
    """Return the state of a runner after `iteration` finished iterations."""
    loop: ResumableTrainLoop = runner.train_loop
    hooks = {type(hook).__name__: hook.training_state() for hook in _hooks_with_state(runner)}
    return {
        "iteration": iteration,
        "model": runner.model.state_dict(),
        "optimizers": runner.optim_wrapper.state_dict(),
        "parameters": _parameter_names(runner),
        "schedulers": {
            name: [scheduler.state_dict() for scheduler in schedulers]
            for name, schedulers in _schedulers(runner).items()
        },
        "seconds": loop.seconds,
        "waited": loop.waited,
        "hooks": hooks,
    }


@state_needed("the state to resume from")
def restore(runner: Any, state: dict[str, Any]) -> None:
    """Restore a state that `capture` returned.

    Raises:
        UserError: The state belongs to another training.
    """
    loop: ResumableTrainLoop = runner.train_loop
    runner.model.load_state_dict(state["model"])
    for name, wrapper in _wrappers(runner):
        check_optimizer(wrapper.optimizer, state["optimizers"][name] if name else state["optimizers"])
    runner.optim_wrapper.load_state_dict(state["optimizers"])
    for name, schedulers in _schedulers(runner).items():
        for scheduler, saved in zip(schedulers, state["schedulers"][name], strict=True):
            check_kinds(saved, scheduler.state_dict(), f"the scheduler {name}")
            scheduler.load_state_dict(saved)
    loop.start_at(natural(state["iteration"], "iteration", loop.max_iters))
    loop.seconds, loop.waited = duration(state["seconds"]), duration(state.get("waited", 0.0))
    for hook in _hooks_with_state(runner):
        hook.load_training_state(state["hooks"][type(hook).__name__])


def not_finite(value: Any, name: str = "") -> Iterator[str]:
    """Yield the names of the tensors in nested dictionaries and lists that contain a NaN or an infinity."""
    if torch.is_tensor(value):
        if not is_finite(value):
            yield name
    elif isinstance(value, dict | list | tuple):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from not_finite(inner, f"{name}.{key}" if name else str(key))


def _schedulers(runner: Any) -> dict[str, list]:
    schedulers = runner.param_schedulers or {}
    return schedulers if isinstance(schedulers, dict) else {"all": schedulers}


def _hooks_with_state(runner: Any) -> list[Any]:
    """Return the hooks with state that must be restored on resume."""
    return [hook for hook in runner.hooks if hasattr(hook, "training_state")]


def _parameter_names(runner: Any) -> dict[str, list[str]]:
    """Return the parameter names of each optimizer, in the order by which its state refers to them."""
    names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
    return {
        part or "all": [names[id(p)] for group in inner.param_groups for p in group["params"]]
        for part, inner in _wrappers(runner)
    }


def _wrappers(runner: Any) -> list[tuple[str, Any]]:
    """Return the optimizer wrappers by name; a single one has none."""
    wrapper = runner.optim_wrapper
    return list(wrapper.items()) if isinstance(wrapper, OptimWrapperDict) else [("", wrapper)]
