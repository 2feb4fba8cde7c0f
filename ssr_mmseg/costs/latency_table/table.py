"""A latency table on disk: what was measured, and all circumstances that the figures hold for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssr_mmseg.settings import identity
from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json

FORMAT = "ssr-latency-1"
# What a figure holds for. Another value of any of these makes a table worthless.
CIRCUMSTANCES = ("device", "backend", "precision", "graph", "align", "threads", "size", "classes", "rounds", "versions")


@dataclass
class LatencyTable:
    """Measured parts by name, in ms of one image.

    Attributes:
        key: Value of each of `CIRCUMSTANCES`: `graph` is `trained`, or `deployed` with widths padded to multiples of
            `align`; `size` is height and width of the input, `threads` those of a CPU.
        points: Widths that were measured per group, from the least to the largest.
        networks: Whole networks that were measured to fit the model to, drawn with seed 0.
        reference_ms: Latency of the part that was run among the others, to which all were compared.
        entries: ms by the name of a part.
    """

    key: dict[str, Any]
    points: int
    networks: int
    reference_ms: float | None = None
    entries: dict[str, float] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name the content."""
        return identity(self.to_dict())

    def to_dict(self) -> dict:
        """JSON value of the table, as `from_dict` takes it."""
        return {"format": FORMAT, **vars(self)}

    @classmethod
    def from_dict(cls, value: Any, origin: str = "value") -> "LatencyTable":
        """Inverse of `to_dict`.

        Raises:
            UserError: it is no latency table, or its figures are no times.
        """
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise UserError(f"{origin} is not a latency table; make one with ssr-mmseg latency-table")
        remedy = "delete it and make it with ssr-mmseg latency-table"
        json_schema.check(value, "results/latency_table", origin, remedy)
        table = cls(**{key: inner for key, inner in value.items() if key != "format"})
        if not all(math.isfinite(time) for time in table.entries.values()):
            raise UserError(f"{origin} has figures that are no times; {remedy}")
        return table

    @classmethod
    def read(cls, path: Path) -> "LatencyTable":
        """Read and validate a table."""
        return cls.from_dict(read_json(path), str(path))

    def write(self, path: Path) -> None:
        """Write the table, whole or not at all."""
        write_json(path, self.to_dict())


def difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str | None:
    """The first circumstance in which two keys differ, in words; None if there is none."""
    for name in CIRCUMSTANCES:
        if found[name] != expected[name]:
            first, second = _shown(found[name], expected[name])
            return f"{name} {first}, not {second}"
    return None


def check_device(table: LatencyTable, device: str, origin: str) -> None:
    """Refuse a table that was measured on another device.

    Args:
        device: Name of the device that the table is to be used for.

    Raises:
        UserError: it was.
    """
    if table.key["device"] != device:
        raise UserError(
            f"{origin} was measured on {table.key['device']}, not on {device}; make one here with ssr-mmseg "
            "latency-table, or name the table as latency.table in the configuration to search for that device"
        )


def _shown(first: Any, second: Any) -> tuple[Any, Any]:
    """Both values, or of two mappings their first entries that differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        key = next(key for key in sorted({*first, *second}) if first.get(key) != second.get(key))
        return f"{key} {first.get(key)}", second.get(key)
    return first, second
