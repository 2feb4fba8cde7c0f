"""Measure the milliseconds per training step with each speed-up; print JSON, one line per variant.

    python benchmarks/training_step.py --seconds 10 --out benchmarks/records/training-step-cuda.json

The dataset must be prepared. Each variant is the configuration's retraining of a network, or the first stage of its
search, including data loading, stopped after some seconds; the first two epochs are not counted. Nothing of the
trainings is kept. On a CPU nothing is compiled.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import quiet_mmseg  # noqa: F401
import torch
from command_line import run_benchmark
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg import settings
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.profiling import environment
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

HISTORY, STOPWATCH = "dict(type='HistoryHook')", "dict(type='Stopwatch')"
AVERAGE, LAYOUT = "dict(type='AverageHook')", "dict(type='ChannelsLastHook')"


def hooks(*more: str) -> str:
    """Return the line of an mmengine config with the hooks common to all variants and `more` of them."""
    return f"custom_hooks = [{', '.join([HISTORY, *more, STOPWATCH])}]"


RETRAIN = {  # lines that override the mmengine config
    "float32": f"optim_wrapper = dict(enabled=False)\n{hooks(AVERAGE)}",
    "bfloat16": hooks(AVERAGE),
    "bfloat16, channels-last": hooks(AVERAGE, LAYOUT),
    "bfloat16, channels-last, compiled": hooks(AVERAGE, LAYOUT, "dict(type='CompileHook')"),
    "bfloat16, channels-last, compiled, graphs": hooks(
        AVERAGE, LAYOUT, "dict(type='CompileHook', mode='reduce-overhead')"
    ),
}
SEARCH = {
    "float32": f"optim_wrapper = dict(weights=dict(enabled=False), architecture=dict(enabled=False))\n{hooks()}",
    "bfloat16": hooks(),
    "bfloat16, channels-last": hooks(LAYOUT),
    "bfloat16, channels-last, graph": hooks(LAYOUT, "dict(type='GraphHook')"),
}
WARM = 2  # epochs that are not counted
EPOCHS = 10_000  # more than fit: the stopwatch ends the training


@HOOKS.register_module()
class Stopwatch(Hook):
    """Time whole epochs, and stop the training after `seconds` of them."""

    seconds = 10.0
    epochs: list[float]
    end: float | None

    def before_train(self, runner: Any) -> None:
        Stopwatch.epochs = []
        self.end = None

    def before_train_epoch(self, runner: Any) -> None:
        self.began = time.perf_counter()

    def after_train_epoch(self, runner: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        Stopwatch.epochs.append((now - self.began) / runner.train_loop.steps_per_epoch)
        if len(Stopwatch.epochs) == WARM:
            self.end = now + self.seconds
        if self.end is not None and len(Stopwatch.epochs) > WARM and now >= self.end:
            runner.train_loop.stop_training = True


def times(config: dict, dataset: str, part: str, lines: str, network: str) -> tuple[list[float], int, str]:
    """Train with `lines` added to the mmengine config.

    Args:
        config: The experiment configuration.
        dataset: Name of the dataset.
        part: `retrain` or `search`.
        lines: Python lines that override the mmengine config of that part.
        network: Network to retrain.

    Returns:
        Seconds per step in each epoch, steps per epoch, and the device.
    """
    section = settings.for_dataset(config, dataset)[part]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "variant.py"
        file.write_text(f"_base_ = [{str(paths.project_file(section['config']).resolve())!r}]\n{lines}\n")
        changed = settings.merge(config, {part: {"config": str(file), "epochs": EPOCHS}})
        for key in ("config", "epochs"):
            changed["datasets"][dataset].get(part, {}).pop(key, None)
        experiment = Experiment(changed, dataset, seed=0)
        experiment.limit_threads(part)
        work = Path(folder) / "work"
        if part == "retrain":
            runner = experiment.retrain_runner(network, genotype_for(config, network, dataset, 0), work)
        else:
            runner = experiment.search_runner(None, EPOCHS, EPOCHS, work)
        runner.train()
    return Stopwatch.epochs, runner.train_loop.steps_per_epoch, str(experiment.device)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="config/camvid.yaml", help="experiment configuration (%(default)s)")
    parser.add_argument("--dataset", default="camvid", help="one of its datasets (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="seconds per variant after its warm-up (%(default)s)")
    parser.add_argument("--network", default="paper_cityscapes", help="network to retrain (%(default)s)")
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="of those of both parts (all)")
    parser.add_argument("--out", type=Path, help="JSON file to write, updated after each variant")
    return parser.parse_args()


def measured(config: dict, arguments: argparse.Namespace, part: str, lines: str) -> dict[str, Any]:
    """Return the figures of one variant; of one that crashes, in a compiler, say, the error: the others still count."""
    batch = settings.for_dataset(config, arguments.dataset)[part]["batch_size"]
    try:
        epochs, steps, device = times(config, arguments.dataset, part, lines, arguments.network)
    except UserError:
        raise
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    raw = [round(1000 * seconds, 3) for seconds in epochs]
    return {
        "batch": batch,
        "steps_per_epoch": steps,
        "first_epoch_s": round(epochs[0] * steps, 2),
        "ms_per_step": statistics.median(raw[WARM:]),
        "epochs_ms_per_step": raw,
        "environment": environment(torch.device(device)),
    }


def main() -> int:
    arguments = parse()
    logging.disable(logging.INFO)  # mmengine's messages would mix with the output
    Stopwatch.seconds = arguments.seconds
    record: dict[str, Any] = {
        "setting": {"config": arguments.config, "dataset": arguments.dataset, "network": arguments.network},
        "rows": [],
        "provenance": provenance(),
    }
    variants = [("retrain", *variant) for variant in RETRAIN.items()] + [("search", *v) for v in SEARCH.items()]
    unknown = sorted(set(arguments.variants or ()) - {name for _, name, _ in variants})
    if unknown:
        known = "; ".join(dict.fromkeys(name for _, name, _ in variants))
        raise UserError(f"there is no variant {'; '.join(unknown)}; the variants are: {known}")
    config = settings.read_config(arguments.config)
    for part, name, lines in variants:
        if arguments.variants and name not in arguments.variants:
            continue
        row = {"step": part, "variant": name, **measured(config, arguments, part, lines)}
        record |= {"environment": row.pop("environment", record.get("environment"))}
        record["rows"].append(row)
        print(json.dumps({key: value for key, value in row.items() if key != "epochs_ms_per_step"}), flush=True)
        if arguments.out:
            write_json(arguments.out, record)
    return 0


if __name__ == "__main__":
    run_benchmark(main)
