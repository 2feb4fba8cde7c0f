"""Rows of paired comparisons, as records and as a Markdown table."""

from collections.abc import Sequence
from typing import Any

from ssr_mmseg.evaluation.statistics import compare_paired, holm

Row = dict[str, Any]


def comparison(ours: Sequence[float], base: Sequence[float]) -> Row:
    """Return `pairs`, the mean `difference` ours − base, its 95 % `interval`, and `p` of the paired t-test."""
    found = compare_paired(ours, base)
    return {"pairs": found.pairs, "difference": found.difference, "interval": found.interval, "p": found.t_p}


def add_corrected(rows: Sequence[Row]) -> None:
    """Add `p_holm` to each row: p, corrected by Holm's method for the number of rows."""
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p


def table(rows: Sequence[Row], columns: dict[str, str], difference: str) -> str:
    """Return rows as a Markdown table.

    Args:
        rows: Rows of `comparison` with `p_holm` and what `columns` names.
        columns: Headings of the first columns, by key of a row.
        difference: Heading of the column with the difference and its interval.
    """
    headings = [*columns.values(), "pairs", difference, "p (Holm)"]
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for row in rows:
        interval = "" if row["interval"] is None else " ({:+.2f} to {:+.2f})".format(*row["interval"])
        p = "" if row["p_holm"] is None else f"{row['p_holm']:.2g}"
        cells = [*(str(row[key]) for key in columns), str(row["pairs"]), f"{row['difference']:+.2f}{interval}", p]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
