"""The configuration that a plan becomes: YAML with a comment for each choice."""

from collections.abc import Mapping
from typing import Any

import yaml

from ssr_mmseg.fit.lengths import SHRINK_STAGES, WARMUP
from ssr_mmseg.fit.plan import Plan
from ssr_mmseg.fit.request import FitRequest

WIDTH = 110  # characters of a value's line
LONG = (3000, 20)  # steps and epochs of a training from which the long recipe suits, on a GPU


def recipes(cuda: bool, steps: int, epochs: int) -> tuple[str, str]:
    """Return the mmengine configs of the search and of the trainings, which have the given steps and epochs."""
    suffix = "" if cuda and steps >= LONG[0] and epochs >= LONG[1] else "_short"
    return f"config/mmseg/supernet_own{suffix}.py", f"config/mmseg/ssrnet_own{suffix}.py"


def experiment(request: FitRequest, entry: Mapping[str, Any], plan: Plan, classes: int, cuda: bool) -> dict[str, Any]:
    """Return the experiment of a plan, without the keys that keep their default.

    Args:
        request: What was asked for.
        entry: The dataset's entry; its size is replaced.
        plan: The choices.
        classes: Number of classes.
        cuda: Whether it trains on a GPU.
    """
    lengths, batch = plan.lengths, plan.work.batch
    search, retrain = recipes(cuda, lengths.train_steps, lengths.train_epochs)
    rivals = [{"onnx": str(path), "name": rival_name(path.stem)} for path in request.rivals]
    backend = {"name": request.backend, "precision": request.precision}
    return {
        "name": request.name,
        "device": request.device,
        "seeds": list(range(lengths.seeds)),
        "networks": [*lengths.networks, *rivals],
        "datasets": {request.name: {**entry, "size": list(plan.size)}},
        "search": {
            "space": plan.space.value,
            "config": search,
            "epochs": lengths.search_epochs,
            "shrink_stages": SHRINK_STAGES,
            "shrink_epochs": lengths.search_epochs,
            "min_steps": 1,
            "warmup": WARMUP,
            "batch_size": batch,
            "cost": plan.cost(classes),
        },
        "latency": {"points": 2, "networks": 8, "rounds": 15, "threads": None}
        | {"backend": request.backend, "precision": request.precision},
        "retrain": {"config": retrain, "epochs": lengths.train_epochs, "min_steps": 1, "batch_size": batch},
        "profile": {"sizes": [], "backends": [backend], "weights": "trained"},
        "threads": threads(request.cores, len(lengths.networks)),
        "recommend": {"latency_ms": request.ms, "backend": request.backend, "license": request.license},
    }


def threads(cores: int, networks: int) -> dict[str, int]:
    """Return the CPU threads of trainings, of which as many run at the same time as there are cores for."""
    return {"search": max(1, cores // 2), "retrain": max(1, cores // networks)}


def rival_name(stem: str) -> str:
    """Return a name for a network of another tool, from its file's name."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in stem)[:100]


def as_yaml(request: FitRequest, config: Mapping[str, Any], plan: Plan, facts: Mapping[str, str]) -> str:
    """Return the configuration as YAML, with comments that say why each value was chosen.

    Args:
        config: See `experiment`.
        facts: Sentences about the data and the device.
    """
    latencies, lengths = plan.latencies, plan.lengths
    aim = f"The search aims at {plan.aim:.3g} ms, less than {request.ms:g} ms, because it ends within 10 % of its aim."
    if latencies.narrow(plan.limit):
        aim = f"Few of them, if any, take more than {request.ms:g} ms, so that multiply-adds are held in place of time."
    network = f"{latencies.smallest:.3g} to {latencies.largest:.3g} ms"
    reasons = {
        "name": ["the results are in results/" + request.name + "/"],
        "device": ["where to train: " + facts["device"]],
        "seeds": ["more than one if the time allows"],
        "networks": [
            "searched, compared with a shipped baseline and, if the time allows, with a random network of its latency"
        ],
        "datasets": [facts["data"], *plan.notes],
        "search": [
            f"The space {plan.space.name}: at {plan.size[0]}x{plan.size[1]} its networks take {network} by "
            f"{request.backend}, and labels {latencies.labels:.2g} ms more.",
            aim,
            f"{lengths.search_steps} steps in all.",
        ],
        "latency": ["the table that predicts milliseconds on this machine"],
        "retrain": [f"{lengths.train_steps} steps for each network"],
        "profile": ["networks are timed as they are shipped, with trained weights"],
        "threads": ["of each training; several run at the same time"],
        "recommend": ["what the network must keep, and where; see docs/fit.md"],
    }
    lines = [
        f"# Written by: {request.command}",
        f"# Run it, or run it again, with: {run_command(request)}",
        f"# Forecast: {hours(lengths.seconds)} of {hours(request.hours * 3600)}. config/README.md explains every key.",
        "",
    ]
    for key, value in config.items():
        lines += [f"# {reason}" for reason in reasons[key]]
        style = None if isinstance(value, dict | list) else False  # {a: b} only within a section
        text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, default_flow_style=style, width=WIDTH)
        lines += text.splitlines()
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def config_path(request: FitRequest) -> str:
    """Return the path of the configuration."""
    return f"config/{request.name}.yaml"


def run_command(request: FitRequest) -> str:
    """Return the command that runs the written configuration."""
    return (
        f"snakemake --cores {request.cores} results/{request.name}/recommended/card.md "
        f"results/{request.name}/report/index.html --configfile {config_path(request)}"
    )


def hours(seconds: float) -> str:
    """Return a duration for people."""
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
