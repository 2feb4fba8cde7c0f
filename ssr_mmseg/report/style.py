"""Colors and chart settings. Colors are named by role: the page defines a light and a dark set, figures use the light.

Series have the colors of Okabe and Ito, which can be told apart with any color vision, and each its own shape or dash
pattern. In a chart, a role is written as the CSS variable that the page defines.
"""

import json
from dataclasses import dataclass
from typing import Any

import altair as alt

ROLES = {  # the light set
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
    """One figure: a Vega-Lite specification, its title, caption and text alternative."""

    name: str
    title: str
    caption: str
    alt: str
    spec: dict


def role(name: str) -> str:
    """Return the CSS variable for a role's color."""
    return f"var(--{name})"


def on_paper(text: str) -> str:
    """Return `text` with every role's CSS variable replaced by its color on white."""
    for name, color in ROLES.items():
        text = text.replace(role(name), color)
    return text


def repeat(values: tuple, count: int) -> list:
    """Return `count` values, cycling through `values`."""
    return [values[index % len(values)] for index in range(count)]


def colors(names: list[str]) -> alt.Scale:
    """Return the color scale of the named series."""
    return alt.Scale(domain=names, range=[role(name) for name in repeat(SERIES, len(names))])


def shapes(names: list[str]) -> alt.Scale:
    """Return the shape scale of the named series."""
    return alt.Scale(domain=names, range=repeat(SHAPES, len(names)))


def dashes(names: list[str]) -> alt.Scale:
    """Return the dash scale of the named series."""
    return alt.Scale(domain=names, range=repeat(DASHES, len(names)))


def legend(names: list[str], **settings: Any) -> alt.Legend:
    """Return a legend without a title that lists `names`."""
    return alt.Legend(title=None, values=names, **settings)


def data(rows: list[dict]) -> alt.Data:
    """Wrap rows as the data of a chart."""
    return alt.Data(values=rows)


def finish(chart: Any, description: str, height: int) -> dict:
    """Return the specification of a chart that fills its container's width, with the common settings."""
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
            "columns": 3,  # fits a phone; a width-dependent expression is evaluated too late and clips rows
            "labelLimit": 220,
            "symbolStrokeWidth": 2,
        },
        "text": {"font": FONT, "fontSize": 12, "fill": role("ink")},
    }
    return spec


def fixed(chart: Chart, width: int = 620) -> str:
    """Return the specification as JSON, on a white background and `width` pixels wide."""
    spec = {**chart.spec, "width": width, "background": role("paper"), "padding": 12}
    return on_paper(json.dumps(spec))
