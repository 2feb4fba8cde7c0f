"""Adapter that evaluates a profiling backend like a segmentor."""

from mmengine.model import BaseModel
from torch import nn

from ssr_mmseg.profiling.backends import Backend


class BackendSegmentor(nn.Module):
    """A segmentor whose logits are computed by a prepared backend; accepted by `evaluate_model`.

    Args:
        segmentor: Normalizes the images and resizes the logits to the labels' size.
        backend: Prepared for one image of the segmentor's input size.
    """

    def __init__(self, segmentor: BaseModel, backend: Backend) -> None:
        super().__init__()
        self.segmentor, self.backend = segmentor, backend

    def test_step(self, batch: dict) -> list:
        data = self.segmentor.data_preprocessor(batch, False)
        self.backend.load(data["inputs"].cpu())
        logits = self.backend.run().float().cpu()
        return self.segmentor.postprocess_result(logits, data["data_samples"])
