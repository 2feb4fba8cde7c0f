"""Everything that the report shows, collected from the results that are there.

What is missing or malformed becomes an entry of `missing` with the reason; nothing here raises for it.
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
        """Name to show, with the seed where it is not the first."""
        return self.name if self.seed == 0 else f"{self.name} (seed {self.seed})"


@dataclass
class Search:
    """One search: its stages in order, as far as they are there, and what came out."""

    seed: int
    target: str  # what names this search among those of several targets, such as @8ms; empty for the only one
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
        """Labels of all networks, trained or not, in the order that gives them their colours."""
        return [network.label for network in self.networks]

    @property
    def split(self) -> str:
        """The split whose accuracy is shown: test where any network was evaluated on it, else val."""
        return "test" if any(n.evaluation and n.evaluation["test"] for n in self.networks) else "val"

    def retrained(self, search: Search) -> float | None:
        """mIoU on val of the network of a search; None if it is not known, or val was part of its training."""
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
        """What `reader` makes of a result file, or None and a note."""
        self.expected += 1
        if not path.is_file():
            self.missing.append(readers.absent(what, path, stage, job))
            return None
        return self.parsed(what, path, reader)

    def parsed(self, what: str, path: Path, reader: Callable[[Path], Any]) -> Any:
        """What `reader` makes of a file that is there, or None and a note."""
        try:
            return reader(path)
        except readers.FAULTS as error:
            reason = f"no {error} in it" if isinstance(error, KeyError) else str(error)
            self.missing.append(Missing(what, f"{path} is not as expected: {reason}"))
            return None

    @property
    def rows(self) -> list[dict]:
        """Rows of the table: one per network, seed and input size, with None for what is not known."""
        return [
            row for dataset in self.datasets for network in dataset.networks for row in table_rows(dataset, network)
        ]


def collect_dataset(config: dict, name: str, networks: list[str]) -> Dataset:
    """What there is of the given networks on one dataset, with the first seed; what is missing is left out."""
    found, own = Results(config), settings.for_dataset(config, name)["dataset"]
    seed = config["seeds"][0]
    dataset = Dataset(name, tuple(own["size"]), None, published=published(own["type"]))
    dataset.networks += [_network(found, name, seed, network) for network in networks]
    return dataset


def collect(config: dict) -> Results:
    """Read the results of all datasets, seeds and networks of a completed configuration."""
    found = Results(config)
    for name in settings.dataset_names(config):
        own = settings.for_dataset(config, name)
        manifest_path = Path(paths.MANIFEST.format(dataset=name))
        manifest = found.read(f"dataset {name}", "prepare", name, manifest_path, readers.read_manifest)
        dataset = Dataset(name, tuple(own["dataset"]["size"]), manifest)
        searched = {"searched", "random"} & set(config["networks"])
        for seed in config["seeds"]:
            if searched:
                places = settings.members(config, name)
                dataset.searches += [_search(found, name, place.removeprefix(name), seed, own) for place in places]
            dataset.networks += [_network(found, name, seed, network) for network in settings.networks(config, name)]
        dataset.published = published(own["dataset"]["type"])
        found.datasets.append(dataset)
    _collect_comparisons(found)
    return found


def _collect_comparisons(found: Results) -> None:
    """Read what joins several searches, as far as it has been made: neither is part of every experiment."""
    summary, table, text = map(Path, (paths.SUMMARY, paths.ABLATION, paths.ABLATION_REPORT))
    if summary.is_file():
        found.summary = found.parsed("summary of the seeds", summary, comparison.read_summary) or []
    if table.is_file():
        found.ablation = found.parsed("ablation", table, comparison.read_ablation)
    if found.ablation and text.is_file():
        found.ablation.answer = found.parsed("answer of the ablation", text, comparison.read_answer) or []


def _search(found: Results, name: str, target: str, seed: int, own: dict) -> Search:
    stages, dataset = [], name + target
    for stage in range(own["search"]["shrink_stages"] + 1):
        title = f"shrink {stage}" if stage else "search"
        job = f"{dataset}-seed{seed}" + (f"-{stage}" if stage else "")
        path = paths.stage_metrics_path(dataset, seed, stage)
        what = f"{title} of {dataset}, seed {seed}"
        metrics = found.read(what, title.split()[0], job, path, readers.read_stage)
        if metrics is not None:
            stages.append({**metrics, "name": title})
    names = {"dataset": dataset, "seed": seed}
    job = f"{dataset}-seed{seed}"
    patterns = {"searched": ("discretize", paths.GENOTYPE)}
    if "random" in found.config["networks"]:
        patterns["random"] = ("sample", paths.RANDOM_GENOTYPE)
    genotypes = {}
    for network, (stage_name, pattern) in patterns.items():
        path = Path(pattern.format(**names))
        what = f"{network} genotype of {dataset}, seed {seed}"
        genotype = found.read(what, stage_name, job, path, Genotype.read)
        if genotype is not None:
            genotypes[network] = genotype
    path = Path(paths.DISCRETIZATION.format(**names))
    what = f"discretization of {dataset}, seed {seed}"
    discretization = found.read(what, "discretize", job, path, readers.read_discretization)
    space = SearchSpace.from_settings(own["search"])
    return Search(seed, target, space, stages, genotypes, discretization)


def _network(found: Results, dataset: str, seed: int, network: str) -> Network:
    place, name = cost_targets.place_of(dataset, network)
    names = {"dataset": place, "seed": seed, "network": name}
    read = partial(_read_stage_of, found, names)
    training = read("retrain", "training", paths.TRAINING, readers.read_training)
    evaluation = read("evaluate", "evaluation", paths.EVALUATION, readers.read_evaluation)
    profile = read("profile", "profile", paths.PROFILE, readers.read_profile)
    folder = Path(paths.PREDICTIONS.format(**names))
    return Network(network, seed, training, evaluation, profile, sorted(folder.glob("*.png")))


def _read_stage_of(found: Results, names: dict, stage: str, what: str, pattern: str, reader: Callable) -> Any:
    job = "{dataset}-seed{seed}-{network}".format(**names)
    title = f"{what} of {names['network']} on {names['dataset']}, seed {names['seed']}"
    return found.read(title, stage, job, Path(pattern.format(**names)), reader)


def table_rows(dataset: Dataset, network: Network) -> list[dict]:
    """Rows of one network: one per profiled input size; accuracy stands in that of the dataset's own size."""
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
        own = (height, width) == dataset.size
        rows.append(
            {
                **common,
                "input_size": f"{height}×{width}",
                **{key: record.get(key) for key in ("params", "macs", "fps", "latency_ms_p50", "latency_ms_p95")},
                "device": record.get("device"),
                "miou_val": accuracy(network, "val", "miou") if own else None,
                "miou_test": accuracy(network, "test", "miou") if own else None,
                "pixel_accuracy": accuracy(network, dataset.split, "pixel_accuracy") if own else None,
            }
        )
    return rows


