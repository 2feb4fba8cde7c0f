"""The stage `gap`: compute the discretization gap of a search after every stage and after retraining."""

from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.architecture.search_space import searched_gates
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.files import write_json

COPIED = (
    "stage",
    "epochs",
    "relaxed_miou",
    "one_hot_miou",
    "groups",
    "entropy",
    "options_alive",
    "dimensions_alive",
    "expected_macs",
    "cost_ratio",
    "one_hot_macs",
    "hours",
    "peak_gb",
)


def write_gap(config: dict, dataset: str, seed: int) -> None:
    """Write the records of all stages of a search, and for the last one also the mIoU of the retrained network.

    Every mIoU is in percent, on the same validation images. That of the retrained network is None if it was trained on
    these images.

    Raises:
        UserError: The metrics of a stage or the evaluation of the searched network are missing or lack a key.
    """
    stages = stage_records(config, dataset, seed)
    retrained = retrained_miou(config, dataset, seed)
    record = {
        "dataset": dataset,
        "seed": seed,
        "hours": sum(stage["hours"] for stage in stages),
        "peak_gb": max(stage["peak_gb"] for stage in stages),
        "stages": stages,
        "end": {
            **stages[-1],
            "retrained_miou": retrained,
            "gap_after_retraining": difference(stages[-1]["relaxed_miou"], retrained),
        },
        "made_from": settings.made_from(config, "gap", dataset, seed),
    }
    write_json(paths.result_path(config, paths.GAP, dataset=dataset, seed=seed), record)


def stage_records(config: dict, dataset: str, seed: int) -> list[dict[str, Any]]:
    """Return the metrics of each stage of a search, with `gap`, `gates_decided` and `mean_entropy`.

    The gap is relaxed − one-hot, in points of mIoU. The other two are over the groups of the searched gates: the share
    with one survivor, and the mean entropy in nats.

    Raises:
        UserError: The metrics of a stage are missing or lack a key.
    """
    search = settings.for_dataset(config, dataset)["search"]
    gates = searched_gates(search["dimensions"])
    records = []
    for stage in range(search["shrink_stages"] + 1):
        metrics = Result(paths.stage_metrics_path(config, dataset, seed, stage))
        record = {key: metrics[key] for key in COPIED}
        groups = {gate: metrics["groups", gate, "exist"] for gate in gates}
        decided = sum(metrics["groups", gate, "decided"] for gate in gates)
        total = max(sum(groups.values()), 1)
        record |= {
            "gap": difference(record["relaxed_miou"], record["one_hot_miou"]),
            "gates_decided": decided / total if gates else 1.0,
            "mean_entropy": sum(metrics["entropy", gate] * count for gate, count in groups.items()) / total,
            "commit": metrics["provenance", "commit"],
        }
        records.append(record)
    return records


def retrained_miou(config: dict, dataset: str, seed: int) -> float | None:
    """Return the mIoU of the retrained network on val; None if val was part of its training set.

    Raises:
        UserError: The searched network has not been evaluated.
    """
    if "val" in settings.for_dataset(config, dataset)["dataset"]["train_split"].split("+"):
        return None
    return Result(paths.result_path(config, paths.EVALUATION, dataset=dataset, seed=seed, network="searched"))[
        "val", "miou"
    ]


def difference(first: float | None, second: float | None) -> float | None:
    """Return first − second, rounded to remove floating-point noise; None if either is unknown."""
    return None if first is None or second is None else round(first - second, 4)
