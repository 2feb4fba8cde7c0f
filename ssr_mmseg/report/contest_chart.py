"""Figure of the contest: accuracy of the chosen networks against the time that choosing took."""

from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from ssr_mmseg.evaluation.statistics import expected_best, mean_interval
from ssr_mmseg.report import figures, style
from ssr_mmseg.report.contest_text import by_seed, measure_column
from ssr_mmseg.report.style import Chart, role
from ssr_mmseg.settings.ranking import RANDOM
from ssr_mmseg.utils.files import write_text

WIDTH = 620  # pixels of the time axis, about
APART = 12  # pixels between marks that would hide one another


def write_contest_figure(rows: pd.DataFrame, path: Path) -> None:
    """Write the figure of one dataset; `rows` are its rows of `results/contest.csv`."""
    write_text(path, figures.drawn(str(rows.dataset.iloc[0]), contest_chart(rows))[2])


def contest_chart(rows: pd.DataFrame) -> Chart:
    """Chart the mean mIoU of each selector's networks, with 95 % intervals, against its mean hours.

    A curve shows what retraining n random networks and taking the best on val would give.
    """
    rows = rows.assign(miou=measure_column(rows))
    split = "test" if rows.miou_test.notna().all() else "val"
    points = []
    for name in rows.selector.unique():
        mean, interval = mean_interval(by_seed(rows, name).tolist())
        low, high = interval or (mean, mean)
        hours = float(by_seed(rows, name, "search_hours").mean())
        points.append({"selector": name, "minutes": 60 * hours, "mIoU": mean, "low": low, "high": high})
    curve = best_of_random(rows)
    names = [point["selector"] for point in points]
    x = alt.X("minutes:Q", title="minutes to choose a network", axis=alt.Axis(grid=False))
    y = alt.Y("mIoU:Q", title=f"mIoU on {split}, %", scale=alt.Scale(zero=False))
    line = alt.Chart(style.data(curve)).mark_line(color=role("muted"), strokeDash=[4, 3], strokeWidth=1.5)
    shifts = side_by_side({str(point["selector"]): float(point["minutes"]) for point in points}, curve)
    color = alt.Color("selector:N", scale=style.colors(names), legend=style.legend(names))
    layers = [line.encode(x=x, y=y)]
    for point in points:
        base, shift = alt.Chart(style.data([point])), shifts[str(point["selector"])]
        layers += [
            base.mark_rule(strokeWidth=1.5, xOffset=shift).encode(
                x=x, y=alt.Y("low:Q", title=""), y2="high:Q", color=color
            ),
            base.mark_point(filled=True, size=110, opacity=1, xOffset=shift).encode(
                x=x,
                y=y,
                color=color,
                shape=alt.Shape("selector:N", scale=style.shapes(names), legend=style.legend(names)),
                tooltip=[
                    alt.Tooltip("selector:N"),
                    alt.Tooltip("mIoU:Q", format=".2f"),
                    alt.Tooltip("minutes:Q", format=".1f"),
                ],
            ),
        ]
    best = max(points, key=lambda point: point["mIoU"])
    alternative = (
        f"Mean mIoU of the networks of {len(points)} selectors against the minutes that choosing took. Best: "
        f"{best['selector']} with {best['mIoU']:.2f} % after {best['minutes']:.1f} minutes."
    )
    caption = (
        "Means over the seeds with 95 % intervals; marks of almost the same time are moved apart by a few pixels. The "
        "dashed curve is what random networks give if n of them are retrained and the best on val is taken, the exact "
        "mean over all choices of n."
    )
    spec = style.finish(alt.layer(*layers), alternative, 380)
    return Chart("contest", "Accuracy against time to choose", caption, alternative, spec)


def side_by_side(minutes: dict[str, float], curve: list[dict]) -> dict[str, float]:
    """Return by how many pixels to move each selector's mark at least, so that neighbors are `APART` pixels apart."""
    longest = max([*minutes.values(), *(point["minutes"] for point in curve)]) or 1.0
    names = sorted(minutes, key=minutes.__getitem__)
    pixels = np.array([minutes[name] / longest * WIDTH for name in names])
    steps = APART * np.arange(len(names))
    moved = isotonic_regression(pixels - steps).x + steps
    return dict(zip(names, (moved - pixels).round(1).tolist(), strict=True))


def best_of_random(rows: pd.DataFrame) -> list[dict]:
    """Return the points of the curve: minutes of n trainings, and the mean mIoU of the best of n random networks.

    Up to as many as take twice the time of the slowest selector.
    """
    drawn = rows[rows.selector == RANDOM]
    if len(drawn) < 2:
        return []
    minutes = 60 * float(drawn.training_hours.mean())
    limit = 120 * float(rows.search_hours.max())
    means = expected_best(drawn.miou_val.tolist(), drawn.miou.tolist())
    return [
        {"minutes": count * minutes, "mIoU": mean}
        for count, mean in enumerate(means, start=1)
        if count <= 2 or count * minutes <= limit
    ]
