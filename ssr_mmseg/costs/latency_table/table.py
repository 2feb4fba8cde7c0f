"""Latency table on disk: the measured parts, and the circumstances for which the measurements are valid."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json
from ssr_mmseg.utils.hashing import identity

FORMAT = "ssr-latency-1"
# A table is valid only for its own value of each of these.
CIRCUMSTANCES = (
    "device",
    "backend",
    "precision",
    "graph",
    "align",
    "head",
    "threads",
    "size",
    "classes",
    "rounds",
    "versions",
)
EARLIER_HEAD = {"channels": 128, "skip_channels": 64, "branch_channels": 40}  # of tables that do not name it


@dataclass
class LatencyTable:
    """Latencies of the parts of a search space, for one image.

    Attributes:
        key: Value of each of `CIRCUMSTANCES`: `graph` is `trained`, or `deployed` with widths padded to multiples of
            `align`; `head` are the widths of the networks' head; `size` is height and width of the input; `threads`
            are CPU threads.
        points: Number of widths measured per group, from the smallest to the largest.
        networks: Number of whole networks that the model is fitted to, drawn with seed 0.
        reference_ms: Latency of the reference part, which is run among the others and to which they are scaled.
        entries: Latency in ms by the name of the part.
    """

    key: dict[str, Any]
    points: int
    networks: int
    reference_ms: float | None = None
    entries: dict[str, float] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Hash of the content, twelve hexadecimal digits."""
        return identity(self.to_dict())

    def to_dict(self) -> dict:
        """Return the table as a JSON value that `from_dict` reads."""
        return {"format": FORMAT, **vars(self)}

    @classmethod
    def from_dict(cls, value: Any, origin: str = "value") -> "LatencyTable":
        """Validate the result of `to_dict` and convert it to a table.

        Raises:
            UserError: It is not a latency table, or a latency is not a positive, finite number.
        """
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise UserError(f"{origin} is not a latency table; create one with ssr-mmseg latency-table")
        remedy = "delete it and create it again with ssr-mmseg latency-table"
        json_schema.check(value, "results/latency_table", origin, remedy)
        table = cls(**{key: inner for key, inner in value.items() if key not in ("format", "made_from")})
        table.key = {"head": EARLIER_HEAD, **table.key}
        if not all(math.isfinite(time) for time in table.entries.values()):
            raise UserError(f"{origin} has latencies that are not finite numbers; {remedy}")
        return table

    @classmethod
    def read(cls, path: Path) -> "LatencyTable":
        """Read and validate a table."""
        return cls.from_dict(read_json(path), str(path))

    def write(self, path: Path, made_from: dict | None = None) -> None:
        """Write the table atomically; `made_from` says which settings it is a result of (see `settings.made_from`)."""
        write_json(path, self.to_dict() | ({"made_from": made_from} if made_from else {}))


def difference(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    """Describe the first circumstance in which two keys differ; None if they are equal."""
    for name in CIRCUMSTANCES:
        if actual[name] != expected[name]:
            first, second = _differing_values(actual[name], expected[name])
            return f"{name} {first}, not {second}"
    return None


def check_device(table: LatencyTable, device: str, origin: str) -> None:
    """Check that a table was measured on the device that it is used for.

    Args:
        table: The table.
        device: Name of the device.
        origin: Name of the table's file, for the message.

    Raises:
        UserError: It was measured on another device.
    """
    if table.key["device"] != device:
        raise UserError(
            f"{origin} was measured on {table.key['device']}, not on {device}; create one here with ssr-mmseg "
            "latency-table, or set latency.table to this file in the configuration to search for that device"
        )


def _differing_values(first: Any, second: Any) -> tuple[Any, Any]:
    """Return both values, or for two mappings the first entries that differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        key = next(key for key in sorted({*first, *second}) if first.get(key) != second.get(key))
        return f"{key} {first.get(key)}", second.get(key)
    return first, second
