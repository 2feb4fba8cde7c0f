"""Translate a job of the workflow into an mmengine config.

Sizes, lengths, seeds and the network to train come from the YAML configuration, models, optimizers, losses and
augmentations from `config/mmseg/`, and the data and their class weights from the manifest.
"""

import inspect
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import dist
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch import nn
from torch.utils.data import DataLoader

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.input_size import check_input_size
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.datasets import class_weights, read_manifest, split_configs
from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.experiment.cost import cost_arguments
from ssr_mmseg.experiment.dataloaders import Dataloaders
from ssr_mmseg.jobs import preemption
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.training.checkpoint.mmengine_loader import forbid_unpickling
from ssr_mmseg.training.checkpoint.work_lock import release
from ssr_mmseg.training.hooks.monitors import monitors
from ssr_mmseg.training.hooks.tensorboard_hook import BOARD
from ssr_mmseg.utils import hashing
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json


class Experiment:
    """One dataset and seed of a configuration: builds models, loaders and runners.

    Args:
        config: A completed experiment configuration.
        dataset: Name of a scenario whose dataset is prepared.
        seed: Seed of initialization, order and augmentation.

    Raises:
        UserError: The dataset is not configured or not prepared.
    """

    def __init__(self, config: dict, dataset: str, seed: int) -> None:
        forbid_unpickling()
        init_default_scope("mmseg")
        self.config = config
        self.settings = settings.for_dataset(config, dataset)
        self.dataset = dataset
        self.seed = seed
        self.device = resolve_device(self.settings["device"])
        self.manifest = read_manifest(settings.manifest_path(config, dataset))
        self.size: tuple[int, int] = tuple(self.settings["dataset"]["size"])
        check_input_size(self.size)
        self.classes = len(self.manifest["classes"])
        self.splits = split_configs(self.settings["dataset"], Path(self.manifest["root"]))
        self.dataloaders = Dataloaders(dataset, self.splits, self.manifest, self.size, seed)

    def work_folder(self, stage: str, identity: str) -> Path:
        """Return the folder for the state of an unfinished training, named by everything that its result depends on."""
        name = hashing.identity([identity, self.manifest["digest"]])
        return Path(paths.WORK.format(dataset=self.dataset, seed=self.seed, stage=stage, identity=name))

    def close_work(self, work: Path, target: Path) -> None:
        """Move the log of a finished training to its results, then delete its work folder and release the lock."""
        preemption.conclude()  # the remaining steps take less than a second
        if (work / "log").is_dir():
            shutil.rmtree(target / "log", ignore_errors=True)
            shutil.move(work / "log", target / "log")
        shutil.rmtree(work, ignore_errors=True)
        release(work)

    def limit_threads(self, part: str) -> None:
        """Limit torch to the threads configured for `search` or `retrain`, and to `OMP_NUM_THREADS` if it is lower."""
        allowed = os.environ.get("OMP_NUM_THREADS", "")
        threads = self.settings["threads"][part]
        torch.set_num_threads(min(threads, int(allowed)) if allowed.isdecimal() else threads)

    def halves(self) -> tuple[list[int], list[int]]:
        """Draw two disjoint halves of the training split with the seed, and return their indices."""
        order = np.random.default_rng(self.seed).permutation(self.dataloaders.image_count(["train"]))
        middle = len(order) // 2
        return sorted(order[:middle].tolist()), sorted(order[middle:].tolist())

    def supernet(self, structure: list | None) -> dict:
        """Return the model config of the supernet that has the blocks, operators and widths of `structure`."""
        search = self.settings["search"]
        model = _read(settings.SUPERNET)["model"]
        model["backbone"] |= {"search": search, "structure": structure}
        model["decode_head"]["in_channels"] = search["space"]["stages"][-1]["channels"]
        return self._complete(model, class_weights(self.manifest, "eighth", ["train"]), search["schedule"])

    def network(self, network: str, genotype: Genotype | None) -> dict:
        """Return the model config of a network to train from scratch: the genotype's, or without one the baseline's."""
        if genotype is None:
            model = _read(project_files.defining_file(network))["model"]
        else:
            model = _read(settings.DERIVED)["model"]
            model["backbone"]["genotype"] = genotype.to_dict()
            model["decode_head"]["in_channels"] = list(genotype.widths)
        weights = class_weights(self.manifest, "full", self.train_splits)
        return self._complete(model, weights, self.settings["retrain"]["schedule"])

    @property
    def space(self) -> SearchSpace:
        """The configured search space."""
        return SearchSpace.from_settings(self.settings["search"])

    @property
    def train_splits(self) -> list[str]:
        """The splits that networks are retrained on."""
        return self.settings["dataset"]["train_split"].split("+")

    def _complete(self, model: dict, weights: list[float], schedule: str) -> dict:
        """Fill in the settings that depend on the data: input size, and classes and class weights of every head.

        The keys of the schedule's `loss` override those of every head's cross-entropy.
        """
        schedule_config = _read(schedule)
        model["data_preprocessor"] = {
            "type": "BatchPreProcessor",
            **schedule_config["normalization"],
            "bgr_to_rgb": True,
            "pad_val": 0,
            "seg_pad_val": IGNORED,
            "size": self.size,
        }
        auxiliary = model.get("auxiliary_head") or []
        for head in [model["decode_head"], *(auxiliary if isinstance(auxiliary, list) else [auxiliary])]:
            head["num_classes"] = self.classes
            for loss in head["loss_decode"] if isinstance(head["loss_decode"], list) else [head["loss_decode"]]:
                if loss["type"] == "CrossEntropyLoss":
                    loss |= schedule_config.get("loss", {})
                    loss.setdefault("class_weight", weights)
        return model

    def evaluation_loader(self, split: str) -> DataLoader:
        """Build the loader of a split's images, one by one and in order, at the network's input size."""
        return Runner.build_dataloader(self.dataloaders.evaluation(split))

    def search_runner(
        self, structure: list | None, last: int, total: int, work: Path, progress: Path | None = None
    ) -> Runner:
        """Build the runner of a search stage.

        Args:
            structure: Structure of its supernet; None for the whole space.
            last: Number of epochs of the search at the end of the stage.
            total: Number of epochs of the whole search.
            work: The stage's work folder.
            progress: The job's progress file; by default one in the work folder.
        """
        search = self.settings["search"]
        config = _read(search["schedule"])
        halves = self.halves() if search["split"] == "halves" else (None, None)
        loaders = [
            self.dataloaders.training(["train"], config, search["batch_size"], indices, stream=stream)
            for stream, indices in enumerate(halves)
        ]
        objective = {
            "weights": config.pop("objective"),
            "regularizer": search["regularizer"],
            "cost": cost_arguments(self.config, self.dataset),
        }
        loop = {"type": "SearchLoop", "architecture_dataloader": loaders[1], "max_epochs": last, "objective": objective}
        hooks = [*config["custom_hooks"]]
        for hook in hooks:
            if hook["type"] == "RegularizerRampHook":
                hook.setdefault("epochs", total)
        if search["shrink"]:
            hooks.append({"type": "ShrinkingHook", "threshold": search["threshold"]})
        hooks.append({"type": "GateHistoryHook"})
        if self.settings["monitor"]["tensorboard"] and dist.is_main_process():
            hooks.append({"type": "GateBoardHook"})
        hooks += self._monitors(progress or work / "progress.json", {})
        return self._runner(config, self.supernet(structure), loaders[0], loop, hooks, total, work)

    def retrain_runner(
        self, network: str, genotype: Genotype | None, work: Path, progress: Path | None = None
    ) -> Runner:
        """Build the runner that trains a network from scratch."""
        retrain = self.settings["retrain"]
        config = _read(retrain["schedule"])
        baseline = _read(project_files.defining_file(network)) if genotype is None else {}
        transforms = baseline.get("train_transforms", [])
        loader = self.dataloaders.training(self.train_splits, config, retrain["batch_size"], transforms=transforms)
        loop = {"type": "ResumableTrainLoop", "max_epochs": retrain["epochs"]}
        model = self.network(network, genotype)
        curve = config.get("validation", {}) if "val" not in self.train_splits else {}
        hooks = [*config["custom_hooks"], *self._monitors(progress or work / "progress.json", curve)]
        return self._runner(config, model, loader, loop, hooks, retrain["epochs"], work)

    def _monitors(self, progress: Path, curve: dict) -> list[dict]:
        if not dist.is_main_process():
            return []  # the main process monitors the training
        loader = self.dataloaders.evaluation("val")
        return monitors(self.settings["monitor"], self.manifest, loader, progress, curve)

    def _runner(
        self, config: Config, model: dict, loader: dict, loop: dict, hooks: list, epochs: int, work: Path
    ) -> Runner:
        for scheduler in _schedulers(config["param_scheduler"]):
            # mmengine's polynomial reaches its minimum one step before `end`; the last epoch should still learn
            scheduler.setdefault("end", epochs if scheduler.get("convert_to_iter_based") else epochs + 1)
            begin = scheduler.get("begin", 0)
            if begin >= scheduler["end"]:
                raise UserError(
                    f"{epochs} epochs end within the schedule's warm-up: {scheduler['type']} begins at "
                    f"{begin}; train longer, or change param_scheduler in the schedule"
                )
        hooks.append({"type": "StateHook", "path": str(work / "state.pth"), **config.get("state", {})})
        complete = config.to_dict() | {
            "model": model,
            "train_dataloader": loader,
            "train_cfg": loop,
            "custom_hooks": hooks,
            "visualizer": {"type": "Visualizer", "vis_backends": [{"type": name} for name in self._backends()]},
            "work_dir": str(work / "log"),
            "randomness": {"seed": self.seed, "deterministic": False},
            "experiment_name": work.name,
        }
        if dist.is_main_process():
            write_json(work / "log" / "config.json", complete)
        # not `from_cfg`, which takes seconds to format the whole config as Python three times
        parameters = inspect.signature(Runner).parameters
        return Runner(**{key: value for key, value in complete.items() if key in parameters})

    def _backends(self) -> list[str]:
        """Return the types of mmengine's visualization backends: JSON lines, and TensorBoard if it is enabled."""
        return ["LocalVisBackend", *([BOARD] if self.settings["monitor"]["tensorboard"] else [])]

    def build(self, model: dict) -> nn.Module:
        """Build a segmentor from its config, on the CPU."""
        torch.manual_seed(self.seed)
        return MODELS.build(model)


def _read(path: str | Path) -> Config:
    """Read an mmengine config from the working directory or the project."""
    file = paths.project_file(path)
    try:
        return Config.fromfile(file)
    except Exception as error:  # the file is Python and may raise anything
        raise UserError(f"{file} is not a valid mmengine config: {error}") from error


def _schedulers(value: Any) -> Iterator[dict]:
    """Yield the configs in `param_scheduler`: one, a list, or a mapping of those by optimizer."""
    for entry in value.values() if isinstance(value, dict) and "type" not in value else [value]:
        yield from entry if isinstance(entry, list) else [entry]
