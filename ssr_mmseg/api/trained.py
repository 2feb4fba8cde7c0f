"""Trained networks behind the Python interface, run by PyTorch as mmseg runs them."""

import copy
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmseg.models import EncoderDecoder

from ssr_mmseg.api.base import MIN_RUNS, MIN_SECONDS, WARMUP_SECONDS, Network
from ssr_mmseg.api.weights_meta import check_meta
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.input_size import check_input_size
from ssr_mmseg.deploy.logits import LogitsNetwork, logits_network, rewrite_network
from ssr_mmseg.evaluation.sliding_window import SlidingWindowSegmentor
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.experiment.mmseg_config import RESIZES, read_mmseg_config
from ssr_mmseg.experiment.pairs import build_pair, build_trained
from ssr_mmseg.profiling import count_macs, count_parameters, profile_model
from ssr_mmseg.profiling.backends.base import alignment, backend_type
from ssr_mmseg.training.checkpoint.weights import load_checkpoint
from ssr_mmseg.utils.colors import distinct_colors
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError

GENOTYPE_CONFIG = "config/mmseg/_base_/models/ssrnet.py"  # of a genotype that comes without a config
LOADS = ("LoadImageFromFile", "LoadAnnotations")


class TrainedNetwork(Network):
    """A segmentor of mmseg with its weights.

    Attributes:
        segmentor: The mmseg model, in eval mode, on `device`.
        genotype: The genotype of a derived network, or None.
        device: Where it runs.

    Args:
        path: Folder or file that it was loaded from.
        segmentor: The segmentor with its weights, on the CPU.
        pipeline: mmseg's test pipeline.
        meta: `meta` of its weights, which may hold `dataset_meta`.
        size: Height and width of the network's input.
        device: `auto`, `cpu` or `cuda`.
    """

    def __init__(
        self,
        path: Path,
        segmentor: EncoderDecoder,
        pipeline: list[dict],
        meta: dict,
        size: tuple[int, int],
        device: str,
    ) -> None:
        super().__init__(path, *_labels_meta(meta, segmentor.decode_head.num_classes, path), size)
        self.device = resolve_device(device)
        self.segmentor = segmentor.to(self.device).eval()
        steps = [step for step in pipeline if step["type"] not in LOADS]
        overlap = meta.get("overlap")
        self._tested: Any = self.segmentor
        if overlap is not None:
            steps = [step for step in steps if step["type"] not in RESIZES]
            self._tested = SlidingWindowSegmentor(self.segmentor, size, overlap)
        self._pipeline = Compose([{"type": "LoadImageFromNDArray"}, *steps])

    @property
    def genotype(self) -> Genotype | None:
        """The genotype of a derived network; None for another one."""
        return getattr(self.segmentor.backbone, "genotype", None)

    @torch.no_grad()
    def _labels(self, image: np.ndarray) -> np.ndarray:
        sample = self._pipeline({"img": image})
        batch = {"inputs": [sample["inputs"]], "data_samples": [sample["data_samples"]]}
        (result,) = self._tested.test_step(batch)
        return result.pred_sem_seg.data.squeeze(0).to(torch.uint8).cpu().numpy()

    def profile(
        self,
        size: tuple[int, int] | None = None,
        backend: str | None = None,
        *,
        batch: int | None = None,
        precision: str | None = None,
        min_runs: int = MIN_RUNS,
        min_seconds: float = MIN_SECONDS,
        warmup_seconds: float = WARMUP_SECONDS,
    ) -> dict[str, Any]:
        """Time the network on its device, in the form that the backend runs by default. See `Network.profile`."""
        name, images = backend or "eager", 1 if batch is None else batch
        shape = self.size if size is None else (size[0], size[1])
        check_input_size(shape)
        chosen = backend_type(name, precision)
        graph, align = chosen.default_graph, alignment(name, precision or chosen.precisions[0])
        model = copy.deepcopy(self._logits).cpu()
        timed = rewrite_network(model, graph, torch.zeros(max(images, 1), 3, *shape), align)
        bounds = (min_runs, min_seconds, warmup_seconds)
        (record,) = profile_model(
            model, [shape], self.device.type, name, images, *bounds, precision=precision, timed=timed
        )
        return {**record, "graph": graph}

    @cached_property
    def _logits(self) -> LogitsNetwork:
        return logits_network(self.segmentor).eval()

    @property
    def parameters(self) -> int:
        """Number of parameters, without auxiliary heads that only serve training."""
        return count_parameters(self._logits)

    @property
    def macs(self) -> int:
        """Multiply-adds of one image at `size`."""
        return count_macs(self._logits, self.size)


def load_config(config_path: Path, weights: Path, device: str, origin: Path) -> TrainedNetwork:
    """Load the network of an mmengine config, such as the `config.py` of a retraining, with its weights.

    Raises:
        UserError: The config has no model or test pipeline, or the weights are not those of its model.
    """
    config = read_mmseg_config(config_path.absolute())
    if "model" not in config or "test_pipeline" not in config:
        raise UserError(f"{config_path} has no model and test_pipeline; give the config.py of a retraining")
    checkpoint = load_checkpoint(weights)
    check_meta(checkpoint["meta"], weights)
    segmentor = build_trained(config["model"], checkpoint["state_dict"], weights, config_path)
    pipeline = list(config["test_pipeline"])
    scale = next((step["scale"] for step in pipeline if step["type"] in RESIZES), None)
    size = scale[::-1] if scale else checkpoint["meta"].get("input_size")
    return TrainedNetwork(origin, segmentor, pipeline, checkpoint["meta"], _checked(size, config_path), device)


def load_pair(genotype: Path, weights: Path, size: tuple[int, int] | None, device: str) -> TrainedNetwork:
    """Load a genotype with the weights of its retraining.

    Raises:
        UserError: The weights are not those of the genotype, or neither they nor `size` give the input size.
    """
    segmentor, checkpoint = build_pair(genotype, weights, GENOTYPE_CONFIG)
    check_meta(checkpoint["meta"], weights)
    height, width = _checked(size or checkpoint["meta"].get("input_size"), weights)
    resize = {"type": "AlignedResize", "scale": (width, height), "keep_ratio": False}
    pipeline: list[dict] = [resize, {"type": "PackSegInputs"}]
    return TrainedNetwork(genotype, segmentor, pipeline, checkpoint["meta"], (height, width), device)


def _checked(size: Any, origin: Path) -> tuple[int, int]:
    if not isinstance(size, list | tuple):
        raise UserError(f"{origin} does not give the network's input size; specify it: size=(height, width)")
    check_input_size(size)
    return size[0], size[1]


def _labels_meta(meta: dict, count: int, path: Path) -> tuple[list[str], list[list[int]]]:
    """Return names and colors of the classes: those of the weights, or else numbers and distinct colors."""
    known = meta.get("dataset_meta") or {}
    names = list(known.get("classes") or [f"class {number}" for number in range(count)])
    colors = known.get("palette") or distinct_colors(count)
    if not len(names) == len(colors) == count:
        raise UserError(f"{path}: {len(names)} names and {len(colors)} colors of {count} classes; train it again")
    return names, [list(color) for color in colors]
