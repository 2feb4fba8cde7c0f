"""Lengths of search and trainings that a time budget has room for, by a forecast of the whole run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ssr_mmseg.fit.measurements import StepTimes
from ssr_mmseg.fit.schedule import PlannedJob, makespan
from ssr_mmseg.stages.forecast import KEPT

LEAST = (400, 600)  # steps of the search and of each training, without which a run shows nothing
GOOD = (1000, 1500)  # from here on larger images are worth more than more steps, as far as was tried on CamVid
FULL = (9000, 22000)  # of the full experiment on CamVid, config/camvid.yaml
LEAST_EPOCHS = 2  # of a training: the first one is the warm-up
MOST_SEEDS = 3
SHRINK_STAGES = 3
WARMUP = 0.25  # share of the search
MARGIN = 1.15  # jobs that run at the same time slow each other down, and validation takes its share
EXPORT, TIMING, PAGE = 8.0, 15.0, 20.0  # seconds of an export, of a network's timing, and of the report


@dataclass(frozen=True)
class Work:
    """What a forecast needs to know of a run.

    Attributes:
        steps: Seconds of a step of each kind.
        share: Where the aim lies between the fastest network of the space (0) and the largest (1).
        networks: The networks to train besides `searched`: those that a search makes, and baselines.
        images: Images in train, val and test.
        batch: Images per step.
        table: Seconds that the latency table takes.
        startup: Seconds that each job takes to begin.
        cores: Cores of the machine, or 1 where a GPU does one job at a time.
    """

    steps: StepTimes
    share: float
    networks: Sequence[str]
    images: tuple[int, int, int]
    batch: int
    table: float
    startup: float
    cores: int


@dataclass(frozen=True)
class Lengths:
    """Lengths of a plan.

    Attributes:
        search_epochs: Of each of the search's stages.
        train_epochs: Of each training.
        seeds: Number of repetitions of the whole.
        networks: The networks to train, `searched` first.
        seconds: Forecast of the run.
    """

    search_epochs: int
    train_epochs: int
    seeds: int
    networks: tuple[str, ...]
    seconds: float
    search_steps: int
    train_steps: int


def fit_lengths(work: Work, seconds: float) -> Lengths | None:
    """Return the longest plan that the forecast fits into a time; None if even the least does not fit.

    Trainings are lengthened before a random network is added to compare with, and that before more seeds.
    """
    alone = replace(work, networks=[name for name in work.networks if name != "random"])
    found = _longest(alone, seconds, LEAST, GOOD)
    if found is None:
        return None
    for seeds in range(1, MOST_SEEDS + 1):
        better = _longest(work, seconds, GOOD, FULL, seeds)
        if better is None:
            return found
        if seeds > 1 and better.train_steps < min(FULL[1], 3 * GOOD[1]):
            return found  # one good training says more than two short ones
        found = better
    return found


def forecast(work: Work, steps: tuple[int, int], seeds: int = 1) -> Lengths:
    """Return the lengths in epochs that have about the given steps, of search and training, with the run's forecast."""
    train = work.images[0]
    search_epoch, train_epoch = (max(1, images // work.batch) for images in (train // 2, train))
    stages = 1 + SHRINK_STAGES
    epochs = max(1, round(steps[0] / search_epoch / stages))
    train_epochs = max(LEAST_EPOCHS, round(steps[1] / train_epoch))
    seconds = makespan(_jobs(work, epochs * search_epoch, train_epochs * train_epoch, seeds), work.cores)
    return Lengths(
        epochs,
        train_epochs,
        seeds,
        ("searched", *work.networks),
        seconds,
        stages * epochs * search_epoch,
        train_epochs * train_epoch,
    )


def _longest(
    work: Work, seconds: float, least: tuple[int, int], most: tuple[int, int], seeds: int = 1
) -> Lengths | None:
    """Return the longest plan between two lengths that fits; None if the shorter of them does not."""
    longest, best = (forecast(work, steps, seeds) for steps in (most, least))
    if longest.seconds <= seconds:
        return longest
    if best.seconds > seconds:
        return None
    low, high = 0.0, 1.0
    for _ in range(12):  # between the two, both lengths grow in proportion to themselves
        middle = (low + high) / 2
        search, train = (round(a * (b / a) ** middle) for a, b in zip(least, most, strict=True))
        tried = forecast(work, (search, train), seeds)
        if tried.seconds <= seconds:
            best, low = tried, middle
        else:
            high = middle
    return best


def _jobs(work: Work, stage_steps: int, train_steps: int, seeds: int) -> dict[str, PlannedJob]:
    """Return the jobs of a plan with their forecast times.

    Args:
        stage_steps: Steps of each stage of the search.
        train_steps: Steps of each training.
    """
    times, start = work.steps, work.startup
    retrain = times.smallest + work.share * (times.largest - times.smallest)
    forward = retrain / work.batch / 3  # seconds of one image: backward takes twice the time of forward
    evaluated = 2 * sum(work.images[1:]) * (forward + 0.01) + EXPORT  # by PyTorch and by the exported file
    jobs = {
        "prepare": PlannedJob(start + 0.02 * sum(work.images)),
        "table": PlannedJob(start + work.table, work.cores, ("prepare",)),
    }
    for seed in range(seeds):
        before, left = "table", WARMUP * (1 + SHRINK_STAGES)  # stages of the warm-up
        for stage in range(1 + SHRINK_STAGES):
            step = times.decided + KEPT**stage * (times.search - times.decided)
            warm = min(1.0, max(0.0, left - stage))
            step += warm * (times.warmup - step)
            name = f"search {stage} {seed}"
            jobs[name] = PlannedJob(start + MARGIN * stage_steps * step, 1, (before,))
            before = name
        jobs[f"discretize {seed}"] = PlannedJob(start, 1, (before,))
        for network in ("searched", *work.networks):
            made = network in ("searched", "random")
            step = retrain if made else times.baselines.get(network, 0.0)
            needs = (f"discretize {seed}",) if made else ("prepare",)
            trained = f"retrain {network} {seed}"
            jobs[trained] = PlannedJob(start + MARGIN * train_steps * step, 1, needs)
            jobs[f"evaluate {network} {seed}"] = PlannedJob(start + evaluated, 1, (trained,))
            jobs[f"profile {network} {seed}"] = PlannedJob(start + TIMING, work.cores, (trained,))
    ends = tuple(name for name in jobs if name.startswith(("evaluate", "profile")))
    timing = (1 + len(work.networks)) * seeds * TIMING
    jobs["recommend"] = PlannedJob(start + timing, work.cores, ends)
    jobs["report"] = PlannedJob(start + PAGE, 1, ("recommend",))
    return jobs
