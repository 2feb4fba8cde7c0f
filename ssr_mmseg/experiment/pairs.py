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
from ssr_mmseg.training.checkpoint.weights import load_checkpoint
from ssr_mmseg.utils.errors import UserError

CLASSIFIER = "decode_head.conv_seg.weight"  # (classes, channels, 1, 1)
HEAD_WIDTHS = {  # arguments of the aggregation head: the weight and its axis that have them
    "channels": (CLASSIFIER, 1),
    "skip_channels": ("decode_head.skip.0.weight", 0),
    "branch_channels": ("decode_head.context.branches.0.1.weight", 0),
}


def build_derived(config: str | Path, genotype: Genotype, classes: int) -> EncoderDecoder:
    """Build a derived network with random weights, with the head and the normalization of an mmengine config."""
    return _build(_derived_model(config, genotype, classes))


def build_trained(model: Mapping[str, Any], state: Mapping[str, Tensor], files: str) -> EncoderDecoder:
    """Build a segmentor with its weights, on the CPU, in eval mode.

    Args:
        model: Model config of mmseg; what initializes its weights is left out, because it may name other files.
        state: State dict of the segmentor.
        files: The files of the weights and of the model, for the message: `a are not the weights of b`.

    Raises:
        UserError: The weights are not those of the model.
    """
    plain = {key: value for key, value in model.items() if key not in ("pretrained", "init_cfg")}
    plain["backbone"] = {
        key: value for key, value in plain["backbone"].items() if key not in ("pretrained", "init_cfg")
    }
    segmentor = _build(plain).eval()
    try:
        segmentor.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:  # a state dict of other keys, shapes or types
        raise UserError(f"{files}: the names or shapes differ; give files of the same network") from error
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
        UserError: A file is not what it should be, or the weights are not those of the genotype.
    """
    architecture, checkpoint = Genotype.read(genotype), load_checkpoint(weights)
    classifier = checkpoint["state_dict"].get(CLASSIFIER)
    if not isinstance(classifier, Tensor) or classifier.ndim != 4:
        raise UserError(
            f"{weights} does not hold a derived network: {CLASSIFIER} is missing; give the weights of a retraining"
        )
    model = _derived_model(config, architecture, len(classifier))
    if model["decode_head"]["type"] == "AggregationHead":
        model["decode_head"] |= _head_widths(checkpoint["state_dict"])
    return build_trained(model, checkpoint["state_dict"], f"{weights} are not the weights of {genotype}"), checkpoint


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
