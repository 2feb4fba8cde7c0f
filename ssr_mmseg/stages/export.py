"""The command `export`: export a trained network to ONNX, with metadata that describe its input and output."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.deploy.export import ExportOptions, check_options, distinct_colors, make_metadata, write_onnx
from ssr_mmseg.deploy.logits import logits_network
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.experiment.mmseg_config import read_mmseg_config
from ssr_mmseg.experiment.sample_images import resize_images, sample_images
from ssr_mmseg.settings import paths
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.utils.errors import UserError


def export_network(
    config: dict, dataset: str, seed: int, network: str, out: Path, options: ExportOptions
) -> dict[str, float]:
    """Export a retrained network of the experiment, after comparing the graph with it on images of val.

    Returns:
        Agreement of the logits; see `check_logits`.

    Raises:
        UserError: The network is not trained yet or cannot be exported, or the graph differs from it.
    """
    experiment = Experiment(config, dataset, seed)
    genotype = genotype_for(network, dataset, seed)
    segmentor = experiment.build(experiment.network(network, genotype)).eval()
    weights = paths.WEIGHTS.format(dataset=dataset, seed=seed, network=network)
    segmentor.load_state_dict(load_weights(Path(weights)))
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
    """Export a genotype with the weights of a retraining, without its dataset.

    Args:
        config: Configuration whose `retrain.schedule` gives the normalization of images.
        genotype: Genotype file.
        weights: Weights file of the genotype's network.
        out: ONNX file to write.
        options: Options of the export; `size` is required.
        classes: Names of the classes; numbers if None.

    Returns:
        Agreement of the logits on random images; see `check_logits`.

    Raises:
        UserError: The weights are not those of the genotype, or the size or the number of names does not fit.
    """
    architecture = Genotype.read(genotype)
    state = load_weights(weights)
    key = "decode_head.conv_seg.weight"
    if key not in state:
        raise UserError(
            f"{weights} does not hold a derived network: {key} is missing; give the weights of a retraining"
        )
    count = state[key].shape[0]
    names = list(classes) if classes else [f"class {number}" for number in range(count)]
    if len(names) != count:
        raise UserError(f"{weights} has {count} classes, found {len(names)} names; name each of them")
    if options.size is None:
        raise UserError("a genotype has no input size; specify --size HEIGHTxWIDTH")
    check_options(options.size, options)
    segmentor = build_segmentor(config, architecture, count)
    try:
        segmentor.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{weights} are not the weights of {genotype}: the shapes differ; give files of the same network"
        ) from error
    images = torch.randn(options.batch, 3, *options.size, generator=torch.Generator().manual_seed(0))
    manifest = {"classes": names, "palette": distinct_colors(count)}
    metadata = make_metadata(segmentor, genotype.stem, options, options.size, manifest)
    return write_onnx(logits_network(segmentor.eval()), images, options, metadata, out)


def build_segmentor(config: dict, genotype: Genotype, classes: int) -> EncoderDecoder:
    """Build a derived network without its dataset, from the model of the config that `retrain.config` names."""
    init_default_scope("mmseg")
    model = read_mmseg_config(config["retrain"]["config"])["model"]
    model["backbone"]["genotype"] = genotype.to_dict()
    model["decode_head"] |= {"in_channels": list(genotype.widths), "num_classes": classes}
    return MODELS.build(model)
