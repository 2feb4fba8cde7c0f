"""Heat maps of the gate probabilities of one search: options and groups over the epochs."""

from typing import Any

import altair as alt

from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.report import style
from ssr_mmseg.report.collect import Search
from ssr_mmseg.report.search_charts import history
from ssr_mmseg.report.style import Chart, role


def gate_groups(search: Search) -> dict[str, list[tuple[str, list[str]]]]:
    """Return, for each gate, the name of every recorded group and the names of its options."""
    space = search.space
    names = {
        "stage": [f"stage {stage + 1}" for stage in range(len(space.stages))],
        "block": [f"{stage + 1}.{position + 1}" for stage, position in space.blocks],
    }
    return {
        gate.name: [
            (name, [_option_name(gate.name, option) for option in gate.options(space, stage)])
            for name, stage in zip(names[gate.axes[0]], space.group_stages(gate.name), strict=True)
        ]
        for gate in GATES.values()
    }


def _option_name(gate: str, option: Any) -> str:
    if gate == "operator":
        dilation, factor = option
        return f"d {dilation}" + (" at ½" if factor > 1 else "")
    return str(option)


def recorded_probabilities(search: Search, gate: str) -> list[tuple[int, list[list[float]]]]:
    """Return the epochs and probabilities of a gate, skipping records that do not fit the search space."""
    groups = gate_groups(search)[gate]

    def fits(values: list[list[float]]) -> bool:
        return len(values) == len(groups) and all(
            not group or len(group) >= len(options) for group, (_, options) in zip(values, groups, strict=True)
        )

    kept = [(r["epoch"], r["probabilities"][gate]) for r in history(search) if gate in r.get("probabilities", {})]
    return [(epoch, values) for epoch, values in kept if fits(values)]


def leading_option(search: Search, gate: str) -> Chart | None:
    """Chart the probability of each group's most probable option over the epochs."""
    rows = []
    for epoch, values in recorded_probabilities(search, gate):
        for (name, options), group in zip(gate_groups(search)[gate], values, strict=True):
            if group:
                best = max(group)
                rows.append(
                    {"epoch": epoch, "group": name, "leading": options[group.index(best)], "probability": best,
                     "options alive": sum(p > 0 for p in group)}
                )  # fmt: skip
    if not rows:
        return None
    order = [name for name, _ in gate_groups(search)[gate]]
    title, axis = GATES[gate].title, GATES[gate].axes[0]
    alternative = f"Heat map of the {title} gates of {len(order)} {axis}s; stronger color means more certain."
    tips = ["group:N", "epoch:O", "leading:N", "options alive:Q"]
    spec = _heat(
        rows,
        [epoch for epoch, _ in recorded_probabilities(search, gate)],
        order,
        None if axis == "stage" else axis,
        [*map(alt.Tooltip, tips), alt.Tooltip("probability:Q", format=".3f")],
        alternative,
    )
    return Chart(f"gates-{gate.replace('_', '-')}", title.capitalize(), GATES[gate].caption, alternative, spec)


def operator_probabilities(search: Search) -> list[Chart]:
    """Chart the probability of every operator over the epochs, one chart per block."""
    tips = [
        alt.Tooltip("group:N", title="operator"),
        alt.Tooltip("epoch:O"),
        alt.Tooltip("probability:Q", format=".3f"),
    ]
    epochs = [epoch for epoch, _ in recorded_probabilities(search, "operator")]
    charts = []
    for index, (name, options) in enumerate(gate_groups(search)["operator"]):
        kept = [(epoch, values[index]) for epoch, values in recorded_probabilities(search, "operator") if values[index]]
        if not kept:
            continue
        rows = [
            {"epoch": epoch, "group": option, "probability": p}
            for epoch, group in kept
            for option, p in zip(options, group, strict=False)
        ]
        last, group = kept[-1]
        leader = options[group.index(max(group))]
        removed = last < history(search)[-1]["epoch"]
        caption = f"Dropped after epoch {last} by its stage's depth gate." if removed else f"Final operator: {leader}."
        alternative = f"Heat map of the operators of block {name} over the epochs: {leader} ends at {max(group):.2f}."
        spec = _heat(rows, epochs, options, None, tips, alternative, cell=13)
        charts.append(Chart(f"operators-{name.replace('.', '-')}", f"Block {name}", caption, alternative, spec))
    return charts


def _heat(
    rows: list[dict],
    epochs: list[int],
    order: list[str],
    y_title: str | None,
    tips: list,
    alternative: str,
    cell: int = 18,
) -> dict:
    before = dict(zip(epochs, [0, *epochs], strict=False))  # a long search does not record every epoch
    rows = [{"since": before[row["epoch"]], **row} for row in rows]
    x = alt.X(
        "since:Q",
        title="epoch",
        axis=alt.Axis(tickMinStep=1, grid=False, ticks=False, domain=False),
        scale=alt.Scale(domain=[0, epochs[-1]], nice=False),
    )
    y = alt.Y(
        "group:N",
        sort=order,
        title=y_title,
        scale=alt.Scale(domain=order),
        axis=alt.Axis(ticks=False, domain=False, labelColor=role("ink"), labelFontSize=11),
    )
    chart = (
        alt.Chart(style.data(rows))
        .mark_rect(fill=role("blue"), stroke=None)
        .encode(
            x=x,
            x2="epoch:Q",
            y=y,
            fillOpacity=alt.FillOpacity("probability:Q", scale=alt.Scale(domain=[0, 1], range=[0.03, 1]), legend=None),
            tooltip=tips,
        )
    )
    return style.finish(chart, alternative, cell * len(order))
