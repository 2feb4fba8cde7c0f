"""Collect everything the report shows from the stages' result files.

A missing or malformed file raises nothing: it becomes an entry of `missing` with the reason.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.report import comparison, readers
from ssr_mmseg.report.comparison import Ablation
from ssr_mmseg.report.readers import Missing
from ssr_mmseg.settings import cost_targets, paths

PAPER = "paper_cityscapes"


@dataclass
class Network:
    """One trained network of one dataset and seed."""

    name: str
    seed: int
    training: dict | None
    evaluation: dict | None
    profile: dict | None
    frames: list[Path]

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

    def read(self, what: str, stage: str, job: str, path: Path, reader: Callable[[Path], Any]) -> Any:
        """Return the parsed result file; if it is missing or malformed, record that and return None."""
        self.expected += 1
        if not path.is_file():
            self.missing.append(readers.absent(what, path, stage, job))
            return None
        return self.parsed(what, path, reader)

    def parsed(self, what: str, path: Path, reader: Callable[[Path], Any]) -> Any:
        """Return the parsed contents of an existing file; if it is malformed, record that and return None."""
        try:
            return reader(path)
        except readers.FAULTS as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            self.missing.append(Missing(what, f"{path} is malformed: {reason}"))
            return None

    @property
    def rows(self) -> list[dict]:
        """Rows of the table: one per network, seed and input size, with None for unknown values."""
        return [
            row for dataset in self.datasets for network in dataset.networks for row in table_rows(dataset, network)
        ]


def collect_dataset(config: dict, name: str, networks: list[str]) -> Dataset:
    """Read the results of the given networks on one dataset with the first seed, leaving out missing ones."""
    results, dataset_settings = Results(config), settings.for_dataset(config, name)["dataset"]
    seed = config["seeds"][0]
    dataset = Dataset(name, tuple(dataset_settings["size"]), None, published=published(dataset_settings["type"]))
    dataset.networks += [_network(results, name, seed, network) for network in networks]
    return dataset


def collect(config: dict) -> Results:
    """Read the results of all datasets, seeds and networks of a completed configuration."""
    results = Results(config)
    for name in settings.dataset_names(config):
        dataset_config = settings.for_dataset(config, name)
        manifest_path = Path(paths.MANIFEST.format(dataset=name))
        manifest = results.read(f"dataset {name}", "prepare", name, manifest_path, readers.read_manifest)
        dataset = Dataset(name, tuple(dataset_config["dataset"]["size"]), manifest)
        searched = {"searched", "random"} & set(config["networks"])
        for seed in config["seeds"]:
            if searched:
                places = settings.members(config, name)
                dataset.searches += [
                    _search(results, name, place.removeprefix(name), seed, dataset_config) for place in places
                ]
            dataset.networks += [_network(results, name, seed, network) for network in settings.networks(config, name)]
        dataset.published = published(dataset_config["dataset"]["type"])
        results.datasets.append(dataset)
    _collect_comparisons(results)
    return results


def _collect_comparisons(results: Results) -> None:
    """Read the summary over seeds and the ablation, if they exist: not every experiment has them."""
    summary, table, text = map(Path, (paths.SUMMARY, paths.ABLATION, paths.ABLATION_REPORT))
    if summary.is_file():
        results.summary = results.parsed("summary over seeds", summary, comparison.read_summary) or []
    if table.is_file():
        results.ablation = results.parsed("ablation", table, comparison.read_ablation)
    if results.ablation and text.is_file():
        results.ablation.answer = results.parsed("conclusion of the ablation", text, comparison.read_answer) or []


def _search(results: Results, name: str, target: str, seed: int, dataset_config: dict) -> Search:
    stages, dataset = [], name + target
    for stage in range(dataset_config["search"]["shrink_stages"] + 1):
        title = f"shrink {stage}" if stage else "search"
        job = f"{dataset}-seed{seed}" + (f"-{stage}" if stage else "")
        path = paths.stage_metrics_path(dataset, seed, stage)
        what = f"{title} of {dataset}, seed {seed}"
        metrics = results.read(what, title.split()[0], job, path, readers.read_stage)
        if metrics is not None:
            stages.append({**metrics, "name": title})
    names = {"dataset": dataset, "seed": seed}
    job = f"{dataset}-seed{seed}"
    patterns = {"searched": ("discretize", paths.GENOTYPE)}
    if "random" in results.config["networks"]:
        patterns["random"] = ("sample", paths.RANDOM_GENOTYPE)
    genotypes = {}
    for network, (stage_name, pattern) in patterns.items():
        path = Path(pattern.format(**names))
        what = f"{network} genotype of {dataset}, seed {seed}"
        genotype = results.read(what, stage_name, job, path, Genotype.read)
        if genotype is not None:
            genotypes[network] = genotype
    path = Path(paths.DISCRETIZATION.format(**names))
    what = f"discretization of {dataset}, seed {seed}"
    discretization = results.read(what, "discretize", job, path, readers.read_discretization)
    space = SearchSpace.from_settings(dataset_config["search"])
    return Search(seed, target, space, stages, genotypes, discretization)


def _network(results: Results, dataset: str, seed: int, network: str) -> Network:
    place, name = cost_targets.place_of(dataset, network)
    names = {"dataset": place, "seed": seed, "network": name}
    read = partial(_read_stage_of, results, names)
    training = read("retrain", "training", paths.TRAINING, readers.read_training)
    evaluation = read("evaluate", "evaluation", paths.EVALUATION, readers.read_evaluation)
    profile = read("profile", "profile", paths.PROFILE, readers.read_profile)
    folder = Path(paths.PREDICTIONS.format(**names))
    return Network(network, seed, training, evaluation, profile, sorted(folder.glob("*.png")))


def _read_stage_of(results: Results, names: dict, stage: str, what: str, pattern: str, reader: Callable) -> Any:
    job = "{dataset}-seed{seed}-{network}".format(**names)
    title = f"{what} of {names['network']} on {names['dataset']}, seed {names['seed']}"
    return results.read(title, stage, job, Path(pattern.format(**names)), reader)


def table_rows(dataset: Dataset, network: Network) -> list[dict]:
    """Return the rows of one network, one per profiled input size; only the dataset's own size has accuracies."""
    records = network.profile["records"] if network.profile else []
    training = network.training or {}
    common = {
        "dataset": dataset.name,
        "network": network.name,
        "seed": network.seed,
        **{key: training.get(key) for key in ("kind", "train_split")},
        "train_hours": training.get("hours"),
    }
    rows = []
    for record in records or [{"size": list(dataset.size)}]:
        height, width = record["size"]
        has_accuracy = (height, width) == dataset.size
        rows.append(
            {
                **common,
                "input_size": f"{height}×{width}",
                **{key: record.get(key) for key in ("params", "macs", "fps", "latency_ms_p50", "latency_ms_p95")},
                "device": record.get("device"),
                "miou_val": accuracy(network, "val", "miou") if has_accuracy else None,
                "miou_test": accuracy(network, "test", "miou") if has_accuracy else None,
                "pixel_accuracy": accuracy(network, dataset.split, "pixel_accuracy") if has_accuracy else None,
            }
        )
    return rows


