"""Colours and chart settings, by role: the page fills in the roles for light and dark, the figures those of paper.

Series have the colours of Okabe and Ito, which people with any colour vision tell apart; every series also has a shape
or a dash of its own. In a chart a role is written as the CSS variable that the page defines.
"""

import json
from dataclasses import dataclass
from typing import Any

import altair as alt

ROLES = {  # on white paper
    "ink": "#1b1f24",
    "muted": "#59626d",
    "line": "#d5dade",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "orange": "#e69f00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "vermillion": "#d55e00",
    "sky": "#56b4e9",
}
SERIES = ("blue", "vermillion", "green", "orange", "purple", "sky", "ink")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 4], [1, 3])
FONT = "system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Chart:
    """One figure: a Vega-Lite specification and the words beside it."""

    name: str
    title: str
    caption: str
    alt: str
    spec: dict


def role(name: str) -> str:
    """The colour of a role, as charts and drawings refer to it."""
    return f"var(--{name})"


def on_paper(text: str) -> str:
    """`text` with every role replaced by its colour on white paper."""
    for name, colour in ROLES.items():
        text = text.replace(role(name), colour)
    return text


def repeat(values: tuple, count: int) -> list:
    """The first `count` of `values`, from the start again when they run out."""
    return [values[index % len(values)] for index in range(count)]


def colors(names: list[str]) -> alt.Scale:
    """Colour scale of named series."""
    return alt.Scale(domain=names, range=[role(name) for name in repeat(SERIES, len(names))])


def shapes(names: list[str]) -> alt.Scale:
    """Shape scale of named series."""
    return alt.Scale(domain=names, range=repeat(SHAPES, len(names)))


def dashes(names: list[str]) -> alt.Scale:
    """Dash scale of named series."""
    return alt.Scale(domain=names, range=repeat(DASHES, len(names)))


def legend(names: list[str], **settings: Any) -> alt.Legend:
    """A legend without a heading that lists `names`."""
    return alt.Legend(title=None, values=names, **settings)


def data(rows: list[dict]) -> alt.Data:
    """Rows as a chart's data."""
    return alt.Data(values=rows)


def finish(chart: Any, description: str, height: int) -> dict:
    """The specification of a chart as wide as its place, with the project's settings."""
    text = {"labelFont": FONT, "titleFont": FONT, "labelFontSize": 12, "titleFontSize": 12}
    spec = chart.properties(width="container", height=height, description=description).to_dict(validate=False)
    spec["background"] = "transparent"
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["config"] = {
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            **text,
            "labelColor": role("muted"),
            "titleColor": role("muted"),
            "titleFontWeight": "normal",
            "domainColor": role("line"),
            "gridColor": role("line"),
            "tickColor": role("line"),
            "labelPadding": 6,
            "titlePadding": 8,
        },
        "legend": {
            **text,
            "labelColor": role("ink"),
            "titleColor": role("muted"),
            "titleFontWeight": "normal",
            "orient": "top",
            "columns": 3,  # fits a phone; one that follows the width is laid out too late, and loses rows
            "labelLimit": 220,
            "symbolStrokeWidth": 2,
        },
        "text": {"font": FONT, "fontSize": 12, "fill": role("ink")},
    }
    return spec


def fixed(chart: Chart, width: int = 620) -> str:
    """The specification on white paper at a given width in pixels, as JSON."""
    spec = {**chart.spec, "width": width, "background": role("paper"), "padding": 12}
    return on_paper(json.dumps(spec))
