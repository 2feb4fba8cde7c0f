"""Milliseconds per training step with each way of making it faster: prints JSON, one line per variant.

    python benchmarks/training_step.py --config config/camvid.yaml --dataset camvid --seconds 10

The dataset must have been prepared. Each variant is the configuration's own retraining of a network, or the first
stage of its search, with data path and all, that ends after some seconds; epochs before the median settles are not
counted. Nothing of it is kept.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from ssr_mmseg import settings
from ssr_mmseg.experiment import Experiment
from ssr_mmseg.stages.networks import genotype_for

HISTORY, STOPWATCH = "dict(type='HistoryHook')", "dict(type='Stopwatch')"
AVERAGE, LAYOUT = "dict(type='AverageHook')", "dict(type='ChannelsLastHook')"


def hooks(*more: str) -> str:
    """The line of a schedule with the hooks of every variant, and `more` of them."""
    return f"custom_hooks = [{', '.join([HISTORY, *more, STOPWATCH])}]"


RETRAIN = {  # lines laid over the configured schedule
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
}
WARM = 2  # epochs
EPOCHS = 10_000  # more than there is time for: the stopwatch ends them


@HOOKS.register_module()
class Stopwatch(Hook):
    """Time whole epochs, and end the training after `seconds` of them."""

    seconds = 10.0
    epochs: list[float]

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="config/camvid.yaml")
    parser.add_argument("--dataset", default="camvid")
    parser.add_argument("--seconds", type=float, default=10, help="per variant, after its warm-up (%(default)s)")
    parser.add_argument("--network", default="paper_cityscapes", help="what is retrained (%(default)s)")
    arguments = parser.parse_args()
    Stopwatch.seconds = arguments.seconds
    config = settings.read_config(arguments.config)
    own = settings.for_dataset(config, arguments.dataset)
    for part, variants in (("retrain", RETRAIN), ("search", SEARCH)):
        for name, lines in variants.items():
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "schedule.py"
                file.write_text(f"_base_ = [{str(Path(own[part]['schedule']).resolve())!r}]\n{lines}\n")
                changed = settings.merge(config, {part: {"schedule": str(file), "epochs": EPOCHS}})
                for key in ("schedule", "epochs"):
                    changed["datasets"][arguments.dataset].get(part, {}).pop(key, None)
                experiment = Experiment(changed, arguments.dataset, seed=0)
                experiment.limit_threads(part)
                work = Path(folder) / "work"
                if part == "retrain":
                    genotype = genotype_for(arguments.network, arguments.dataset, 0)
                    runner = experiment.retrain_runner(arguments.network, genotype, work)
                else:
                    runner = experiment.search_runner(None, EPOCHS, EPOCHS, work)
                runner.train()
            milliseconds = [1000 * seconds for seconds in Stopwatch.epochs[WARM:]]
            row = {"step": part, "variant": name, "batch": own[part]["batch_size"], "epochs": len(milliseconds)}
            row |= {"first_epoch_s": round(Stopwatch.epochs[0] * runner.train_loop.steps_per_epoch, 2)}
            row |= {"ms_per_step": round(statistics.median(milliseconds), 2), "device": str(experiment.device)}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
