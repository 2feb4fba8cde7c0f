"""Check one mmengine config, or a selector's arguments, as the workflow uses it, without any data."""

from dataclasses import replace

import torch
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from ssr_mmseg.datasets.split_configs import read_splits, type_module
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.experiment.cfg_options import ORIGIN, read_named_config
from ssr_mmseg.experiment.config_check.components import component
from ssr_mmseg.experiment.config_check.loaders import check_loader
from ssr_mmseg.experiment.config_check.model import check_model
from ssr_mmseg.experiment.config_check.optimizers import check_optimizers
from ssr_mmseg.experiment.config_check.place import Place
from ssr_mmseg.experiment.config_check.runtime import check_hooks, check_loops, check_metrics
from ssr_mmseg.search.selectors import SELECTORS
from ssr_mmseg.settings.named_configs import NamedConfig
from ssr_mmseg.utils.registry import build


def check_config(named: NamedConfig) -> None:
    """Check that a config can be read, and that its parts are known, have fitting arguments and can be built.

    Of a selector, its arguments are checked.

    Raises:
        UserError: The first mistake, with file, key and the nearest known name.
    """
    with torch.random.fork_rng(devices=[]):  # building a model draws its weights
        if named.part == "selector":
            build(SELECTORS, {**named.options, "type": named.name}, "selector")
            return
        init_default_scope("mmseg")
        if named.part == "dataset":
            _check_dataset(named)
            return
        config = Place.of_file(read_named_config(named).to_dict(), named.name, named.file)
        if named.options:
            config = replace(config, name=f"{named.name} with {ORIGIN}", text=config.text + named.cfg_options)
        if named.part == "baseline":
            check_model(config.require("model"), named.backbone)
            return
        for key in ("model", "train_dataloader", "val_dataloader", "optim_wrapper", "train_cfg"):
            config.require(key)
        check_model(config.at("model"), named.backbone)
        for loader in ("train_dataloader", "val_dataloader"):
            check_loader(config.at(loader))
        check_optimizers(config, named.part)
        check_loops(config, named.part)
        check_hooks(config)
        check_metrics(config)


def _check_dataset(named: NamedConfig) -> None:
    """Check the classes of a dataset type; the pipelines of its file count only where a config includes it."""
    name = named.file.stem
    splits = read_splits(name)
    type_module(name)  # registers its class
    for split, dataset in splits.items():
        if dataset is not None:
            place = Place.of_file(dataset, named.name, named.file)
            component(replace(place, key=f"{split}_dataloader.dataset"), DATASETS, "dataset")
