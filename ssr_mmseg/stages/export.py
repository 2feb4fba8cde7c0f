"""The command `export`: a trained network as one ONNX file that knows how to be fed."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor, nn

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.deployed_network import DeployedNetwork
from ssr_mmseg.deploy.onnx_metadata import KEY, Package
from ssr_mmseg.evaluation.logits_agreement import check_logits
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.profiling.backends.base import require
from ssr_mmseg.profiling.profile_model import STRIDE
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.frames import real_frames, resized
from ssr_mmseg.stages.profile import Logits
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import atomic_path

if TYPE_CHECKING:
    import onnx

ALIGN = 16  # channels that ONNX Runtime takes at once with AVX-512; a multiple of what it takes elsewhere


@dataclass(frozen=True)
class Form:
    """What the file shall take and give.

    Attributes:
        head: `labels` (argmax at input resolution) or `logits`.
        size: height and width, multiples of 8; the dataset's own if None.
        dynamic: leave batch, height and width open; `size` is then what `predict` feeds.
        batch: images per run of a fixed graph.
    """

    head: str = "labels"
    size: tuple[int, int] | None = None
    dynamic: bool = False
    batch: int = 1


def export_network(config: dict, dataset: str, seed: int, network: str, out: Path, form: Form) -> dict[str, float]:
    """Export a retrained network of the experiment; compare the file with it on frames of val first.

    Returns:
        How the logits of the file compare, as `check_logits` says.

    Raises:
        UserError: the network has not been trained yet or cannot be exported, or the file would differ from it.
    """
    experiment = Experiment(config, dataset, seed)
    genotype = genotype_for(network, dataset, seed)
    segmentor = experiment.build(experiment.network(network, genotype)).eval()
    weights = paths.WEIGHTS.format(dataset=dataset, seed=seed, network=network)
    segmentor.load_state_dict(load_state(Path(weights))["model"])
    size = form.size or experiment.size
    _check(size, form)
    images = resized(real_frames(experiment, segmentor, "val", form.batch), size)
    manifest = experiment.manifest
    return write(Logits(segmentor), images, form, _package(segmentor, network, form, size, manifest), out)


def export_pair(
    config: dict, genotype: Path, weights: Path, out: Path, form: Form, classes: Sequence[str] | None = None
) -> dict[str, float]:
    """Export a genotype with the weights that a retraining left, without its dataset.

    Args:
        config: gives the normalisation, by `retrain.schedule`.
        classes: their names; numbered if None.

    Raises:
        UserError: the weights are not those of the genotype, or the size or the number of names does not fit.
    """
    found = Genotype.read(genotype)
    state = load_state(weights)["model"]
    key = "decode_head.conv_seg.weight"
    if key not in state:
        raise UserError(f"{weights} holds no weights of a derived network: {key} is missing")
    count = state[key].shape[0]
    names = list(classes) if classes else [f"class {number}" for number in range(count)]
    if len(names) != count:
        raise UserError(f"{weights} has {count} classes, found {len(names)} names; name each of them")
    if form.size is None:
        raise UserError("a genotype has no size of its own: say --size HEIGHTxWIDTH")
    _check(form.size, form)
    segmentor = _segmentor(config, found, count)
    try:
        segmentor.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{weights} are not the weights of {genotype}: the shapes differ; give a pair") from error
    images = torch.randn(form.batch, 3, *form.size, generator=torch.Generator().manual_seed(0))
    manifest = {"classes": names, "palette": colours(count)}
    package = _package(segmentor, genotype.stem, form, form.size, manifest)
    return write(Logits(segmentor.eval()), images, form, package, out)


def write(model: Logits, images: Tensor, form: Form, package: Package, out: Path) -> dict[str, float]:
    """Write the file whole, or not at all if its logits on `images` (N, 3, H, W) are not those of `model`."""
    runtime = require("onnxruntime", "export", onnx_export.INSTALL)
    graph = build(model, images, form.dynamic)
    session = runtime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = torch.from_numpy(session.run(None, {onnx_export.INPUT: images.numpy()})[0])
    with torch.inference_mode():
        compared = check_logits(logits, model(images), "fp32", f"the graph for {out}")
    if form.head == "labels":
        onnx_export.to_labels(graph)
    entry = graph.metadata_props.add()
    entry.key, entry.value = KEY, package.to_json()
    with atomic_path(out) as temporary:
        temporary.write_bytes(graph.SerializeToString())
    return compared


def build(model: Logits, images: Tensor, dynamic: bool) -> "onnx.ModelProto":
    """The graph from images to logits: a derived network rewritten, any other as it is."""
    network: nn.Module = model
    if isinstance(model.backbone, SSRNet) and isinstance(model.head, AggregationHead):
        network = DeployedNetwork(model.backbone, model.head, ALIGN, dynamic)
    return onnx_export.export(network, images, dynamic, user="export")


def _segmentor(config: dict, genotype: Genotype, classes: int) -> EncoderDecoder:
    """A derived network outside of an experiment, with the normalisation that retrainings use."""
    init_default_scope("mmseg")
    model = Config.fromfile(paths.project_file(settings.DERIVED))["model"].to_dict()
    model["backbone"]["genotype"] = genotype.to_dict()
    model["decode_head"] |= {"in_channels": list(SSRNet(genotype.to_dict()).widths), "num_classes": classes}
    schedule = Config.fromfile(paths.project_file(config["retrain"]["schedule"]))
    model["data_preprocessor"] = {"type": "SegDataPreProcessor", **schedule["normalisation"], "bgr_to_rgb": True}
    return MODELS.build(model)


def colours(count: int) -> list[list[int]]:
    """Colours that tell `count` classes apart, red, green and blue: the hue turns by the golden angle."""
    wheel = [colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.75, 0.95) for number in range(count)]
    return [[round(255 * channel) for channel in colour] for colour in wheel]


def _check(size: tuple[int, int], form: Form) -> None:
    if any(side <= 0 or side % STRIDE for side in size) or min(size) < 4 * STRIDE:
        raise UserError(
            f"input size {size[0]}x{size[1]}: expected multiples of {STRIDE}, at least {4 * STRIDE}; choose another"
        )
    if form.batch < 1:
        raise UserError(f"expected a batch of at least 1 image, found {form.batch}")


def _package(segmentor: EncoderDecoder, network: str, form: Form, size: tuple[int, int], manifest: dict) -> Package:
    """The metadata of an export; `manifest` gives class names and palette."""
    preprocessor: Any = segmentor.data_preprocessor
    mean, std = (values.flatten().tolist() for values in (preprocessor.mean, preprocessor.std))
    return Package(
        network=network,
        head=form.head,
        size=size,
        classes=tuple(manifest["classes"]),
        palette=tuple((red, green, blue) for red, green, blue in manifest["palette"]),
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        provenance=provenance(),
    )
