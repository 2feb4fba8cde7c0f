"""Charts of the networks of one dataset: accuracy against latency, IoU by class, training losses."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from ssr_mmseg.report import style
from ssr_mmseg.report.collect import Dataset, accuracy
from ssr_mmseg.report.style import Chart, role

PUBLISHED = "published, on its own hardware"


def pareto_front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the (latency, accuracy) pairs that no other pair dominates, sorted by latency."""
    front: list[tuple[float, float]] = []
    for latency, value in sorted(set(points), key=lambda point: (point[0], -point[1])):
        if not front or value > front[-1][1]:
            front.append((latency, value))
    return front


def measured_points(dataset: Dataset) -> list[dict]:
    """Return one point per network that was evaluated at the size, and whose latency there is known and settled."""
    points = []
    for network in dataset.networks:
        miou = accuracy(network, dataset.split, "miou")
        for record in network.profile["records"] if network.profile else []:
            latency = record["latency_ms_p50"]
            evaluated = tuple(record["size"]) == (network.size or dataset.size)
            if evaluated and miou is not None and latency and record["settled"]:
                extra = {"device": record["device"], "input size": "×".join(map(str, record["size"]))}
                points.append({"network": network.label, "latency": latency, "mIoU": miou, **extra})
    return points


def place_names(points: list[dict], others: Sequence[dict] = ()) -> None:
    """Set each point's `side`, the position of its name: `above`, `below`, or `none` if it would overlap something.

    `points` are placed before `others` and always get a name. Sizes are fractions of the chart at printed page width.
    """
    everything = [*points, *others]
    places = [(math.log(point["latency"]), point["mIoU"]) for point in everything]
    spans = [(min(values), max(values) - min(values) or 1.0) for values in zip(*places, strict=True)]
    places = [((x - spans[0][0]) / spans[0][1], (y - spans[1][0]) / spans[1][1]) for x, y in places]
    taken = [(x, y, 0.01, 0.02) for x, y in places]  # center, half the width and half the height
    for index, (point, (x, y)) in enumerate(zip(everything, places, strict=True)):
        half = 0.008 * len(point["network"])
        boxes = {"above": (x, y + 0.05, half, 0.022), "below": (x, y - 0.05, half, 0.022)}
        free = [side for side, box in boxes.items() if not any(_overlap(box, other) for other in taken)]
        point["side"] = free[0] if free else "above" if index < len(points) else "none"
        if point["side"] in boxes:
            taken.append(boxes[point["side"]])


