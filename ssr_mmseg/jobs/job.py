"""Every job of an experiment: what it is called, and what it writes last. The rules of the workflow, as a list."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ssr_mmseg import settings
from ssr_mmseg.jobs.progress import job_name
from ssr_mmseg.settings import cost_targets, paths
from ssr_mmseg.settings.ablation import cells

JOINED = {"table": paths.TABLE, "summary": paths.SUMMARY, "report": paths.REPORT}  # on request: figures, ablation


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        stage: Its rule.
        dataset: A dataset, a cell of the ablation, a member of a family, or nothing for what joins the results.
        seed: None for a job that all seeds share.
        detail: The network, or the number of a shrinking stage.
        result: The file that it writes last.
    """

    stage: str
    result: Path
    dataset: str = ""
    seed: int | None = None
    detail: str | int = ""

    @property
    def name(self) -> str:
        """Its name in the folders of logs and progress."""
        return job_name(self.stage, self.dataset, self.seed, self.detail)

    @property
    def title(self) -> str:
        """What it does, without its dataset and seed."""
        return f"{self.stage} {self.detail}".rstrip()


def jobs(config: dict) -> Iterator[Job]:
    """The jobs of `snakemake` without a target, in an order in which they can run."""
    for dataset in settings.dataset_names(config):
        yield Job("prepare", Path(paths.MANIFEST.format(dataset=dataset)), dataset)
        yield from _table_jobs(config, dataset)
        places: dict[str, list[str]] = {}
        for label in settings.networks(config, dataset):
            place, network = cost_targets.place_of(dataset, label)
            places.setdefault(place, []).append(network)
        for seed in config["seeds"]:
            for place, networks in places.items():
                yield from _seed_jobs(config, place, seed, networks)
    for stage, path in JOINED.items():
        yield Job(stage, Path(path))


def ablation_jobs(config: dict) -> Iterator[Job]:
    """The jobs of `snakemake results/ablation.csv` but those of its dataset; none without an ablation."""
    if not cells(config):
        return
    for cell in cells(config):
        yield from _table_jobs(config, cell)
        for seed in config["ablation"]["seeds"]:
            if config["ablation"]["retrain"]:
                yield from _seed_jobs(config, cell, seed, ["searched"], stages=("retrain", "evaluate"))
            else:
                yield from _search_jobs(config, cell, seed)
    yield Job("ablation", Path(paths.ABLATION))


def _table_jobs(config: dict, dataset: str) -> Iterator[Job]:
    path = settings.latency_table_path(config, dataset)
    if path is not None and not settings.for_dataset(config, dataset)["latency"]["table"]:
        yield Job("latency_table", path, dataset)


def _search_jobs(config: dict, dataset: str, seed: int) -> Iterator[Job]:
    for stage in range(settings.for_dataset(config, dataset)["search"]["shrink_stages"] + 1):
        name = "shrink" if stage else "search"
        yield Job(name, paths.stage_metrics_path(dataset, seed, stage), dataset, seed, stage or "")


def _seed_jobs(
    config: dict,
    dataset: str,
    seed: int,
    networks: list[str],
    stages: tuple[str, ...] = ("retrain", "evaluate", "profile", "gap"),
) -> Iterator[Job]:
    made = {"discretize": paths.GENOTYPE}
    if "random" in networks:
        made["sample"] = paths.RANDOM_GENOTYPE
    if {"searched", "random"} & set(networks):
        yield from _search_jobs(config, dataset, seed)
        for stage, pattern in made.items():
            yield Job(stage, Path(pattern.format(dataset=dataset, seed=seed)), dataset, seed)
    patterns = {"retrain": paths.TRAINING, "evaluate": paths.EVALUATION, "profile": paths.PROFILE}
    for network in networks:
        for stage, pattern in patterns.items():
            if stage in stages:
                path = Path(pattern.format(dataset=dataset, seed=seed, network=network))
                yield Job(stage, path, dataset, seed, network)
    if "searched" in networks and "gap" in stages:
        yield Job("gap", Path(paths.GAP.format(dataset=dataset, seed=seed)), dataset, seed)
