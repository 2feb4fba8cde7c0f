"""The command `export`: export a trained network to ONNX, with metadata that describe its input and output."""

from collections.abc import Sequence
from pathlib import Path

import torch

from ssr_mmseg.deploy.export import ExportOptions, check_options, make_metadata, write_onnx
from ssr_mmseg.deploy.logits import logits_network
from ssr_mmseg.experiment.earlier_results import load_retrained
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.experiment.pairs import build_pair
from ssr_mmseg.experiment.sample_images import resize_images, sample_images
from ssr_mmseg.jobs.changes import check_current
from ssr_mmseg.jobs.job import Job
from ssr_mmseg.utils.colors import distinct_colors
from ssr_mmseg.utils.errors import UserError


def export_network(
    config: dict, dataset: str, seed: int, network: str, out: Path, options: ExportOptions
) -> dict[str, float]:
    """Export a retrained network of the experiment, after comparing the graph with it on images of val.

    Returns:
        Agreement of the logits; see `check_logits`.

    Raises:
        UserError: The network is not trained yet, or by another configuration, its weights are of another training or
            not finite, it cannot be exported, or the graph differs from it.
    """
    check_current(config, Job.of(config, "retrain", dataset, seed, network))
    experiment = Experiment(config, dataset, seed)
    genotype = genotype_for(config, network, dataset, seed)
    segmentor = experiment.build(experiment.network(network, genotype)).eval()
    load_retrained(segmentor, config, dataset, seed, network)
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
        config: Configuration whose `retrain.config` gives the head and the normalization.
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
    segmentor, _ = build_pair(genotype, weights, config["retrain"]["config"])
    count = segmentor.decode_head.num_classes
    names = list(classes) if classes else [f"class {number}" for number in range(count)]
    if len(names) != count:
        raise UserError(f"{weights} has {count} classes, found {len(names)} names; name each of them")
    if options.size is None:
        raise UserError("a genotype has no input size; specify --size HEIGHTxWIDTH")
    check_options(options.size, options)
    images = torch.randn(options.batch, 3, *options.size, generator=torch.Generator().manual_seed(0))
    manifest = {"classes": names, "palette": distinct_colors(count)}
    metadata = make_metadata(segmentor, genotype.stem, options, options.size, manifest)
    return write_onnx(logits_network(segmentor), images, options, metadata, out)
