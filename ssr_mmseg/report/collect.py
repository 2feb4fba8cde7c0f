"""Collect everything the report shows from the stages' result files.

A missing or malformed file raises nothing: it becomes an entry of `missing` with the reason.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.jobs.job import Job, search_jobs
from ssr_mmseg.jobs.result_warnings import result_warnings
from ssr_mmseg.report import comparison, readers
from ssr_mmseg.report.comparison import Ablation
from ssr_mmseg.report.readers import Missing
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.project_files import SEARCHED, follows_search, selection
from ssr_mmseg.settings.rivals import RIVAL, configured_networks, rival_entry
from ssr_mmseg.settings.scenario import TableNetwork, scenario_named, searches, table_networks

PAPER = "paper_cityscapes"
LATENCIES = ("fps", "latency_ms_p50", "latency_ms_p95")  # shown if they settled


@dataclass
class Network:
    """One trained network of one dataset and seed."""

    name: str
    seed: int
    training: dict | None
    evaluation: dict | None
    profile: dict | None
    frames: list[Path]
    rival: bool = False  # a file that others have trained

    @property
    def size(self) -> tuple[int, int] | None:
        """The input size that the accuracy of a rival was measured at; None for other networks, or if unknown."""
        exported = self.evaluation["exported"] if self.rival and self.evaluation else None
        return (exported["size"][0], exported["size"][1]) if exported else None

    @property
    def label(self) -> str:
        """The name to show, followed by the seed unless it is 0."""
        return self.name if self.seed == 0 else f"{self.name} (seed {self.seed})"


@dataclass
class Search:
    """One search: the stages that have results, in order, and the genotypes found."""

    seed: int
    target: str  # suffix of a search with several cost targets, such as @8ms; empty for a single target
    space: SearchSpace
    stages: list[dict]
    genotypes: dict[str, Genotype]
    discretization: dict | None


@dataclass
class Dataset:
    """Results on one dataset."""

    name: str
    size: tuple[int, int]
    manifest: dict | None
    searches: list[Search] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    published: list[dict] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """Labels of all networks, trained or not, in the order that assigns their colors."""
        return [network.label for network in self.networks]

    @property
    def split(self) -> str:
        """The split whose accuracy is shown: test if any network was evaluated on it, else val."""
        return "test" if any(n.evaluation and n.evaluation["test"] for n in self.networks) else "val"

    def retrained(self, search: Search) -> float | None:
        """Return the val mIoU of a search's retrained network; None if unknown or if val was part of its training."""
        for network in self.networks:
            if (network.name, network.seed) == (f"searched{search.target}", search.seed) and network.training:
                return None if "val" in network.training["train_split"] else accuracy(network, "val", "miou")
        return None


@dataclass
class Results:
    """A whole experiment."""

    config: dict
    datasets: list[Dataset] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    expected: int = 0
    summary: list[dict] = field(default_factory=list)
    ablation: Ablation | None = None
    warnings: list[str] = field(default_factory=list)

    def read(self, what: str, job: Job, output: str, reader: Callable[[Path], Any]) -> Any:
        """Return the parsed result file; if it is missing or malformed, record that and return None.

        Args:
            what: Name of the result, for the reader of the report.
            job: The job that makes it.
            output: Key of the file among the outputs of the job's stage.
        """
        self.expected += 1
        path = job.output(output)
        if not path.is_file():
            self.missing.append(readers.absent(what, path, job))
            return None
        return self.parsed(what, path, reader)

    def parsed(self, what: str, path: Path, reader: Callable[[Path], Any]) -> Any:
        """Return the parsed contents of an existing file; if it is malformed, record that and return None."""
        try:
            return reader(path)
        except readers.FAULTS as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            if str(path) not in reason:
                reason = f"{path} is malformed: {reason}; delete it and run its stage again"
            self.missing.append(Missing(what, reason))
            return None

    @property
    def rows(self) -> list[dict]:
        """Rows of the table: one per network, seed and input size, with None for unknown values."""
        return [
            row for dataset in self.datasets for network in dataset.networks for row in table_rows(dataset, network)
        ]


def collect_dataset(config: dict, name: str, networks: Sequence[TableNetwork]) -> Dataset:
    """Read the results of the given networks on one dataset with the first seed, leaving out missing ones."""
    results, dataset_settings = Results(config), settings.for_dataset(config, name)["dataset"]
    seed = config["seeds"][0]
    dataset = Dataset(name, tuple(dataset_settings["size"]), None, published=published(dataset_settings["type"]))
    dataset.networks += [_network(results, seed, network) for network in networks]
    return dataset


def collect(config: dict) -> Results:
    """Read the results of all datasets, seeds and networks of a completed configuration."""
    results = Results(config)
    for name in settings.dataset_names(config):
        dataset_settings = settings.for_dataset(config, name)["dataset"]
        manifest = results.read(f"dataset {name}", Job.of(config, "prepare", name), "manifest", readers.read_manifest)
        dataset = Dataset(name, tuple(dataset_settings["size"]), manifest)
        for seed in config["seeds"]:
            if any(map(follows_search, configured_networks(config))):
                dataset.searches += [_search(results, scenario, seed) for scenario in searches(config, name)]
            dataset.networks += [_network(results, seed, network) for network in table_networks(config, name)]
        dataset.published = published(dataset_settings["type"])
        results.datasets.append(dataset)
    _collect_comparisons(results)
    results.warnings = result_warnings(config)
    return results


