"""Check the loaders of an mmengine config: their pipelines, and the augmentation of batches."""

import inspect

from mmseg.registry import DATA_SAMPLERS, TRANSFORMS
from torch.utils.data import DataLoader

from ssr_mmseg.experiment.config_check.components import build, check_arguments, component, lookup
from ssr_mmseg.experiment.config_check.place import Place
from ssr_mmseg.experiment.mmseg_config import RESIZES, resized
from ssr_mmseg.training.data.batch_transforms import BATCH_TRANSFORMS, build_transforms
from ssr_mmseg.training.data.device_loader import LOADERS

SIZE = (64, 64)  # of the images; the workflow sets the experiment's
LOOP_SETS = ("dataset", "batch_size", "sampler", "seed", "device", "indices", "fill")


def check_loader(loader: Place) -> None:
    """Check a loader and the transforms of its dataset's pipeline.

    Raises:
        UserError: A type or an argument is wrong, or there is no pipeline.
    """
    loader.mapping()
    if "type" in loader:
        check_arguments(loader, component(loader, LOADERS, "loader"), LOOP_SETS)
        if "augmentation" in loader:
            for step in loader.at("augmentation").elements():
                _check_batch_transform(step)
    else:
        accepted = set(inspect.signature(DataLoader).parameters)
        for key in loader.value:
            if key == "augmentation":
                message = "only a loader of the type ResidentLoader has an augmentation; set its type, or remove this"
                raise loader.at(key).error(message, key)
            if key not in accepted | {"num_batch_per_epoch"}:
                raise loader.at(key).unknown("DataLoader has no argument", str(key), accepted)
        if isinstance(loader.value.get("sampler"), dict):
            sampler = loader.at("sampler")
            check_arguments(sampler, component(sampler, DATA_SAMPLERS, "sampler"), ("dataset", "seed"))
    for step in loader.require("dataset.pipeline").elements():
        _check_transform(step)


def _check_batch_transform(step: Place) -> None:
    name = step.mapping().value.get("type")
    if isinstance(name, str) and name not in BATCH_TRANSFORMS.module_dict and lookup(TRANSFORMS, name):
        names = ", ".join(sorted(BATCH_TRANSFORMS.module_dict))
        raise step.at("type").error(f"{name} transforms single images, not batches; use one of {names}", name)
    check_arguments(step, component(step, BATCH_TRANSFORMS, "augmentation"))
    build(step, lambda config: build_transforms([config]), BATCH_TRANSFORMS)


def _check_transform(step: Place) -> None:
    _check_nested(step)

    def build_transform(config: dict) -> None:
        TRANSFORMS.build(resized([config], SIZE)[0])

    build(step, build_transform, TRANSFORMS)


def _check_nested(step: Place) -> None:
    """Check the types and arguments of a transform and of those that it combines."""
    name = step.mapping().value.get("type")
    if isinstance(name, str) and name in BATCH_TRANSFORMS.module_dict and not lookup(TRANSFORMS, name):
        remedy = "move it to the augmentation of a train_dataloader of the type ResidentLoader"
        raise step.at("type").error(f"{name} transforms whole batches, not single images; {remedy}", name)
    found = component(step, TRANSFORMS, "transform")
    check_arguments(step, found, ("scale", "keep_ratio") if step.value["type"] in RESIZES else ())
    nested = step.value.get("transforms")
    if isinstance(nested, list | tuple):
        for inner in step.at("transforms").elements():
            for one in inner.one_or_more():
                if "type" in one:
                    _check_nested(one)
