"""The command `export`: a trained network as one ONNX file that knows how to be fed."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.deploy.export import ExportOptions, check_options, distinct_colors, make_metadata, write_onnx
from ssr_mmseg.deploy.logits import logits_network
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.experiment.sample_images import resize_images, sample_images
from ssr_mmseg.settings import paths
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils.errors import UserError


def export_network(
    config: dict, dataset: str, seed: int, network: str, out: Path, options: ExportOptions
) -> dict[str, float]:
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
    size = options.size or experiment.size
    check_options(size, options)
    images = resize_images(sample_images(experiment, segmentor, "val", options.batch), size)
    manifest = experiment.manifest
    return write_onnx(
        logits_network(segmentor), images, options, make_metadata(segmentor, network, options, size, manifest), out
    )


def export_pair(
    config: dict, genotype: Path, weights: Path, out: Path, options: ExportOptions, classes: Sequence[str] | None = None
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
    if options.size is None:
        raise UserError("a genotype has no size of its own: say --size HEIGHTxWIDTH")
    check_options(options.size, options)
    segmentor = derived_segmentor(config, found, count)
    try:
        segmentor.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{weights} are not the weights of {genotype}: the shapes differ; give a pair") from error
    images = torch.randn(options.batch, 3, *options.size, generator=torch.Generator().manual_seed(0))
    manifest = {"classes": names, "palette": distinct_colors(count)}
    package = make_metadata(segmentor, genotype.stem, options, options.size, manifest)
    return write_onnx(logits_network(segmentor.eval()), images, options, package, out)


def derived_segmentor(config: dict, genotype: Genotype, classes: int) -> EncoderDecoder:
    """A derived network outside of an experiment, with the normalisation that retrainings use."""
    init_default_scope("mmseg")
    model = Config.fromfile(paths.project_file(settings.DERIVED))["model"].to_dict()
    model["backbone"]["genotype"] = genotype.to_dict()
    model["decode_head"] |= {"in_channels": list(genotype.widths), "num_classes": classes}
    schedule = Config.fromfile(paths.project_file(config["retrain"]["schedule"]))
    model["data_preprocessor"] = {"type": "SegDataPreProcessor", **schedule["normalisation"], "bgr_to_rgb": True}
    return MODELS.build(model)
