"""Charts of one search: its gates, its discretization gap, and the time and memory of its stages."""

from collections.abc import Callable

import altair as alt

from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.report import style
from ssr_mmseg.report.charts import lines
from ssr_mmseg.report.collect import Search
from ssr_mmseg.report.style import Chart, role

TERMS = {"loss_cross_entropy": "architecture step", "loss_weights": "weight step"}


def history(search: Search) -> list[dict]:
    """Return the records of all epochs of all stages."""
    return [record for stage in search.stages for record in stage["history"]]


def stage_ends(search: Search) -> list[dict]:
    """Return the last epoch and a short label of every stage that trained; the label has to fit above a line."""
    return [
        {"epoch": stage["history"][-1]["epoch"], "name": stage["name"].removeprefix("shrink ")}
        for stage in search.stages
        if stage["history"]
    ]


def _gate_lines(
    search: Search, name: str, title: str, caption: str, y_title: str, value: Callable[[dict, str], float | None]
) -> Chart | None:
    rows = [
        {"epoch": record["epoch"], "series": GATES[gate].title, "value": gate_value}
        for record in history(search)
        for gate in GATES
        if (gate_value := value(record, gate)) is not None
    ]
    series = [gate.title for gate in GATES.values() if any(row["series"] == gate.title for row in rows)]
    return lines(name, title, caption, rows, y_title, series, stage_ends(search), zero=True)


def options_alive(search: Search) -> Chart | None:
    """Chart the share of each gate's options that are alive after every epoch."""
    total = {gate: int(search.space.allowed(gate).sum()) for gate in GATES}

    def share(record: dict, gate: str) -> float | None:
        alive = record.get("options_alive", {}).get(gate)
        return None if alive is None else 100 * alive / total[gate]

    caption = "Options still alive after each epoch, as a share of all options. Vertical lines mark the ends of stages."
    return _gate_lines(search, "options-alive", "Options alive", caption, "options alive, %", share)


def entropy(search: Search) -> Chart | None:
    """Chart the mean entropy of each gate's groups."""
    caption = "Mean entropy of the surviving gate groups: high while a group is undecided, 0 when one option is left."
    return _gate_lines(
        search,
        "entropy",
        "Entropy of the gates",
        caption,
        "entropy, nats",
        lambda r, gate: r.get("entropy", {}).get(gate),
    )


def expected_cost(search: Search) -> Chart | None:
    """Chart the expected cost and its target over the epochs."""
    rows = [
        {"epoch": record["epoch"], "series": label, "value": value}
        for record in history(search)
        if record.get("cost_ratio") is not None
        for label, value in (("expected", record["cost_ratio"]), ("target", record.get("cost_target")))
        if value is not None
    ]
    caption = "Cost expected under the gate probabilities, and its target, as shares of the space's reference cost."
    return lines(
        "expected-cost", "Expected cost", caption, rows, "share of reference", ["expected", "target"],
        stage_ends(search), zero=False,
    )  # fmt: skip


def search_losses(search: Search) -> list[Chart | None]:
    """Chart the cross-entropy of both steps and the regularizer of each gate."""
    records = history(search)
    cross = [
        {"epoch": record["epoch"], "series": label, "value": record[key]}
        for record in records
        for key, label in TERMS.items()
        if record.get(key) is not None
    ]
    terms = [
        {"epoch": record["epoch"], "series": GATES[gate].title, "value": record[f"loss_{gate}"]}
        for record in records
        for gate in GATES
        if record.get(f"loss_{gate}") is not None
    ]
    ends = stage_ends(search)
    caption = (
        "Mean cross-entropy per epoch. With split set to halves, weights and architecture train on different images."
    )
    caption_terms = (
        "Regularizer of each gate, unweighted: falls as options lose probability, returns to 0 when groups are decided."
    )
    gates = [gate.title for gate in GATES.values() if any(row["series"] == gate.title for row in terms)]
    return [
        lines("search-loss", "Cross-entropy", caption, cross, "cross-entropy", list(TERMS.values()), ends, zero=False),
        lines("regularizer", "Regularizer", caption_terms, terms, "regularizer", gates, ends),
    ]


