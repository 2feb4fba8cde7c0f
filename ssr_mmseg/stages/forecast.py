"""The command `forecast`: predict the hours and the memory of a search from a few of its steps."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from ssr_mmseg import settings
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.architecture.structure import structure_to_json, surviving_structure
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.lengths import warmup_epochs
from ssr_mmseg.search.graph_hook import GraphHook
from ssr_mmseg.search.single_path import SinglePathStep
from ssr_mmseg.search.step import TwoPhaseStep
from ssr_mmseg.utils.devices import peak_memory_gb

KEPT = 0.4  # share of the supernet beyond one operator per block that each stage leaves; see docs/scaling.md


def forecast(config: dict, dataset: str, seed: int, steps: int) -> dict:
    """Time a few steps of the configured search and extrapolate to its stages.

    Measured, with the data, optimizers and device of the search: a step of the whole supernet, and a step of the
    smallest one that a search ends with, which has one operator per block. Stage k starts with what the stages before
    it leave: `step_k = step_small + KEPTᵏ · (step_whole − step_small)`, and its memory likewise. Epochs of the warm-up
    take the time of a measured step of the warm-up.

    Args:
        config: A completed experiment configuration.
        steps: Number of steps to time on each of the two.

    Returns:
        `stages` (each with `epochs`, `steps`, `seconds_per_step`, `hours`, `peak_gb`), their total `hours`, and the
        measurements in `measured`.

    Raises:
        UserError: The dataset has not been prepared.
    """
    experiment = Experiment(config, dataset, seed)
    experiment.limit_threads("search")
    search = experiment.settings["search"]
    # the small one first, because the peak memory of a process never falls
    small = measure_step(experiment, smallest_structure(experiment.space), steps)
    whole = measure_step(experiment, None, steps)
    length = experiment.search_length
    epochs_left = warmup = warmup_epochs(search, length.epochs)
    warmup_seconds = measure_step(experiment, None, steps, warmup=True)["seconds_per_step"] if warmup else 0.0
    stages = []
    for stage in range(search["shrink_stages"] + 1):
        share = KEPT**stage if search["shrink"] else 1.0
        epochs = length.later if stage else length.first
        count = epochs * whole["steps_per_epoch"]
        seconds, memory = (small[key] + share * (whole[key] - small[key]) for key in ("seconds_per_step", "peak_gb"))
        warm = min(epochs, epochs_left)
        epochs_left -= warm
        seconds += warm / epochs * (warmup_seconds - seconds)
        row = {"stage": stage, "epochs": epochs, "steps": count, "seconds_per_step": seconds}
        stages.append({**row, "hours": count * seconds / 3600, "peak_gb": memory})
    return {
        "dataset": dataset,
        "identity": settings.stage_identity(config, "search", dataset, seed),
        "stages": stages,
        "hours": sum(stage["hours"] for stage in stages),
        "measured": {
            "whole": whole,
            "small": small,
            "kept_per_stage": KEPT,
            "warmup": {"epochs": warmup, "seconds_per_step": warmup_seconds},
        },
    }


def smallest_structure(space: SearchSpace) -> list:
    """Return the structure, as a JSON value, of full width and depth with the first allowed operator in every block."""
    alive = {gate: space.allowed(gate) for gate in GATES}
    for options in alive["operator"]:
        options[options.argmax() + 1 :] = False
    return structure_to_json(surviving_structure(space, alive))


def table(result: dict) -> str:
    """Return the forecast as lines of text."""
    lines = ["stage   epochs    steps   s/step    hours   peak GB"]
    for row in result["stages"]:
        name = f"shrink {row['stage']}" if row["stage"] else "search"
        lines.append(
            f"{name:<8}{row['epochs']:>6}{row['steps']:>9}{row['seconds_per_step']:>9.3f}{row['hours']:>9.3f}"
            f"{row['peak_gb']:>10.2f}"
        )
    return "\n".join([*lines, f"{result['dataset']}: {result['hours']:.3g} hours in total, without evaluations"])


def measure_step(experiment: Experiment, structure: list | None, steps: int, warmup: bool = False) -> dict:
    """Return the median seconds and the peak memory of a search's step on a supernet; the first step is not counted.

    Args:
        warmup: Measure a step of the search's warm-up.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        runner = experiment.search_runner(structure, last=1, total=1, work=Path(folder) / "forecast")
        with quiet_logger(runner):
            loop = runner.build_train_loop(runner._train_loop)
            wrappers = runner.build_optim_wrapper(runner.optim_wrapper)
            step = TwoPhaseStep(runner.model.train(), wrappers, loop.objective)
            single_path = SinglePathStep(runner.model, wrappers, loop.share_operators)
            for hook in runner.hooks:
                if isinstance(hook, GraphHook):
                    hook.apply(step, runner.logger)
            if structure is not None:
                _kill_missing(step)
            seconds: list[float] = []
            batches = chain.from_iterable(map(loop.batches, repeat(0)))  # one epoch as often as needed
            for _ in range(steps + 1):
                started = time.perf_counter()
                batch = next(batches)
                if warmup:
                    single_path(batch, np.random.default_rng((runner.seed, len(seconds))))
                else:
                    step(*batch)
                if experiment.device.type == "cuda":
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - started)
    return {
        "seconds_per_step": statistics.median(seconds[1:]),
        "peak_gb": peak_memory_gb(),
        "steps_per_epoch": loop.steps_per_epoch,
    }


@contextmanager
def quiet_logger(runner: Runner) -> Iterator[None]:
    """Log warnings only, and close the logger of a runner at the end, so that its folder can be removed."""
    runner.logger.setLevel("WARNING")
    try:
        yield
    finally:
        for handler in runner.logger.handlers:
            handler.close()
        MMLogger._instance_dict.pop(runner.experiment_name, None)


def _kill_missing(step: TwoPhaseStep) -> None:
    """Remove the operators that the smallest structure lacks from the gates."""
    with torch.no_grad():
        alive = step.architecture.alive["operator"]
        first = alive.int().argmax(dim=-1, keepdim=True)
        alive.logical_and_(torch.zeros_like(alive).scatter_(-1, first, True))
        step.architecture.remove_dependents()
