"""The figure of all peers: mIoU against latency with the Pareto front, published networks beside."""

from pathlib import Path

from ssr_mmseg import definitions, layout, settings
from ssr_mmseg.report import charts, figures
from ssr_mmseg.report.data import collect_dataset
from ssr_mmseg.utils.files import write_text


def write_peers_figure(config: dict, dataset: str) -> Path | None:
    """Write `results/peers-<dataset>.svg`; None where no network has been trained, so that there is no mIoU to show."""
    networks = definitions.peers(settings.networks(config, dataset))
    chart = charts.accuracy_latency(collect_dataset(config, dataset, networks))
    path = Path(layout.PEERS_FIGURE.format(dataset=dataset))
    if chart is None:
        path.unlink(missing_ok=True)
        return None
    write_text(path, figures.drawn(dataset, chart)[2])
    return path
