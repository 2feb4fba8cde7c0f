"""Result files of made-up searches, for tests of the stages that combine them."""

from ssr_mmseg.settings import paths
from ssr_mmseg.utils import files

GATES = ("depth", "operator", "mid_width", "out_width")
DIMENSIONS = ("depth", "dilation", "resolution", "mid_width", "out_width")


def write_metrics(dataset: str, seed: int, stage: int, **changes) -> None:
    """Write a stage's metrics: relaxed 60 − stage, one-hot 50 + 2·stage, and one of two groups decided per gate."""
    metrics = {
        "stage": stage,
        "epochs": 2,
        "hours": 0.25,
        "peak_gb": 3.0 - stage,
        "relaxed_miou": 60.0 - stage,
        "one_hot_miou": 50.0 + 2 * stage,
        "groups": {gate: {"exist": 2, "decided": 1} for gate in GATES},
        "entropy": dict.fromkeys(GATES, 0.5),
        "options_alive": dict.fromkeys(GATES, 7),
        "dimensions_alive": {dimension: number for number, dimension in enumerate(DIMENSIONS)},
        "expected_macs": 700,
        "cost_ratio": 0.7,
        "one_hot_macs": 600,
        "provenance": {"commit": "abc"},
        **changes,
    }
    files.write_json(paths.stage_metrics_path({}, dataset, seed, stage), metrics)