def accuracy(network: Network, split: str, key: str) -> Any:
    """Return one value of a network's evaluation on a split, or None."""
    metrics = network.evaluation[split] if network.evaluation else None
    return metrics[key] if metrics else None


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


def provenance(results: Results) -> dict:
    """Return the commits, versions, machines, hours and evaluated weights of all results."""
    trainings = [n.training for d in results.datasets for n in d.networks if n.training]
    profiles = [n.profile for d in results.datasets for n in d.networks if n.profile]
    stages = [stage for d in results.datasets for search in d.searches for stage in search.stages]
    origins = [entry["provenance"] for entry in (*stages, *trainings, *profiles)]
    versions = sorted({pair for origin in origins for pair in origin["versions"].items()})
    devices = {t["device"] for t in trainings} | {r["device"] for p in profiles for r in p["records"]}
    weights = [
        {"dataset": dataset.name, "network": network.label, "seed": network.seed, **network.evaluation["weights"]}
        for dataset in results.datasets
        for network in dataset.networks
        if network.evaluation and network.evaluation["weights"]
    ]
    return {
        "weights": weights,
        "commits": sorted({origin["commit"] or "not under git" for origin in origins}),
        "versions": versions,
        "pythons": sorted({origin["python"] for origin in origins if origin["python"]}),
        "machines": sorted({origin["machine"] for origin in origins if origin["machine"]}),
        "devices": sorted(devices),
        "search_hours": sum(stage["hours"] or 0 for stage in stages),
        "train_hours": sum(training["hours"] or 0 for training in trainings),
    }
