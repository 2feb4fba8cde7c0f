"""Jobs of an experiment: all that the workflow runs for a configuration, in an order in which they can run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.project_files import follows_search, selection
from ssr_mmseg.settings.ranking import ranked_networks
from ssr_mmseg.settings.rivals import configured_networks, rival_entry
from ssr_mmseg.settings.scenario import cells, searches, supernet_scenario, table_networks
from ssr_mmseg.settings.selector_supernets import KINDS, needed_supernets
from ssr_mmseg.settings.stage_table import STAGES, search_stage
from ssr_mmseg.settings.teachers import teacher_training

JOINED = ("table", "summary", "report")  # made by default; figures, peers and the ablation are made on request


@dataclass(frozen=True)
class Job:
    """One job of the workflow.

    Attributes:
        stage: Name of its stage.
        dataset: Its dataset or other scenario; empty for a job that joins all results.
        seed: None for a job that all seeds share.
        network: The network of a selection, a retraining, an evaluation or a profile; else empty.
        number: Number of a shrinking stage; 0 for all other jobs.
        folder: Folder of the experiment's results.
    """

    stage: str
    dataset: str = ""
    seed: int | None = None
    network: str = ""
    number: int = 0
    folder: Path = paths.RESULTS

    @classmethod
    def of(cls, config: dict, stage: str, *values: Any, **named: Any) -> "Job":
        """Return a job of an experiment; further arguments are those of the class."""
        return replace(cls(stage, *values, **named), folder=paths.results_folder(config))

    @property
    def values(self) -> dict[str, Any]:
        """Values of Snakemake's wildcards."""
        return {"dataset": self.dataset, "seed": self.seed, "network": self.network, "stage": self.number}

    @property
    def name(self) -> str:
        """Name in the folders of logs and progress."""
        return STAGES[self.stage].job_name(**self.values)

    @property
    def result(self) -> Path:
        """The file that the job writes last."""
        return self._path(STAGES[self.stage].result)

    def output(self, key: str) -> Path:
        """Return the output file with that key."""
        return self._path(STAGES[self.stage].outputs[key])

    @property
    def log(self) -> Path:
        """The job's log file."""
        return self._path(STAGES[self.stage].log)

    def _path(self, pattern: str) -> Path:
        return self.folder / Path(pattern.format(**self.values)).relative_to(paths.RESULTS)

    @property
    def progress(self) -> Path:
        """The file with the job's progress."""
        return self._path(paths.PROGRESS.format(job=self.name))

    @property
    def title(self) -> str:
        """Name without dataset and seed: the stage, and its network or number."""
        return f"{self.stage} {self.network or self.number or ''}".rstrip()

    @property
    def arguments(self) -> list[str]:
        """Command-line arguments of the job, without the configuration."""
        return STAGES[self.stage].arguments(**self.values)


def jobs(config: dict) -> Iterator[Job]:
    """Yield the jobs of `snakemake` without a target."""
    for dataset in settings.dataset_names(config):
        yield Job.of(config, "prepare", dataset)
        yield from _latency_table_jobs(config, dataset)
        networks: dict[str, list[str]] = {}  # by scenario
        for network in table_networks(config, dataset):
            networks.setdefault(network.scenario, []).append(network.name)
        for seed in config["seeds"]:
            listed: set[Job] = set()
            for scenario, names in networks.items():
                for job in (*_teacher_jobs(config, scenario, seed, names), *_seed_jobs(config, scenario, seed, names)):
                    if job not in listed:
                        yield job
                    listed.add(job)
    for stage in JOINED:
        if stage == "report" and config["recommend"]["latency_ms"] is not None:
            yield Job.of(config, "recommend")  # the page shows it
        yield Job.of(config, stage)


def ablation_jobs(config: dict) -> Iterator[Job]:
    """Yield the jobs of `snakemake results/ablation.csv` except those of its dataset; none without an ablation."""
    if not cells(config):
        return
    for cell in cells(config):
        yield from _latency_table_jobs(config, cell)
        for seed in config["ablation"]["seeds"]:
            if config["ablation"]["retrain"]:
                yield from _seed_jobs(config, cell, seed, ["searched"], stages=("retrain", "evaluate"))
            else:
                yield from search_jobs(config, cell, seed)
    yield Job.of(config, "ablation")


def contest_jobs(config: dict) -> Iterator[Job]:
    """Yield the jobs of `snakemake results/contest.csv` except those of the table."""
    ranked, seed = ranked_networks(config), config["seeds"][0]
    for dataset in settings.dataset_names(config):
        for scenario in searches(config, dataset) if ranked else ():
            for kind in KINDS:
                yield from search_jobs(config, supernet_scenario(scenario, kind), seed)
            for network in ranked:
                if network not in configured_networks(config):
                    for stage in ("select", "retrain", "evaluate"):
                        yield Job.of(config, stage, scenario, seed, network)
            yield Job.of(config, "rank", scenario, seed)
    yield Job.of(config, "contest")


def search_jobs(config: dict, dataset: str, seed: int) -> Iterator[Job]:
    """Yield the stages of a search, in order."""
    for number in range(settings.for_dataset(config, dataset)["search"]["shrink_stages"] + 1):
        yield Job.of(config, search_stage(number).name, dataset, seed, number=number)


def _latency_table_jobs(config: dict, dataset: str) -> Iterator[Job]:
    path = settings.latency_table_path(config, dataset)
    if path is not None and not settings.for_dataset(config, dataset)["latency"]["table"]:
        yield Job.of(config, "latency_table", dataset)


def _teacher_jobs(config: dict, dataset: str, seed: int, networks: list[str]) -> Iterator[Job]:
    """Yield the training of the network that teaches others, and the jobs that it needs; none without a teacher."""
    trainings = (teacher_training(config, dataset, seed, name) for name in networks if not rival_entry(config, name))
    for scenario, _, teacher in dict.fromkeys(filter(None, trainings)):
        yield from _seed_jobs(config, scenario, seed, [teacher], stages=("retrain",))


def _seed_jobs(
    config: dict,
    dataset: str,
    seed: int,
    networks: list[str],
    stages: tuple[str, ...] = ("retrain", "evaluate", "profile", "gap"),
) -> Iterator[Job]:
    if any(map(follows_search, networks)):
        yield from search_jobs(config, dataset, seed)
        yield Job.of(config, "discretize", dataset, seed)
    for kind in needed_supernets(networks):
        yield from search_jobs(config, supernet_scenario(dataset, kind), seed)
    for network in networks:
        if selection(network):
            yield Job.of(config, "select", dataset, seed, network)
    for network in networks:
        for stage in ("retrain", "evaluate", "profile"):
            if stage in stages and (stage != "retrain" or rival_entry(config, network) is None):
                yield Job.of(config, stage, dataset, seed, network)
    if "searched" in networks and "gap" in stages:
        yield Job.of(config, "gap", dataset, seed)
