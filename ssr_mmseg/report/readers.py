"""Defensive readers of the stages' result files, which may be incomplete or malformed.

Every reader returns only what the report shows. A value of an unexpected type raises one of `FAULTS`, and the caller
records the result as missing.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssr_mmseg.jobs.job import Job
from ssr_mmseg.jobs.job_state import recorded_state
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

FAULTS = (UserError, OSError, KeyError, IndexError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class Missing:
    """A result that the report cannot show, the reason, and whether its stage was ever started."""

    what: str
    why: str
    begun: bool = True


def number(value: Any) -> float | None:
    """Return a finite number or None unchanged.

    Raises:
        TypeError: The value is neither.
    """
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return value
    raise TypeError(f"expected a number, found {str(value)[:40]!r}")


def numbers(value: dict) -> dict[str, float | None]:
    """Check a mapping of names to numbers."""
    return {str(key): number(inner) for key, inner in value.items()}


def read_manifest(path: Path) -> dict:
    """Read type, classes, palette, counts and notes of a prepared dataset."""
    value = read_json(path)
    classes = [str(name) for name in value["classes"]]
    palette = [tuple(int(channel) for channel in color) for color in value["palette"]]
    if len(palette) != len(classes) or any(len(color) != 3 for color in palette):
        raise ValueError("classes and palette differ in length, or a color does not have 3 channels")
    splits = {str(split): entry for split, entry in value["splits"].items() if entry is not None}
    return {
        "type": str(value["type"]),
        "classes": classes,
        "palette": palette,
        "images": {split: int(entry["images"]) for split, entry in splits.items()},
        "counts": {split: _split_counts(entry, len(classes)) for split, entry in splits.items() if "ignored" in entry},
        "notes": [str(note) for note in value.get("notes", [])],
    }


def _split_counts(entry: dict, classes: int) -> dict[str, Any]:
    """Read the counts of one split: pixels and images by class, ignored pixels and sizes."""
    counts = {key: [int(count) for count in entry[key]] for key in ("pixels", "class_images")}
    if any(len(values) != classes for values in counts.values()):
        raise ValueError(f"counts of a split have {len(counts['pixels'])} values for {classes} classes")
    sizes = [(int(size["size"][0]), int(size["size"][1]), int(size["images"])) for size in entry["sizes"]]
    return {**counts, "images": int(entry["images"]), "ignored": int(entry["ignored"]), "sizes": sizes}


def read_stage(path: Path) -> dict:
    """Read the metrics of one stage of a search."""
    value = read_json(path)
    fields = ("stage", "epochs", "hours", "peak_gb", "relaxed_miou", "one_hot_miou", "gates_decided", "parameters")
    return {
        **{key: number(value[key]) for key in fields},
        "options_alive": numbers(value["options_alive"]),
        "history": [_epoch(record) for record in value["history"]],
        "provenance": _provenance(value),
    }


def _epoch(record: dict) -> dict:
    """Check one record of a history: numbers, mappings of numbers, and the probabilities of the gates."""
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
    """Read the share and counts of decided gate groups at discretization."""
    value = read_json(path)
    return {
        "gates_decided": number(value["gates_decided"]),
        "groups": {str(gate): numbers(counts) for gate, counts in value["groups"].items()},
    }


def read_training(path: Path) -> dict:
    """Read the settings, cost and history of a training."""
    value = read_json(path)
    return {
        **{key: str(value[key]) for key in ("kind", "train_split", "pretrained", "device")},
        "teacher": str(value["teacher"]) if value.get("teacher") else None,  # earlier results do not have the key
        **{key: number(value[key]) for key in ("epochs", "iterations", "hours", "peak_gb")},
        "history": [_epoch(record) for record in value["history"]],
        "provenance": _provenance(value),
    }


def read_evaluation(path: Path) -> dict:
    """Read the accuracy by split (None without public labels), the evaluated `weights` and the `exported` file.

    The latter two are None if there are none.
    """
    value = read_json(path)
    weights = value.get("weights")
    if weights is not None:
        weights = {"bytes": number(weights["bytes"]) or 0, "sha256": str(weights["sha256"])}
    exported = value.get("exported")
    if exported is not None:
        exported = {"size": _size(exported["size"]), **_accuracies(exported)}
    return {**_accuracies(value), "weights": weights, "exported": exported}


def _accuracies(value: dict) -> dict[str, dict | None]:
    return {split: None if value[split] is None else _accuracy(value[split]) for split in ("val", "test")}


def _accuracy(value: dict) -> dict:
    return {
        "images": number(value["images"]),
        "miou": number(value["miou"]),
        "pixel_accuracy": number(value["pixel_accuracy"]),
        "iou": numbers(value["iou"]),
    }


def read_profile(path: Path) -> dict:
    """Read the cost and latency by input size, of the first backend and batch size in the profile."""
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
            "settled": record.get("settled") is not False,
        }
        for record in firsts.values()
    ]
    return {"records": records, "provenance": _provenance(value)}


def _size(value: Any) -> list[int]:
    height, width = value
    return [int(height), int(width)]


def _provenance(value: dict) -> dict:
    """Read the commit, versions, Python and machine; empty if not recorded."""
    origin = value.get("provenance") or {}
    return {
        "commit": str(origin.get("commit", "")),
        "versions": {str(key): str(version) for key, version in (origin.get("versions") or {}).items()},
        "python": str(origin.get("python", "")),
        "machine": str(origin.get("machine", "")),
    }


def absent(what: str, path: Path, job: Job) -> Missing:
    """Explain why a result file does not exist, from its job's progress record or the end of its log."""
    stage = job.stage
    _, state, message = recorded_state(job, time.time())
    message = message.removeprefix("ssr-mmseg: ")
    if state in ("waiting", "done"):
        return Missing(what, f"{path} does not exist; {stage} has not been run", begun=False)
    reasons = {
        "running": f"{stage} is still running",
        "failed": f"{stage} failed",
        "interrupted": f"{stage} was stopped",
    }
    return Missing(what, f"{path} does not exist; {reasons[state]}{f': {message}' if message else ''}")


def read_recommendation(path: Path) -> dict:
    """Read which network is recommended, with its latency in ms.

    Raises:
        ValueError: None is.
    """
    value = read_json(path)
    if value["recommended"] is None:
        raise ValueError("no network is recommended")
    chosen = value["networks"][0]
    return {
        "network": str(chosen["network"]),
        "latency": number(chosen["latency_ms"]["p50"]),
        "backend": str(value["backend"]),
        "compared": len(value["networks"]),
    }
