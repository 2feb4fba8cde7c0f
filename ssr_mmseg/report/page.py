"""The report page: one self-contained HTML file."""

import datetime
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import jinja2
import vl_convert
import yaml

from ssr_mmseg import __version__
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.jobs.job import jobs
from ssr_mmseg.report import charts, comparison, gate_charts, genotype_drawing, predictions, readers, search_charts
from ssr_mmseg.report.collect import PAPER, Dataset, Results, Search, collect
from ssr_mmseg.report.data_section import data_section
from ssr_mmseg.report.origins import provenance
from ssr_mmseg.report.style import ROLES, Chart
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_text

ASSETS = Path(__file__).parent / "assets"
VEGA_LITE = "6.4"  # one of the versions bundled with vl-convert


def write_report(config: dict, config_path: str | Path) -> None:
    """Write the page and a contact sheet of predictions from the results that exist.

    Args:
        config: A completed experiment configuration.
        config_path: Path of the configuration, for the commands shown on the page.

    Raises:
        UserError: The page cannot be written.
    """
    results = collect(config)
    predictions.write_sheet(results.datasets, paths.result_path(config, paths.PREDICTION_SHEET))
    write_text(paths.result_path(config, paths.REPORT), render(results, config_path))


def render(results: Results, config_path: str | Path) -> str:
    """Render the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"quantity": quantity, "fixed": fixed, "duration": duration, "json": script_json}
    return environment.get_template("page.html.jinja").render(
        style=(ASSETS / "page.css").read_text(encoding="utf-8"),
        script=(ASSETS / "page.js").read_text(encoding="utf-8"),
        vega=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE),
        vega_license=(ASSETS / "vega_license.txt").read_text(encoding="utf-8"),
        light=ROLES,
        results=results,
        rows=results.rows,
        highlights=[
            *recommended(results.config),
            *(card for dataset in results.datasets for card in highlights(dataset)),
        ],
        datasets=[dataset_view(results.config, dataset) for dataset in results.datasets],
        seeds=[row for row in results.summary if row["seeds"] > 1],
        ablation_gaps=comparison.ablation_gaps(results.ablation) if results.ablation else None,
        provenance=provenance(results),
        commands=list(commands(results.config, str(config_path))),
        config=yaml.safe_dump(results.config, sort_keys=False, allow_unicode=True),
        config_path=str(config_path),
        version=__version__,
        created=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def script_json(value: object) -> str:
    """Encode a value as JSON for a script element: without `<`, so that it cannot close the element."""
    return json.dumps(value).replace("<", "\\u003c")


def quantity(value: float | None) -> str:
    """Format a count to three digits with an SI prefix, such as 1.02 M; empty for None."""
    if value is None:
        return ""
    for limit, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{prefix}"
    return f"{value:.3g}"


def fixed(value: float | None, digits: int = 2) -> str:
    """Format a number with a fixed number of decimals; empty for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def dataset_view(config: dict, dataset: Dataset) -> dict:
    """Return the template's data for one dataset; charts without data are None."""
    return {
        "data": dataset,
        "section": data_section(config, dataset.name, dataset.manifest),
        "accuracy_latency": charts.accuracy_latency(dataset),
        "class_iou": charts.class_iou(dataset),
        "iou_table": iou_table(dataset),
        "losses": charts.retraining_losses(dataset),
        "searches": [search_view(dataset, search) for search in dataset.searches],
        "frames": predictions.pictures(dataset),
    }


def search_view(dataset: Dataset, search: Search) -> dict:
    """Return the template's data for one search."""
    return {
        "data": search,
        "genotypes": genotypes(search),
        "decisions": present(
            search_charts.options_alive(search), search_charts.entropy(search), search_charts.expected_cost(search)
        ),
        "leading": present(*(gate_charts.leading_option(search, gate) for gate in GATES)),
        "operators": gate_charts.operator_probabilities(search),
        "gap": search_charts.discretization_gap(search, dataset.retrained(search)),
        "cost": search_charts.search_cost(search),
        "losses": present(*search_charts.search_losses(search)),
    }


def present(*candidates: Chart | None) -> list[Chart]:
    """Return the charts that have data."""
    return [chart for chart in candidates if chart is not None]