def discretization_gap(search: Search, retrained: float | None = None) -> Chart | None:
    """Chart the mIoU of the relaxed supernet and of its most probable network after each stage and after retraining."""
    kinds = {"relaxed_miou": "relaxed", "one_hot_miou": "discrete"}
    stages = [s for s in search.stages if None not in (s["relaxed_miou"], s["one_hot_miou"])]
    if not stages:
        return None
    rows = [{"stage": s["name"], "kind": label, "mIoU": s[key]} for s in stages for key, label in kinds.items()]
    gaps = []
    for stage in stages:
        low, high = sorted((stage["relaxed_miou"], stage["one_hot_miou"]))
        gap = stage["relaxed_miou"] - stage["one_hot_miou"]
        gaps.append({"stage": stage["name"], "low": low, "high": high, "gap": gap})
    last = gaps[-1]["gap"]
    alternative = f"Relaxed and discrete mIoU after {len(gaps)} stages; at the end the gap is {last:.2f} points."
    caption = (
        "mIoU on val of the relaxed supernet and of its discrete network, in which every gate keeps only its best "
        "option. The number is the gap between the two, in points."
    )
    if retrained is not None:
        rows.append({"stage": "retrained", "kind": "retrained", "mIoU": retrained})
        alternative += f" Retrained from scratch, the network reaches {retrained:.2f} %."
    names = [*kinds.values(), "retrained"]
    x = alt.X(
        "stage:N",
        sort=[row["stage"] for row in rows],
        title=None,
        axis=alt.Axis(labelAngle=0, ticks=False, labelColor=role("ink")),
    )
    scale = alt.Scale(zero=False, padding=30)
    base = alt.Chart(style.data(gaps)).encode(x=x)
    rule = base.mark_rule(color=role("line"), strokeWidth=5).encode(
        y=alt.Y("low:Q", scale=scale, title="mIoU on val, %"), y2="high:Q"
    )
    text = base.mark_text(dy=-15, fill=role("muted"), fontSize=11).encode(
        y=alt.Y("high:Q", scale=scale), text=alt.Text("gap:Q", format="+.2f")
    )
    present = style.legend(list(dict.fromkeys(row["kind"] for row in rows)))
    points = (
        alt.Chart(style.data(rows))
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            x=x,
            y=alt.Y("mIoU:Q", scale=scale),
            color=alt.Color("kind:N", scale=style.colors(names), legend=present),
            shape=alt.Shape("kind:N", scale=style.shapes(names), legend=present),
            tooltip=[alt.Tooltip("stage:N"), alt.Tooltip("kind:N"), alt.Tooltip("mIoU:Q", format=".2f")],
        )
    )
    spec = style.finish(alt.layer(rule, points, text), alternative, 260)
    return Chart("discretization-gap", "Discretization gap", caption, alternative, spec)


def search_cost(search: Search) -> list[Chart]:
    """Chart the time, peak memory and parameters of every stage."""
    hours = max((stage["hours"] or 0 for stage in search.stages), default=0)
    unit, factor = ("hours", 1.0) if hours >= 1 else ("minutes", 60.0) if hours * 60 >= 1 else ("seconds", 3600.0)
    measures = (
        ("hours", unit, "Time", factor, "Training, including data loading."),
        ("peak_gb", "GB", "Peak memory", 1.0, "1 GB is 10⁹ bytes."),
        ("parameters", "million", "Parameters", 1e-6, "Of the supernet; compaction removes some between stages."),
    )
    charts = []
    for key, unit, title, factor, caption in measures:
        rows = [{"stage": s["name"], "value": s[key] * factor} for s in search.stages if s[key] is not None]
        if not rows:
            continue
        room = 1.25 * max(row["value"] for row in rows) or 1.0  # for the numbers at the ends of the bars
        base = alt.Chart(style.data(rows)).encode(
            x=alt.X("value:Q", title=unit, scale=alt.Scale(domain=[0, room], nice=False), axis=alt.Axis(tickCount=4)),
            y=alt.Y(
                "stage:N",
                sort=[row["stage"] for row in rows],
                title=None,
                axis=alt.Axis(ticks=False, domain=False, labelColor=role("ink")),
            ),
            tooltip=[alt.Tooltip("stage:N"), alt.Tooltip("value:Q", title=unit, format=".3~g")],
        )
        bars = base.mark_bar(color=role("blue"), height=14)
        text = base.mark_text(align="left", dx=5, fontSize=11).encode(text=alt.Text("value:Q", format=".3~g"))
        alternative = (
            f"{title} by stage: " + ", ".join(f"{row['stage']} {row['value']:.3g}" for row in rows) + f" {unit}."
        )
        spec = style.finish(alt.layer(bars, text), alternative, 26 * len(rows))
        charts.append(Chart(f"cost-{key.replace('_', '-')}", title, caption, alternative, spec))
    return charts
