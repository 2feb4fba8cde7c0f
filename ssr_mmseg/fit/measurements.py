"""Times on this device that a plan rests on: of networks, and of training steps."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import torch

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.costs.latency_table.modules import build_module, make_input
from ssr_mmseg.costs.latency_table.parts import NetworkPart
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.profiling.backends.base import alignment, backend_type, prepare_backend
from ssr_mmseg.profiling.interleaved import interleave
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.stages.forecast import measure_step, quiet_logger, smallest_structure
from ssr_mmseg.stages.latency_table import head_widths

LONGEST_START = 20.0  # seconds until a process has imported everything, on a slow disk
ROUNDS = 15  # timed runs of a network
STEPS = 3  # timed steps of a training; one more is not counted


@dataclass(frozen=True)
class Device:
    """Where the networks will run, and by what.

    Attributes:
        device: Device of the runs.
        backend: Name of a profiling backend.
        precision: One of its precisions.
    """

    device: torch.device
    backend: str
    precision: str = "fp32"


@dataclass(frozen=True)
class StepTimes:
    """Seconds of one step, for each kind of training, and what goes with them.

    Attributes:
        search: Of the whole supernet, which the search begins with.
        decided: Of a supernet with one operator per block, which it ends with.
        warmup: Of the search's warm-up.
        smallest, largest: Of retraining the space's smallest and largest network.
        baselines: Of training the other networks, by name.
        peak_gb: Memory of the search, in 10⁹ bytes.
    """

    search: float
    decided: float
    warmup: float
    smallest: float
    largest: float
    baselines: dict[str, float]
    peak_gb: float

    def scaled(self, factor: float) -> "StepTimes":
        """Return the times for images of `factor` times as many pixels."""
        times = {name: getattr(self, name) * factor for name in ("search", "decided", "warmup", "smallest", "largest")}
        baselines = {name: seconds * factor for name, seconds in self.baselines.items()}
        return StepTimes(**times, baselines=baselines, peak_gb=self.peak_gb * factor)


def network_times(
    genotypes: Sequence[Genotype], classes: int, size: tuple[int, int], device: Device, retrain: dict
) -> list[float]:
    """Return the median milliseconds of each network on one image, in the form in which the latency table has it.

    Args:
        genotypes: The networks.
        classes: Number of classes.
        size: Height and width of the input.
        device: Where and how to run them.
        retrain: The section `retrain`, whose config has the widths of the head.

    Raises:
        UserError: The backend is not available, or does not offer the precision.
    """
    graph = backend_type(device.backend, device.precision).default_graph
    align = alignment(device.backend, device.precision) if graph == "deployed" else 1
    head = head_widths(retrain)
    backends = []
    with arithmetic(device.precision):
        for genotype in genotypes:
            part = NetworkPart(genotype)
            torch.manual_seed(0)
            module, batch = build_module(part, classes, graph, align, head), make_input(part, size, align)
            backends.append(prepare_backend(device.backend, device.precision, module, batch, device.device))
        samples = interleave([backend.run for backend in backends], backends[0].synchronize, ROUNDS)
    return [float(value) for value in np.median(samples, axis=1)]


def step_times(config: dict, dataset: str, extremes: tuple[Genotype, Genotype], baselines: Sequence[str]) -> StepTimes:
    """Time a few steps of every kind of training that a plan has, on the prepared data.

    Args:
        config: A completed configuration.
        dataset: Name of its dataset, which must be prepared.
        extremes: The smallest and the largest network of the search space.
        baselines: Names of the other networks to train.

    Raises:
        UserError: The training set is too small for a few steps.
    """
    experiment = Experiment(config, dataset, config["seeds"][0])
    experiment.limit_threads("search")
    small = measure_step(experiment, smallest_structure(experiment.space), STEPS)
    whole = measure_step(experiment, None, STEPS)
    warm = measure_step(experiment, None, STEPS, warmup=True)
    experiment.limit_threads("retrain")
    smallest, largest = (training_step(experiment, "searched", genotype) for genotype in extremes)
    return StepTimes(
        whole["seconds_per_step"],
        small["seconds_per_step"],
        warm["seconds_per_step"],
        smallest,
        largest,
        {name: training_step(experiment, name, None) for name in baselines},
        whole["peak_gb"],
    )


def training_step(experiment: Experiment, network: str, genotype: Genotype | None) -> float:
    """Return the median seconds of a step that trains a network, with the loading of its images."""
    with tempfile.TemporaryDirectory() as folder:
        # mmengine knows runners by name and second
        work = Path(folder) / f"fit-{network}-{time.monotonic_ns()}"
        runner = experiment.retrain_runner(network, genotype, work)
        with quiet_logger(runner):
            loop = runner.build_train_loop(runner._train_loop)
            wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
            model = runner.model.train()
            seconds: list[float] = []
            batches = iter(loop.dataloader)
            for _ in range(STEPS + 1):
                started = time.perf_counter()
                batch = next(batches, None)
                if batch is None:
                    break
                model.train_step(batch, wrapper)
                if experiment.device.type == "cuda":
                    torch.cuda.synchronize()
                seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:] or seconds)


def startup_seconds() -> float:
    """Return how long this process took until it had imported everything: each job of the workflow does, too.

    A process that has done other things before is older than that.
    """
    return min(LONGEST_START, time.time() - psutil.Process().create_time())
