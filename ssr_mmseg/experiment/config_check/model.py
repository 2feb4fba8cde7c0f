"""Check the model of an mmengine config: known types, fitting arguments, and that it can be built."""

import copy
from typing import Any

from mmseg.registry import MODELS

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.experiment.config_check.components import build, check_arguments, component
from ssr_mmseg.experiment.config_check.place import Place
from ssr_mmseg.experiment.mmseg_config import heads_of, set_genotype
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.named_configs import DERIVED, SUPERNET

PARTS = {  # keys whose value is a component, or a list of them
    "data_preprocessor": "preprocessor",
    "backbone": "backbone",
    "backbone_cfg": "backbone",
    "neck": "neck",
    "decode_head": "head",
    "auxiliary_head": "head",
    "loss_decode": "loss",
}
LAYERS = ("norm_cfg", "act_cfg", "conv_cfg")  # their further arguments depend on the layer
SUPPLIED = {"decode_head": ("num_classes", "in_channels"), "auxiliary_head": ("num_classes", "in_channels")}
SMALL_SPACE = {  # the workflow sets the experiment's
    "stages": [{"blocks": 1, "channels": 32, "width_step": 4}, {"blocks": 1, "channels": 64, "width_step": 4}],
    "dilations": [1],
    "resolutions": [1],
    "width_options": 2,
}


def check_model(model: Place, backbone: str | None) -> None:
    """Check a model.

    Args:
        backbone: The backbone that it must have, or None for any.

    Raises:
        UserError: A type or an argument is wrong, a part that the workflow needs is missing, or the model cannot be
            built.
    """
    check_arguments(model, component(model, MODELS, "segmentor"))
    model.require("data_preprocessor")
    model.require("backbone").mapping()
    for head in _heads(model):
        head.mapping().require("loss_decode", "such as dict(type='CrossEntropyLoss')")
    _check_parts(model)
    found = model.value["backbone"]["type"]
    if backbone and found != backbone:
        place = model.at("backbone").at("type")
        raise place.error(f"expected {backbone}, found {found}; name another config in the experiment", str(found))
    build(model, lambda config: MODELS.build(_with_network(config)), MODELS)


def _heads(model: Place) -> list[Place]:
    heads = [model.require("decode_head")]
    if model.value.get("auxiliary_head"):
        heads += model.at("auxiliary_head").one_or_more()
    return heads


def _check_parts(place: Place) -> None:
    """Check the types and arguments of all components below a place."""
    if isinstance(place.value, list | tuple):
        for element in place.elements():
            _check_parts(element)
    if not isinstance(place.value, dict):
        return
    for key in place.value:
        part = place.at(key)
        if key in PARTS and part.value is not None:
            for one in part.one_or_more():
                found = component(one, MODELS, PARTS[key])
                workflow = ("space", "genotype") if key == "backbone" else SUPPLIED.get(key, ())
                check_arguments(one, found, workflow)
        elif key in LAYERS and isinstance(part.value, dict) and "type" in part:
            component(part, MODELS, "layer")
        _check_parts(part)


def _with_network(model: dict[str, Any]) -> dict[str, Any]:
    """Return the model with what the workflow sets: a search space or a genotype, and the widths of its features."""
    backbone, head = model["backbone"], model["decode_head"]
    if backbone["type"] == SUPERNET:
        backbone["space"] = copy.deepcopy(SMALL_SPACE)
        head["in_channels"] = SMALL_SPACE["stages"][-1]["channels"]  # type: ignore[index]
    elif backbone["type"] == DERIVED:
        set_genotype(model, Genotype.read(paths.PROJECT / "config/genotypes/paper_cityscapes.json"))
    for part in heads_of(model):
        part.setdefault("num_classes", 19)
    return model
