"""Results over several searches: the cells of the ablation, and means over seeds."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import altair as alt

from ssr_mmseg.evaluation.statistics import mean_interval
from ssr_mmseg.report import style
from ssr_mmseg.report.readers import number
from ssr_mmseg.report.style import Chart, role

MEASURES = {
    "gap": "Gap",
    "relaxed_miou": "Relaxed mIoU, %",
    "one_hot_miou": "One-hot mIoU, %",
    "retrained_miou": "Retrained mIoU, %",
    "gates_decided": "Gates decided",
    "cost_ratio": "Cost",
}
SHRINKING = {"on": "with shrinking", "off": "without shrinking"}


@dataclass(frozen=True)
class Cell:
    """One cell of the ablation: mean and 95 % confidence interval of each measure over the seeds."""

    regularizer: str
    shrink: str
    dimensions: str
    variant: str
    seeds: int
    means: dict[str, float | None]
    intervals: dict[str, tuple[float, float] | None]


@dataclass
class Ablation:
    """The ablation's cells and the sentences of its conclusion."""

    dataset: str
    cells: list[Cell]
    answer: list[str] = field(default_factory=list)

    @property
    def measures(self) -> dict[str, str]:
        """Names and headings of the measures that at least one cell has."""
        return {
            name: title for name, title in MEASURES.items() if any(cell.means[name] is not None for cell in self.cells)
        }

    @property
    def has_variants(self) -> bool:
        """Whether at least one cell is a variant of another."""
        return any(cell.variant for cell in self.cells)


def read_ablation(path: Path) -> Ablation:
    """Read the cells of `results/ablation.csv`, in file order.

    Raises:
        OSError, KeyError, TypeError or ValueError: The file cannot be read or is not an ablation table.
    """
    rows = _rows(path)
    groups: dict[tuple[str, str, str, str], list[dict]] = {}
    for row in rows:
        key = (row["regularizer"], row["shrink"], row["dimensions"], row.get("variant", ""))
        groups.setdefault(key, []).append(row)
    cells = []
    for key, members in groups.items():
        values = {measure: [float(row[measure]) for row in members if row[measure]] for measure in MEASURES}
        statistics = {measure: mean_interval(numbers) for measure, numbers in values.items() if numbers}
        means = {measure: number(statistics[measure][0]) if measure in statistics else None for measure in MEASURES}
        intervals = {measure: statistics[measure][1] if measure in statistics else None for measure in MEASURES}
        cells.append(Cell(*key, len(members), means, intervals))
    return Ablation(", ".join(dict.fromkeys(row["dataset"] for row in rows)), cells)


def read_answer(path: Path) -> list[str]:
    """Read the conclusion in `results/ablation.md`: its first sentence, then one per setting.

    Raises:
        OSError or ValueError: The file cannot be read or has no conclusion.
    """
    _, heading, rest = path.read_text(encoding="utf-8").partition("\n## Is SSR's gap smaller than without it?\n")
    if not heading:
        raise ValueError("it has no section on SSR's gap")
    lines = [line.strip().removeprefix("- ") for line in rest.partition("\n## ")[0].splitlines()]
    return [line.replace("`", "") for line in lines if line]


def read_summary(path: Path) -> list[dict[str, Any]]:
    """Read the rows of `results/summary.csv`: mIoU in percent over the seeds.

    Raises:
        OSError, KeyError, TypeError or ValueError: The file cannot be read or is not a summary table.
    """
    figures = [f"miou_{split}_{statistic}" for split in ("val", "test") for statistic in ("mean", "std")]
    return [
        {
            **{key: row[key] for key in ("dataset", "network")},
            "input_size": row["input_size"].replace("x", "×"),
            "seeds": int(row["seeds"]),
            "chosen_seed": row["chosen_seed"].partition(".")[0],
            **{key: number(float(row[key])) if row[key] else None for key in figures},
        }
        for row in _rows(path)
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, which must have at least one."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or any(None in row or None in row.values() for row in rows):
        raise ValueError("it has no rows or incomplete ones")
    return rows


def ablation_gaps(ablation: Ablation) -> Chart | None:
    """Chart the discretization gap (mean and 95 % interval) by regularizer and set of dimensions."""
    rows: list[dict[str, Any]] = []
    for cell in ablation.cells:
        mean, interval = cell.means["gap"], cell.intervals["gap"]
        if mean is not None:
            low, high = interval or (mean, mean)
            name = " · ".join(filter(None, (cell.regularizer, cell.dimensions, cell.variant)))
            rows.append(
                {"cell": name, "shrinking": SHRINKING.get(cell.shrink, cell.shrink), "gap": mean,
                 "low": low, "high": high, "seeds": cell.seeds}
            )  # fmt: skip
    if not rows:
        return None
    order = list(dict.fromkeys(row["cell"] for row in rows))
    names = [name for name in SHRINKING.values() if any(row["shrinking"] == name for row in rows)]
    y = alt.Y("cell:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelColor=role("ink")))
    offset = alt.YOffset("shrinking:N", sort=names)
    color = alt.Color("shrinking:N", scale=style.colors(list(SHRINKING.values())), legend=style.legend(names))
    shape = alt.Shape("shrinking:N", scale=style.shapes(list(SHRINKING.values())), legend=style.legend(names))
    tip = [alt.Tooltip("cell:N"), alt.Tooltip("shrinking:N"), alt.Tooltip("seeds:Q")]
    tip += [alt.Tooltip(f"{key}:Q", format=".2f") for key in ("gap", "low", "high")]
    base = alt.Chart(style.data(rows)).encode(y=y, yOffset=offset, color=color)
    x = alt.X("gap:Q", title="discretization gap, points of mIoU", scale=alt.Scale(zero=True))
    layers = [
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(x=x, shape=shape, tooltip=tip),
    ]
    smallest = min(rows, key=lambda row: row["gap"])
    alternative = (
        f"Discretization gap of {len(rows)} search settings with 95 % intervals. Smallest: {smallest['cell']} "
        f"{smallest['shrinking']} with {smallest['gap']:.2f} points. The table has the numbers."
    )
    caption = (
        "mIoU that the relaxed supernet loses when every gate keeps only its best option: mean over the seeds and "
        "95 % t-interval, by regularizer and searched dimensions. Smaller is better."
    )
    spec = style.finish(alt.layer(*layers), alternative, 34 * len(order))
    return Chart("ablation-gap", "Discretization gap by search setting", caption, alternative, spec)
