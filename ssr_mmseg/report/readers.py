"""The stages' result files, read with the care that a half-finished or foreign file needs.

Every reader takes the parsed JSON and returns just what the report shows; a value of another kind than expected raises
one of `FAULTS`, and the caller notes what is missing.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssr_mmseg.jobs.status import fate
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

FAULTS = (UserError, OSError, KeyError, IndexError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Missing:
    """A result that the report cannot show: what it is, why, and whether its stage was ever begun."""

    what: str
    why: str
    begun: bool = True


def number(value: Any) -> float | None:
    """A finite number as it is, None as it is.

    Raises:
        TypeError: anything else.
    """
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return value
    raise TypeError(f"expected a number, found {str(value)[:40]!r}")


def numbers(value: dict) -> dict[str, float | None]:
    """A mapping of names to numbers."""
    return {str(key): number(inner) for key, inner in value.items()}


def read_manifest(path: Path) -> dict:
    """Type, classes and palette of a prepared dataset."""
    value = read_json(path)
    classes = [str(name) for name in value["classes"]]
    palette = [tuple(int(channel) for channel in colour) for colour in value["palette"]]
    if len(palette) != len(classes) or any(len(colour) != 3 for colour in palette):
        raise ValueError("classes and palette do not agree")
    images = {str(split): int(entry["images"]) for split, entry in value["splits"].items()}
    return {"type": str(value["type"]), "classes": classes, "palette": palette, "images": images}


def read_stage(path: Path) -> dict:
    """Metrics of one stage of a search."""
    value = read_json(path)
    fields = ("stage", "epochs", "hours", "peak_gb", "relaxed_miou", "one_hot_miou", "gates_decided", "parameters")
    return {
        **{key: number(value[key]) for key in fields},
        "options_alive": numbers(value["options_alive"]),
        "history": [_epoch(record) for record in value["history"]],
        "provenance": _provenance(value),
    }


def _epoch(record: dict) -> dict:
    """One record of a history: numbers, mappings of numbers, and the gates' probabilities."""
    result: dict[str, Any] = {}
    for key, value in record.items():
        if key == "probabilities":
            result[key] = {
                str(gate): [[float(number(p) or 0) for p in group] for group in groups]
                for gate, groups in value.items()
            }
        else:
            result[str(key)] = numbers(value) if isinstance(value, dict) else number(value)
    result["epoch"] = int(record["epoch"])
    return result


def read_discretization(path: Path) -> dict:
    """How decided the gates were when the genotype was chosen."""
    value = read_json(path)
    return {
        "gates_decided": number(value["gates_decided"]),
        "groups": {str(gate): numbers(counts) for gate, counts in value["groups"].items()},
    }


def read_training(path: Path) -> dict:
    """How a network was trained."""
    value = read_json(path)
    return {
        **{key: str(value[key]) for key in ("kind", "train_split", "pretrained", "device")},
        **{key: number(value[key]) for key in ("epochs", "iterations", "hours", "peak_gb")},
        "history": [_epoch(record) for record in value["history"]],
        "provenance": _provenance(value),
    }


def read_evaluation(path: Path) -> dict:
    """Accuracy by split, None for a split without public labels; and what `weights` it is of, None if not told."""
    value = read_json(path)
    told = value.get("weights")
    weights = None if told is None else {"bytes": number(told["bytes"]) or 0, "sha256": str(told["sha256"])}
    accuracy = {split: None if value[split] is None else _accuracy(value[split]) for split in ("val", "test")}
    return {**accuracy, "weights": weights}


def _accuracy(value: dict) -> dict:
    return {
        "images": number(value["images"]),
        "miou": number(value["miou"]),
        "pixel_accuracy": number(value["pixel_accuracy"]),
        "iou": numbers(value["iou"]),
    }


def read_profile(path: Path) -> dict:
    """Cost and latency by input size, of the backend and batch that stand first in the profile."""
    value = read_json(path)
    firsts: dict[tuple, dict] = {}
    for record in value["records"]:
        firsts.setdefault(tuple(record["size"]), record)
    fields = ("params", "macs", "fps", "latency_ms_p50", "latency_ms_p95")
    records = [
        {
            "size": _size(record["size"]),
            **{key: number(record[key]) for key in fields},
            **{key: str(record[key]) for key in ("device", "backend", "precision")},
        }
        for record in firsts.values()
    ]
    return {"records": records, "provenance": _provenance(value)}


def _size(value: Any) -> list[int]:
    height, width = value
    return [int(height), int(width)]


def _provenance(value: dict) -> dict:
    """Commit, versions, Python and processor; empty where a result does not tell."""
    found = value.get("provenance") or {}
    return {
        "commit": str(found.get("commit", "")),
        "versions": {str(key): str(version) for key, version in (found.get("versions") or {}).items()},
        "python": str(found.get("python", "")),
        "machine": str(found.get("machine", "")),
    }


def absent(what: str, path: Path, stage: str, job: str) -> Missing:
    """A result that is not there; what its job told, or the end of its log, tells most about why."""
    _, state, words = fate(f"{stage}/{job}", time.time())
    if state in ("waiting", "done"):
        return Missing(what, f"{path} is not there; {stage} has not been run", begun=False)
    fates = {
        "running": f"{stage} is still running",
        "failed": f"{stage} has failed",
        "interrupted": f"{stage} was stopped",
    }
    return Missing(what, f"{path} is not there; {fates[state]}{f': {words}' if words else ''}")