def paper_genotype() -> Genotype | None:
    """Read the paper's published genotype; None if its file cannot be read."""
    try:
        return Genotype.read(paths.project_file(f"config/genotypes/{PAPER}.json"))
    except UserError:
        return None


def genotypes(search: Search) -> list[dict]:
    """Draw the searched genotype, those compared with it, and the paper's, as far as they exist."""
    depths = [stage.blocks for stage in search.space.stages]
    drawn = [
        {"name": name, "title": _genotype_title(name), "stages": genotype_drawing.stage_blocks(genotype, depths)}
        for name, genotype in search.genotypes.items()
    ]
    paper = paper_genotype()
    if paper is not None and drawn:
        stages = genotype_drawing.stage_blocks(paper, [0, 0])
        drawn.append({"name": "paper", "title": "From the paper, searched on Cityscapes", "stages": stages})
    return drawn


def _genotype_title(network: str) -> str:
    title = network.capitalize().replace("_", " ")
    return title if network == "searched" else f"{title}, at about the same cost"


def iou_table(dataset: Dataset) -> dict:
    """Return the IoU in percent by class and network on the shown split."""
    evaluated = [n for n in dataset.networks if n.evaluation and n.evaluation[dataset.split]]
    by_network = {n.label: n.evaluation[dataset.split]["iou"] for n in evaluated if n.evaluation}
    classes = list(dict.fromkeys(name for values in by_network.values() for name in values))
    return {"networks": list(by_network), "rows": [(c, [v.get(c) for v in by_network.values()]) for c in classes]}


def recommended(config: dict) -> Iterator[dict]:
    """Yield a headline for the recommended network, if the stage `recommend` has chosen one."""
    try:
        value = readers.read_recommendation(paths.result_path(config, paths.RECOMMENDATION))
    except readers.FAULTS:
        return
    detail = f"of {value['compared']} networks; by {value['backend']}. card.md in recommended/ says why"
    yield {"label": f"Recommended: {value['network']}", "value": f"{value['latency']:.3g} ms", "detail": detail}


def highlights(dataset: Dataset) -> Iterator[dict]:
    """Yield the headline numbers of a dataset: the searched network, the best one if different, and the search."""
    points = charts.measured_points(dataset)
    if not points:
        return
    best = max(points, key=lambda point: point["mIoU"])
    searched = next((point for point in points if point["network"] == "searched"), None)
    if searched:
        detail = f"{dataset.name}, {dataset.split} · {searched['latency']:.3g} ms per image"
        yield {"label": "Searched network", "value": f"{searched['mIoU']:.1f} %", "detail": f"mIoU on {detail}"}
    if best is not searched:
        detail = f"mIoU on {dataset.name}, {dataset.split} · {best['latency']:.3g} ms per image"
        yield {"label": f"Best: {best['network']}", "value": f"{best['mIoU']:.1f} %", "detail": detail}
    for search in dataset.searches[:1]:
        if search.stages:
            last = search.stages[-1]
            hours = sum(stage["hours"] or 0 for stage in search.stages)
            if None not in (last["relaxed_miou"], last["one_hot_miou"]):
                gap = last["relaxed_miou"] - last["one_hot_miou"]
                yield {
                    "label": "Discretization gap",
                    "value": f"{gap:+.1f}",
                    "detail": f"points of mIoU on {dataset.name}, val, after {last['name']}",
                }
            peak = max(stage["peak_gb"] or 0 for stage in search.stages)
            stages = "1 stage" if len(search.stages) == 1 else f"{len(search.stages)} stages"
            detail = f"{stages} on {dataset.name}, at most {peak:.2g} GB"
            yield {"label": "Search time", "value": duration(hours), "detail": detail}


def duration(hours: float | None) -> str:
    """Format a duration in hours, minutes or seconds; empty for None."""
    if hours is None:
        return ""
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 3600 >= 60 else f"{hours * 3600:.0f} s"


def commands(config: dict, config_path: str) -> Iterator[str]:
    """Yield the command of every job, in the order that reproduces the results."""
    for job in jobs(config):
        yield shlex.join(["ssr-mmseg", *job.arguments, "--config", config_path])
