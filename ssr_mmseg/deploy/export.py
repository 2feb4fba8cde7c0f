"""Export of a network to an ONNX file with the metadata that `predict` needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmseg.models import EncoderDecoder
from torch import Tensor, nn

from ssr_mmseg.architecture.input_size import STRIDE, check_input_size
from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.deployed_network import DeployedNetwork
from ssr_mmseg.deploy.logits import LogitsNetwork
from ssr_mmseg.deploy.onnx_check import check_model
from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata
from ssr_mmseg.deploy.quantize import quantize
from ssr_mmseg.evaluation.logits_agreement import check_logits
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require
from ssr_mmseg.utils.files import atomic_path
from ssr_mmseg.utils.limits import MAX_BATCH, pixels_problem

if TYPE_CHECKING:
    import onnx

ALIGN = 16  # channels that ONNX Runtime computes at once with AVX-512; a multiple of its other block sizes


@dataclass(frozen=True)
class ExportOptions:
    """Input and output of an exported file.

    Attributes:
        head: `labels` (argmax at input resolution) or `logits`.
        size: Height and width, multiples of 8; the dataset's if None.
        dynamic: Leave batch, height and width open; `size` is then the size that `predict` uses.
        batch: Images per run of a fixed graph.
        precision: `fp32` or `int8`.
    """

    head: str = "labels"
    size: tuple[int, int] | None = None
    dynamic: bool = False
    batch: int = 1
    precision: str = "fp32"


@dataclass(frozen=True)
class Quantization:
    """Calibration of an int8 file.

    Attributes:
        images: Calibration images (K, 3, H, W) of the input size; see `quantize`.
        float_layers: Names of the weights of layers that stay in float32.
    """

    images: Tensor
    float_layers: tuple[str, ...] = ()


def write_onnx(
    model: LogitsNetwork,
    images: Tensor,
    options: ExportOptions,
    metadata: OnnxMetadata,
    out: Path,
    quantization: Quantization | None = None,
) -> dict[str, float]:
    """Write an ONNX file, atomically and only if its logits on `images` (N, 3, H, W) agree with those of `model`.

    With a `quantization` the file is int8.

    Returns:
        See `check_logits`.

    Raises:
        UserError: The logits differ, or `predict` would refuse the file.
    """
    runtime = require("onnxruntime", "export")
    graph = build_graph(model, images, options.dynamic, quantization)
    session = runtime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = torch.from_numpy(session.run(None, {onnx_export.INPUT: images.numpy()})[0])
    with torch.inference_mode():
        agreement = check_logits(logits, model(images), "int8" if quantization else "fp32", f"the graph for {out}")
    if options.head == "labels":
        onnx_export.to_labels(graph)
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, metadata.to_json()
    data = graph.SerializeToString()
    check_model(data, f"the graph for {out}")
    with atomic_path(out) as temporary:
        temporary.write_bytes(data)
    return agreement


def build_graph(
    model: LogitsNetwork, images: Tensor, dynamic: bool, quantization: Quantization | None = None
) -> "onnx.ModelProto":
    """Export the graph from images to logits; a derived network is rewritten for inference first."""
    network = exported_network(model, dynamic, 1 if quantization else ALIGN)
    graph = onnx_export.export(network, images, dynamic, user="export")
    return quantize(graph, quantization.images, quantization.float_layers) if quantization else graph


def exported_network(model: LogitsNetwork, dynamic: bool = False, align: int = 1) -> nn.Module:
    """Return the network that is exported: a derived one rewritten for inference, any other as it is."""
    if isinstance(model.backbone, SSRNet) and isinstance(model.head, AggregationHead):
        return DeployedNetwork(model.backbone, model.head, align, dynamic)
    return model


def check_options(size: tuple[int, int], options: ExportOptions) -> None:
    """Raise `UserError` unless the network accepts the size, and one run can take a batch of it."""
    check_input_size(size, least=4 * STRIDE)
    if not 1 <= options.batch <= MAX_BATCH:
        raise UserError(f"expected a batch of 1 to {MAX_BATCH} images, found {options.batch}; correct --batch")
    if problem := pixels_problem(*size, options.batch):
        raise UserError(f"expected {problem}; choose a smaller --batch or --size")


def make_metadata(
    segmentor: EncoderDecoder, network: str, options: ExportOptions, size: tuple[int, int], manifest: dict
) -> OnnxMetadata:
    """Collect the metadata of an export; `manifest` gives class names, palette and the overlap of tiles.

    Raises:
        UserError: The size is not larger than the overlap.
    """
    tiles = manifest.get("tiles")
    if tiles and tiles["overlap"] >= min(size):
        raise UserError(f"--size is {size[0]}x{size[1]}, expected more than the {tiles['overlap']} pixels of overlap")
    preprocessor: Any = segmentor.data_preprocessor
    mean, std = (values.flatten().tolist() for values in (preprocessor.mean, preprocessor.std))
    return OnnxMetadata(
        network=network,
        head=options.head,
        size=size,
        classes=tuple(manifest["classes"]),
        palette=tuple((red, green, blue) for red, green, blue in manifest["palette"]),
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        provenance=provenance(),
        overlap=tiles["overlap"] if tiles else None,
    )