def _collect_comparisons(results: Results) -> None:
    """Read the summary over seeds and the ablation, if they exist: not every experiment has them."""
    summary, table, text = (
        paths.result_path(results.config, pattern) for pattern in (paths.SUMMARY, paths.ABLATION, paths.ABLATION_REPORT)
    )
    if summary.is_file():
        results.summary = results.parsed("summary over seeds", summary, comparison.read_summary) or []
    if table.is_file():
        results.ablation = results.parsed("ablation", table, comparison.read_ablation)
    if results.ablation and text.is_file():
        results.ablation.answer = results.parsed("conclusion of the ablation", text, comparison.read_answer) or []


def _search(results: Results, name: str, seed: int) -> Search:
    scenario = scenario_named(results.config, name)
    suffix = f"of {name}, seed {seed}"
    stages = []
    for job in search_jobs(results.config, name, seed):
        metrics = results.read(f"{job.title} {suffix}", job, "metrics", readers.read_stage)
        if metrics is not None:
            stages.append({**metrics, "name": job.title})
    genotypes = {}
    for network in (SEARCHED, *filter(selection, configured_networks(results.config))):
        values = ("select", name, seed, network) if selection(network) else ("discretize", name, seed)
        job = Job.of(results.config, *values)
        genotype = results.read(f"{network} genotype {suffix}", job, "genotype", Genotype.read)
        if genotype is not None:
            genotypes[network] = genotype
    job = Job.of(results.config, "discretize", name, seed)
    discretization = results.read(f"discretization {suffix}", job, "report", readers.read_discretization)
    space = SearchSpace.from_settings(settings.for_dataset(results.config, name)["search"])
    return Search(seed, scenario.label, space, stages, genotypes, discretization)


def _network(results: Results, seed: int, network: TableNetwork) -> Network:
    suffix = f"of {network.name} on {network.scenario}, seed {seed}"

    def read(stage: str, output: str, reader: Callable[[Path], Any]) -> Any:
        return results.read(
            f"{output} {suffix}", Job.of(results.config, stage, network.scenario, seed, network.name), output, reader
        )

    rival = rival_entry(results.config, network.name) is not None
    training = None if rival else read("retrain", "training", readers.read_training)
    evaluation = read("evaluate", "evaluation", readers.read_evaluation)
    profile = read("profile", "profile", readers.read_profile)
    folder = paths.result_path(
        results.config, paths.PREDICTIONS, dataset=network.scenario, seed=seed, network=network.name
    )
    return Network(network.label, seed, training, evaluation, profile, sorted(folder.glob("*.png")), rival)


def table_rows(dataset: Dataset, network: Network) -> list[dict]:
    """Return the rows of one network, one per profiled input size; only the size it was evaluated at has accuracies."""
    records = network.profile["records"] if network.profile else []
    training = network.training or {}
    common = {
        "dataset": dataset.name,
        "network": network.name,
        "seed": network.seed,
        "kind": RIVAL if network.rival else training.get("kind"),
        **{key: training.get(key) for key in ("train_split", "pretrained", "teacher")},
        "train_hours": training.get("hours"),
    }
    rows = []
    for record in records or [{"size": list(dataset.size)}]:
        height, width = record["size"]
        has_accuracy = (height, width) == (network.size or dataset.size)
        rows.append(
            {
                **common,
                "input_size": f"{height}×{width}",
                **{key: record.get(key) for key in ("params", "macs")},
                **{key: record.get(key) if record.get("settled") else None for key in LATENCIES},
                "device": record.get("device"),
                "miou_val": accuracy(network, "val", "miou") if has_accuracy else None,
                "miou_test": accuracy(network, "test", "miou") if has_accuracy else None,
                "miou_exported": exported_miou(network, dataset.split) if has_accuracy else None,
                "pixel_accuracy": accuracy(network, dataset.split, "pixel_accuracy") if has_accuracy else None,
            }
        )
    return rows


def accuracy(network: Network, split: str, key: str) -> Any:
    """Return one value of a network's evaluation on a split, or None."""
    metrics = network.evaluation[split] if network.evaluation else None
    return metrics[key] if metrics else None


def exported_miou(network: Network, split: str) -> float | None:
    """Return the mIoU of a network's exported file on a split, or None."""
    exported = network.evaluation["exported"] if network.evaluation else None
    metrics = exported[split] if exported else None
    return metrics["miou"] if metrics else None


def published(dataset_type: str) -> list[dict]:
    """Return the published results for a dataset type; `latency_ms` was measured on the testbed of each source."""
    path = paths.PUBLISHED / f"{dataset_type}.csv"
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        {
            "model": row["model"],
            "input_size": row["input_size"].replace("x", "×"),
            "pretrained": row["pretrained"],
            "params_m": _float(row["params_m"]),
            "miou": _float(row["test_miou"]),
            "fps": _float(row["fps"]),
            "latency_ms": 1000 / float(row["fps"]) if row["fps"] else None,
            "testbed": row["testbed"],
            "source": row["source"],
        }
        for row in rows
    ]


def _float(text: str) -> float | None:
    return float(text) if text else None
