"""Export of every chart and drawing of the report as SVG and PNG on a white background."""

import json
from collections.abc import Iterator
from pathlib import Path

import vl_convert

from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.report import charts, comparison, gate_charts, genotype_drawing, page, predictions, search_charts
from ssr_mmseg.report.collect import Dataset, Search, collect
from ssr_mmseg.report.style import Chart, fixed
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.atomic_folder import staged_folder
from ssr_mmseg.utils.files import write_json

SCALE = 2.0  # PNG pixels per SVG unit


def write_figures(config: dict) -> None:
    """Replace `results/figures`: SVG and PNG of each figure, contact sheets, and `index.json` with the titles.

    Raises:
        UserError: The folder cannot be written.
    """
    results = collect(config)
    with staged_folder(paths.result_path(config, paths.FIGURES)) as folder:
        index = {}
        paper = page.paper_genotype()
        if paper is not None:
            title = "The paper's genotype"
            _write(folder / "genotype-paper", genotype_drawing.genotype_svg(title, paper, [0, 0]))
            index["genotype-paper"] = title
        for dataset in results.datasets:
            for name, title, svg in drawings(dataset):
                _write(folder / name, svg)
                index[name] = title
            if any(network.frames for network in dataset.networks):
                predictions.write_sheet([dataset], folder / f"{dataset.name}-predictions.png")
                index[f"{dataset.name}-predictions"] = f"Predictions on {dataset.name}"
        gaps = comparison.ablation_gaps(results.ablation) if results.ablation else None
        if gaps:
            index["ablation-gap"] = gaps.title
            _write(folder / "ablation-gap", _svg(gaps))
        missing = [f"{entry.what}: {entry.why}" for entry in results.missing]
        write_json(folder / "index.json", {"figures": index, "not available": missing})


def _write(stem: Path, svg: str) -> None:
    """Write one figure as SVG and PNG."""
    stem.with_suffix(".svg").write_text(svg, encoding="utf-8")
    stem.with_suffix(".png").write_bytes(vl_convert.svg_to_png(svg, scale=SCALE))


def drawings(dataset: Dataset) -> Iterator[tuple[str, str, str]]:
    """Yield the name, title and SVG of every figure of a dataset."""
    network_charts = (charts.accuracy_latency(dataset), charts.class_iou(dataset), charts.retraining_losses(dataset))
    for chart in page.present(*network_charts):
        yield drawn(dataset.name, chart)
    for search in dataset.searches:
        prefix = f"{dataset.name}{search.target}-seed{search.seed}"
        depths = [stage.blocks for stage in search.space.stages]
        for name, genotype in search.genotypes.items():
            title = f"{name.capitalize()} genotype"
            yield f"{prefix}-genotype-{name}", title, genotype_drawing.genotype_svg(title, genotype, depths)
        for chart in search_figures(dataset, search):
            yield drawn(prefix, chart)


def search_figures(dataset: Dataset, search: Search) -> list[Chart]:
    """Return all charts of one search."""
    return page.present(
        search_charts.options_alive(search),
        search_charts.entropy(search),
        search_charts.expected_cost(search),
        *(gate_charts.leading_option(search, gate) for gate in GATES),
        *gate_charts.operator_probabilities(search),
        search_charts.discretization_gap(search, dataset.retrained(search)),
        *search_charts.search_cost(search),
        *search_charts.search_losses(search),
    )


def drawn(prefix: str, chart: Chart) -> tuple[str, str, str]:
    """Return the file name, title and SVG of a chart on a white background."""
    return f"{prefix}-{chart.name}", chart.title, _svg(chart)


def _svg(chart: Chart) -> str:
    return vl_convert.vegalite_to_svg(json.loads(fixed(chart)), vl_version=page.VEGA_LITE)
