"""Figure of all peer networks: mIoU against latency with the Pareto front, and published results."""

from pathlib import Path

from ssr_mmseg.report import charts, figures
from ssr_mmseg.report.collect import collect_dataset
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.scenario import all_networks
from ssr_mmseg.utils.files import write_text


def write_peers_figure(config: dict, dataset: str) -> Path | None:
    """Write `results/peers-<dataset>.svg`; return None if no network has an mIoU to show yet."""
    chart = charts.accuracy_latency(collect_dataset(config, dataset, all_networks(config, dataset)))
    path = paths.result_path(config, paths.PEERS_FIGURE, dataset=dataset)
    if chart is None:
        path.unlink(missing_ok=True)
        return None
    write_text(path, figures.drawn(dataset, chart)[2])
    return path
