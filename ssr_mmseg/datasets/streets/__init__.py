"""Dataset type `streets`: rendered street scenes with CamVid's classes, for experiments without a download."""

from ssr_mmseg.datasets.streets.dataset import OPTIONS, StreetsDataset, acquire

__all__ = ["OPTIONS", "StreetsDataset", "acquire"]
