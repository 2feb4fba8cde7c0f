"""mmengine's visualizer for trainings that log numbers and finished images only."""

from types import SimpleNamespace
from typing import Any

from mmengine.visualization import Visualizer
from mmseg.registry import VISUALIZERS


@VISUALIZERS.register_module()
class ScalarVisualizer(Visualizer):
    """A visualizer without a figure to draw in: importing Matplotlib for it takes half a second per training."""

    def _initialize_fig(self, fig_cfg: dict) -> tuple[Any, Any, Any]:
        return None, SimpleNamespace(get_dpi=lambda: 100.0), None
