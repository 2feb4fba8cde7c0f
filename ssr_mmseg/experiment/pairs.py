"""Trained segmentors without their experiment: a model config or a genotype, with weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.registry import init_default_scope
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.experiment.mmseg_config import read_mmseg_config
from ssr_mmseg.training.checkpoint.fitting import load_into
from ssr_mmseg.training.checkpoint.weights import load_checkpoint
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.limits import MAX_CLASSES

MAX_WIDTH = 2048  # of the head, whose weights grow with the product of two widths
CLASSIFIER = "decode_head.conv_seg.weight"  # (classes, channels, 1, 1)
HEAD_WIDTHS = {  # arguments of the aggregation head: the weight and its axis that have them
    "channels": (CLASSIFIER, 1),
    "skip_channels": ("decode_head.skip.0.weight", 0),
    "branch_channels": ("decode_head.context.branches.0.1.weight", 0),
}


def build_derived(config: str | Path, genotype: Genotype, classes: int) -> EncoderDecoder:
    """Build a derived network with random weights, with the head and the normalization of an mmengine config."""
    return _build(_derived_model(config, genotype, classes))


def build_trained(model: Mapping[str, Any], state: Mapping[str, Tensor], weights: Path, origin: Path) -> EncoderDecoder:
    """Build a segmentor with its weights, on the CPU, in eval mode.

    Args:
        model: Model config of mmseg; what initializes its weights is left out, because it may name other files.
        state: State dict of the segmentor.
        weights: The file of the weights, for the message.
        origin: The file of the model, for the message.

    Raises:
        UserError: The weights are not those of the model, or not finite.
    """
    plain = {key: value for key, value in model.items() if key not in ("pretrained", "init_cfg")}
    plain["backbone"] = {
        key: value for key, value in plain["backbone"].items() if key not in ("pretrained", "init_cfg")
    }
    segmentor = _build(plain).eval()
    load_into(segmentor, state, weights, origin, "give files of the same network")
    return segmentor


def build_pair(genotype: Path, weights: Path, config: str | Path) -> tuple[EncoderDecoder, dict[str, Any]]:
    """Build a derived network from a genotype and the weights of its retraining.

    Args:
        genotype: Genotype file.
        weights: Weights file.
        config: The mmengine config whose model gives the head and the normalization. The widths of an aggregation head
            are those of the weights.

    Returns:
        The segmentor on the CPU, and the content of the weights file, as `load_checkpoint` returns it.

    Raises:
        UserError: A file is not what it should be, or the weights are not those of the genotype, or not finite.
    """
    architecture, checkpoint = Genotype.read(genotype), load_checkpoint(weights)
    classifier = checkpoint["state_dict"].get(CLASSIFIER)
    if not isinstance(classifier, Tensor) or classifier.ndim != 4:
        raise UserError(
            f"{weights} does not hold a derived network: {CLASSIFIER} is not a tensor of 4 axes; give the weights of a "
            "retraining"
        )
    if not 1 <= len(classifier) <= MAX_CLASSES:
        raise UserError(
            f"{weights} has {len(classifier)} classes, expected 1 to {MAX_CLASSES}; give the weights of a retraining"
        )
    model = _derived_model(config, architecture, len(classifier))
    if model["decode_head"]["type"] == "AggregationHead":
        widths = _head_widths(checkpoint["state_dict"])
        wrong = next((width for width in widths.values() if not 1 <= width <= MAX_WIDTH), None)
        if wrong is not None:
            raise UserError(
                f"{weights} has a head of {wrong} channels, expected 1 to {MAX_WIDTH}; give the weights of a retraining"
            )
        model["decode_head"] |= widths
    return build_trained(model, checkpoint["state_dict"], weights, genotype), checkpoint


def _derived_model(config: str | Path, genotype: Genotype, classes: int) -> dict[str, Any]:
    model = read_mmseg_config(config)["model"]
    model["backbone"]["genotype"] = genotype.to_dict()
    model["decode_head"] |= {"in_channels": list(genotype.widths), "num_classes": classes}
    return model


def _head_widths(state: Mapping[str, Any]) -> dict[str, int]:
    """Return the widths of the aggregation head whose weights a state dict has, as far as it has them."""
    weights = {name: (state.get(key), axis) for name, (key, axis) in HEAD_WIDTHS.items()}
    return {
        name: weight.shape[axis]
        for name, (weight, axis) in weights.items()
        if isinstance(weight, Tensor) and weight.ndim == 4
    }


def _build(model: dict[str, Any]) -> EncoderDecoder:
    init_default_scope("mmseg")
    return MODELS.build(model)
