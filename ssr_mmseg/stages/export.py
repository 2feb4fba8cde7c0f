"""The command `export`: export a trained network to ONNX, with metadata that describe its input and output."""

from collections.abc import Sequence
from pathlib import Path

import torch
from mmseg.models import EncoderDecoder

from ssr_mmseg.deploy.export import (
    ExportOptions,
    Quantization,
    check_options,
    exported_network,
    make_metadata,
    write_onnx,
)
from ssr_mmseg.deploy.logits import logits_network
from ssr_mmseg.experiment.earlier_results import load_retrained
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.experiment.int8 import calibration_images, miou_before_and_after, plan_int8
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
    return export_segmentor(experiment, segmentor, network, out, options)


def export_segmentor(
    experiment: Experiment, segmentor: EncoderDecoder, network: str, out: Path, options: ExportOptions
) -> dict[str, float]:
    """Export a trained segmentor on the CPU, after comparing the graph with it on images of val.

    An int8 file is calibrated on images of train, and loses no more accuracy on them than `profile.tolerance`.

    Returns:
        Agreement of the logits, see `check_logits`; of an int8 file also `miou_val_fp32` and `miou_val_int8`, the mIoU
        on val before and after, in percent, at the dataset's size.

    Raises:
        UserError: It cannot be exported, or the graph differs from it.
    """
    size = options.size or experiment.size
    check_options(size, options)
    images = resize_images(sample_images(experiment, segmentor, "val", options.batch), size)
    metadata = make_metadata(segmentor, network, options, size, experiment.manifest)
    model = logits_network(segmentor)
    if options.precision != "int8":
        return write_onnx(model, images, options, metadata, out)
    plan = plan_int8(experiment, segmentor, exported_network(model))
    calibration = resize_images(calibration_images(experiment, segmentor, options.batch), size)
    agreement = write_onnx(model, images, options, metadata, out, Quantization(calibration, plan.float_layers))
    return {**agreement, **miou_before_and_after(experiment, segmentor, plan)}


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
        UserError: The weights are not those of the genotype, the size or the number of names does not fit, or int8 is
            requested, which needs images.
    """
    if options.precision == "int8":
        raise UserError("int8 is calibrated on images of train; expected --dataset and --network with --precision int8")
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
