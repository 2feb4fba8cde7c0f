"""Check the loop, the hooks and the metrics of an mmengine config."""

import inspect
from functools import partial
from typing import Any

from mmseg.registry import HOOKS, LOOPS, METRICS

from ssr_mmseg.experiment.config_check.components import build, check_arguments, component
from ssr_mmseg.experiment.config_check.place import Place
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.search.objective import TERMS
from ssr_mmseg.training.loop import ResumableTrainLoop

RUNNER_SETS = ("runner", "dataloader", "evaluator")
WORKFLOW_SETS = {
    "search": ("max_epochs", "regularizer", "split", "cost", "size", "table"),
    "retrain": ("max_epochs",),
}
HOOK_ARGUMENTS = {"epochs": 1, "threshold": 0.1, "path": "state.pth"}  # values that the workflow sets: examples


def check_loops(config: Place, part: str) -> None:
    """Check `train_cfg` and `val_cfg`.

    Raises:
        UserError: A type or an argument is wrong, or the loop is not the one that the part of the workflow needs.
    """
    loop = config.require("train_cfg")
    needed = SearchLoop if part == "search" else ResumableTrainLoop
    found = component(loop, LOOPS, "loop")
    fits = inspect.isclass(found) and issubclass(found, needed)
    if not fits or (part == "retrain" and issubclass(found, SearchLoop)):
        name = loop.value["type"]
        raise loop.at("type").error(f"expected {needed.__name__}, found {name}; the {part} needs it", str(name))
    check_arguments(loop, found, (*RUNNER_SETS, *WORKFLOW_SETS[part]), bases=True)
    if part == "search":
        weights = loop.at("objective").mapping()
        for name in weights.value:
            if name not in TERMS:
                raise weights.at(name).unknown("unknown term", str(name), TERMS)
    validation = config.require("val_cfg")
    check_arguments(validation, component(validation, LOOPS, "loop"), RUNNER_SETS, bases=True)


def check_hooks(config: Place) -> None:
    """Check `default_hooks` and `custom_hooks`, if there are any; those of this project are also built.

    Raises:
        UserError: A type or an argument is wrong.
    """
    hooks: list[Place] = []
    if "default_hooks" in config:
        defaults = config.at("default_hooks").mapping()
        hooks += [defaults.at(key) for key, value in defaults.value.items() if value is not None]
    if "custom_hooks" in config:
        hooks += config.at("custom_hooks").elements()
    for hook in hooks:
        found = component(hook, HOOKS, "hook")
        if not found.__module__.startswith("ssr_mmseg."):
            check_arguments(hook, found)
            continue
        parameters = inspect.signature(found).parameters
        supplied = {key: value for key, value in HOOK_ARGUMENTS.items() if key in parameters}
        check_arguments(hook, found, supplied)
        build(hook, partial(_build_hook, supplied), HOOKS)


def _build_hook(supplied: dict, options: dict) -> Any:
    return HOOKS.build({**supplied, **options})


def check_metrics(config: Place) -> None:
    """Check `val_evaluator`.

    Raises:
        UserError: A type or an argument is wrong, or it is missing.
    """
    for metric in config.require("val_evaluator").one_or_more():
        check_arguments(metric, component(metric, METRICS, "metric"))