def _overlap(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    return abs(first[0] - second[0]) < first[2] + second[2] and abs(first[1] - second[1]) < first[3] + second[3]


def _labels(points: list[dict], x: alt.X, y: alt.Y, **mark: Any) -> list[alt.Chart]:
    """Return the layers of the points' names, above or below them."""
    return [
        alt.Chart(style.data([point for point in points if point["side"] == side]))
        .mark_text(dy=offset, **mark)
        .encode(x=x, y=y, text="network:N")
        for side, offset in (("above", -14), ("below", 16))
        if any(point["side"] == side for point in points)
    ]


def accuracy_latency(dataset: Dataset) -> Chart | None:
    """Chart mIoU against latency: measured networks with their Pareto front, and published results."""
    points = measured_points(dataset)
    if not points:
        return None
    published = [
        {"network": row["model"], "latency": row["latency_ms"], "mIoU": row["miou"], "kind": PUBLISHED,
         "device": row["testbed"] or "unknown", "input size": row["input_size"], "source": row["source"]}
        for row in dataset.published
        if row["latency_ms"] and row["miou"] is not None
    ]  # fmt: skip
    place_names(points, published)
    latencies = [point["latency"] for point in (*points, *published)]
    x = alt.X(
        "latency:Q",
        title="median latency per image, ms",
        scale=alt.Scale(type="log", domain=[min(latencies) / 1.3, max(latencies) * 1.5]),
        axis=alt.Axis(grid=False, tickCount=6, format="~g"),
    )
    heights = [point["mIoU"] for point in (*points, *published)]
    room = max(0.12 * (max(heights) - min(heights)), 1.0)  # for the names above and below the points
    domain = [max(min(heights) - room, 0), min(max(heights) + room, 100)]
    y = alt.Y("mIoU:Q", title=f"mIoU on {dataset.split}, %", scale=alt.Scale(domain=domain, nice=False))
    tip = [alt.Tooltip(f"{key}:N") for key in ("network", "input size", "device")]
    tip += [alt.Tooltip("mIoU:Q", format=".2f"), alt.Tooltip("latency:Q", title="ms", format=".3~g")]
    front = [
        {"latency": latency, "mIoU": miou}
        for latency, miou in pareto_front([(p["latency"], p["mIoU"]) for p in points])
    ]
    layers = [
        alt.Chart(style.data(front))
        .mark_line(interpolate="step-after", color=role("muted"), strokeDash=[4, 3], strokeWidth=1.5)
        .encode(x=x, y=y)
    ]
    if published:
        base = alt.Chart(style.data(published)).encode(x=x, y=y)
        layers.append(
            base.mark_point(shape="diamond", filled=False, size=55, stroke=role("muted"), strokeWidth=1.5).encode(
                tooltip=[*tip, alt.Tooltip("source:N")]
            )
        )
        layers += _labels(published, x, y, fontSize=10, fill=role("muted"), opacity=alt.expr("width < 420 ? 0 : 1"))
    base = alt.Chart(style.data(points)).encode(x=x, y=y)
    layers.append(
        base.mark_point(filled=True, size=130, opacity=1).encode(
            color=alt.Color("network:N", scale=style.colors(dataset.labels), legend=None),
            shape=alt.Shape("network:N", scale=style.shapes(dataset.labels), legend=None),
            tooltip=tip,
        )
    )
    layers += _labels(points, x, y, fontWeight=600, fill=role("ink"))
    best = max(points, key=lambda point: point["mIoU"])
    fastest = min(points, key=lambda point: point["latency"])
    alternative = (
        f"Scatter plot of {len(points)} networks. Best: {best['network']} with {best['mIoU']:.2f} % mIoU at "
        f"{best['latency']:.3g} ms. Fastest: {fastest['network']} with {fastest['latency']:.3g} ms "
        f"and {fastest['mIoU']:.2f} %."
    )
    caption = "Up and to the left is better. The dashed line is the Pareto front of the networks measured here."
    drawn = {point["network"] for point in points}
    if missing := [network.label for network in dataset.networks if network.profile and network.label not in drawn]:
        caption += f" Not drawn: {', '.join(missing)}, not evaluated, or with a latency that did not settle."
    if published:
        caption += (
            f" Hollow gray diamonds are {len(published)} published results on the test set. They come from other "
            "machines, input sizes and training recipes, so they are not directly comparable."
        )
    spec = style.finish(alt.layer(*layers), alternative, 380)
    return Chart("accuracy-latency", "Accuracy against latency", caption, alternative, spec)


def class_iou(dataset: Dataset) -> Chart | None:
    """Chart the IoU of every class and network."""
    rows = [
        {"network": network.label, "class": name, "IoU": value}
        for network in dataset.networks
        if network.evaluation and network.evaluation[dataset.split]
        for name, value in network.evaluation[dataset.split]["iou"].items()
        if value is not None
    ]
    if not rows:
        return None
    names = list(dict.fromkeys(row["network"] for row in rows))
    classes = list(dict.fromkeys(row["class"] for row in rows))
    ranges = (
        alt.Chart(style.data(rows))
        .mark_rule(color=role("line"), strokeWidth=2)
        .encode(x=alt.X("min(IoU):Q"), x2=alt.X2("max(IoU):Q"), y=alt.Y("class:N", sort=classes))
    )
    points = (
        alt.Chart(style.data(rows))
        .mark_point(filled=True, size=85, opacity=0.95)
        .encode(
            x=alt.X("IoU:Q", title=f"IoU on {dataset.split}, %", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y(
                "class:N", sort=classes, title=None, axis=alt.Axis(ticks=False, domain=False, labelColor=role("ink"))
            ),
            color=alt.Color("network:N", scale=style.colors(dataset.labels), legend=style.legend(names)),
            shape=alt.Shape("network:N", scale=style.shapes(dataset.labels), legend=style.legend(names)),
            tooltip=[alt.Tooltip("network:N"), alt.Tooltip("class:N"), alt.Tooltip("IoU:Q", format=".2f")],
        )
    )
    alternative = f"Dot plot of the IoU of {len(classes)} classes by {', '.join(names)}. The table has the numbers."
    caption = "Each dot is a network; the line spans the worst to the best. Classes that never occur are left out."
    spec = style.finish(alt.layer(ranges, points), alternative, 30 * len(classes))
    return Chart("class-iou", "IoU by class", caption, alternative, spec)


def lines(
    name: str,
    title: str,
    caption: str,
    rows: list[dict],
    y_title: str,
    series: list[str],
    marks: Sequence[dict] = (),
    **y: Any,
) -> Chart | None:
    """Chart series as lines over epochs.

    Args:
        rows: One dict per point with `epoch`, `series` and `value`.
        series: Names of all possible series, so that a series keeps its color when another one is missing.
        marks: Epochs to mark, such as the ends of stages, each a dict with `epoch` and `name`.
        y: Further settings of the y axis scale.
    """
    if not rows:
        return None
    epochs = sorted({row["epoch"] for row in rows})
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[min(0, epochs[0]) if marks else epochs[0], max(epochs[-1], epochs[0] + 1)], nice=False),
        axis=alt.Axis(grid=False, tickMinStep=1, format="d", labelOverlap="greedy", labelSeparation=6),
    )
    layers: list[alt.Chart] = []
    if marks:
        base = alt.Chart(style.data(list(marks))).encode(x=x)
        layers.append(base.mark_rule(color=role("line"), strokeWidth=1))
        layers.append(
            base.mark_text(align="right", baseline="bottom", fontSize=10, fill=role("muted")).encode(
                text="name:N", y=alt.value(-3)
            )
        )
    present = [name for name in series if any(row["series"] == name for row in rows)]
    legend = (
        style.legend(present, symbolType="stroke", symbolSize=400, offset=20 if marks else 8)
        if len(present) > 1
        else None
    )
    encoding: dict[str, Any] = {
        "x": x,
        "y": alt.Y("value:Q", title=y_title, scale=alt.Scale(**y)),
        "color": alt.Color("series:N", scale=style.colors(series), legend=legend),
        "tooltip": [alt.Tooltip("series:N"), alt.Tooltip("epoch:Q"), alt.Tooltip("value:Q", format=".4~g")],
    }
    base = alt.Chart(style.data(rows)).encode(**encoding)
    layers.append(
        base.mark_line(strokeWidth=2.2).encode(
            strokeDash=alt.StrokeDash("series:N", scale=style.dashes(series), legend=legend)
        )
    )
    layers.append(base.mark_point(filled=True, shape="circle", size=22, opacity=1))
    ends = "; ".join(
        f"{entry} from {values[0]:.3g} to {values[-1]:.3g}"
        for entry in present
        if (values := [row["value"] for row in rows if row["series"] == entry])
    )
    alternative = f"Lines over {len(epochs)} epochs: {ends}."
    return Chart(name, title, caption, alternative, style.finish(alt.layer(*layers), alternative, 240))


def retraining_losses(dataset: Dataset) -> Chart | None:
    """Chart the training loss of every network over its epochs."""
    rows = [
        {"epoch": record["epoch"], "series": network.label, "value": record["loss"]}
        for network in dataset.networks
        if network.training
        for record in network.training["history"]
        if record.get("loss") is not None
    ]
    caption = "Mean training loss per epoch of each network."
    return lines("retraining-loss", "Training from scratch", caption, rows, "loss", dataset.labels, zero=False)