def accuracy(network: Network, split: str, key: str) -> Any:
    """A value of a network's evaluation on a split, or None."""
    found = network.evaluation[split] if network.evaluation else None
    return found[key] if found else None


def published(dataset_type: str) -> list[dict]:
    """Published rows for a type of dataset, each with its source; `latency_ms` is that of its own testbed."""
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


def provenance(found: Results) -> dict:
    """Commits, versions, machines, hours and the weights that were evaluated, gathered from all results."""
    trainings = [n.training for d in found.datasets for n in d.networks if n.training]
    profiles = [n.profile for d in found.datasets for n in d.networks if n.profile]
    stages = [stage for d in found.datasets for search in d.searches for stage in search.stages]
    origins = [entry["provenance"] for entry in (*stages, *trainings, *profiles)]
    versions = sorted({pair for origin in origins for pair in origin["versions"].items()})
    devices = {t["device"] for t in trainings} | {r["device"] for p in profiles for r in p["records"]}
    weights = [
        {"dataset": dataset.name, "network": network.label, "seed": network.seed, **network.evaluation["weights"]}
        for dataset in found.datasets
        for network in dataset.networks
        if network.evaluation and network.evaluation["weights"]
    ]
    return {
        "weights": weights,
        "commits": sorted({origin["commit"] or "outside of git" for origin in origins}),
        "versions": versions,
        "pythons": sorted({origin["python"] for origin in origins if origin["python"]}),
        "machines": sorted({origin["machine"] for origin in origins if origin["machine"]}),
        "devices": sorted(devices),
        "search_hours": sum(stage["hours"] or 0 for stage in stages),
        "train_hours": sum(training["hours"] or 0 for training in trainings),
    }
