"""The one place where a row of the workflow becomes an mmengine config.

From the YAML come sizes, lengths, seeds and what to train; from `config/mmseg/` the models, optimizers, losses and
augmentations; from the manifest the data and their class weights.
"""

import inspect
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import dist
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS
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
from ssr_mmseg.jobs import preemption
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.training.checkpoint.work_lock import release
from ssr_mmseg.training.data.batch_transforms import check_image_transforms
from ssr_mmseg.training.data.device_loader import resident_config
from ssr_mmseg.training.hooks.monitors import monitors
from ssr_mmseg.training.hooks.tensorboard_hook import BOARD
from ssr_mmseg.utils import distributed, hashing
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

SEEDS_PER_STREAM = 2**32  # a configuration's seeds are smaller


class Experiment:
    """One dataset and seed of a configuration, ready to build models, loaders and runners.

    Args:
        config: A completed experiment configuration.
        dataset: Name of a prepared dataset, or of a cell of the ablation.
        seed: Seed of initialisation, order and augmentation.

    Raises:
        UserError: the dataset is not configured or not prepared.
    """

    def __init__(self, config: dict, dataset: str, seed: int) -> None:
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

    def work_folder(self, stage: str, identity: str) -> Path:
        """Where an unfinished training keeps its state: named by everything that its result depends on."""
        name = hashing.identity([identity, self.manifest["digest"]])
        return Path(paths.WORK.format(dataset=self.dataset, seed=self.seed, stage=stage, identity=name))

    def close_work(self, work: Path, target: Path) -> None:
        """Move a finished training's log beside its results, drop its work folder and let go of it."""
        preemption.conclude()  # what is left takes no second
        if (work / "log").is_dir():
            shutil.rmtree(target / "log", ignore_errors=True)
            shutil.move(work / "log", target / "log")
        shutil.rmtree(work, ignore_errors=True)
        release(work)

    def limit_threads(self, part: str) -> None:
        """Give torch the CPU threads configured for `search` or `retrain`, or fewer where the scheduler says so."""
        allowed = os.environ.get("OMP_NUM_THREADS", "")
        threads = self.settings["threads"][part]
        torch.set_num_threads(min(threads, int(allowed)) if allowed.isdecimal() else threads)

    def training_images(self, splits: Sequence[str]) -> int:
        """Number of images in the given splits."""
        return sum(self.manifest["splits"][split]["images"] for split in splits)

    def halves(self) -> tuple[list[int], list[int]]:
        """Indices of two disjoint halves of the training split, drawn by the seed."""
        order = np.random.default_rng(self.seed).permutation(self.training_images(["train"]))
        middle = len(order) // 2
        return sorted(order[:middle].tolist()), sorted(order[middle:].tolist())

    def supernet(self, structure: list | None) -> dict:
        """Model config of the supernet, as large as `structure` says."""
        search = self.settings["search"]
        model = _read(settings.SUPERNET)["model"]
        model["backbone"] |= {"search": search, "structure": structure}
        model["decode_head"]["in_channels"] = search["space"]["stages"][-1]["channels"]
        return self._complete(model, class_weights(self.manifest, "eighth", ["train"]), search["schedule"])

    def network(self, network: str, genotype: Genotype | None) -> dict:
        """Model config of a network to train from scratch: a genotype's, or a baseline's if there is none."""
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
        """The splits that a retraining learns from."""
        return self.settings["dataset"]["train_split"].split("+")

    def _complete(self, model: dict, weights: list[float], schedule: str) -> dict:
        """Fill in what the data decide: input size, number of classes and class weights of every head.

        The schedule's `loss` takes the place of every head's cross-entropy, but for the head's `loss_weight`.
        """
        recipe = _read(schedule)
        model["data_preprocessor"] = {
            "type": "BatchPreProcessor",
            **recipe["normalisation"],
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
                    loss |= recipe.get("loss", {})
                    loss.setdefault("class_weight", weights)
        return model

    def loader(
        self,
        splits: Sequence[str],
        schedule: Config,
        batch_size: int,
        indices: list[int] | None = None,
        transforms: Sequence[dict] = (),
        stream: int = 0,
    ) -> dict:
        """Dataloader config for training on `splits`, `batch_size` images per step over all processes.

        Args:
            schedule: The mmengine config with `loader` and `augmentation`.
            indices: The images to use; all of them by default.
            transforms: What follows the schedule's augmentation.
            stream: Loaders of different streams draw their order and augmentation independently.
        """
        seed = self.seed + stream * SEEDS_PER_STREAM
        available = len(indices) if indices is not None else self.training_images(splits)
        if available < batch_size:
            raise UserError(f"batch_size is {batch_size} but there are only {available} images to train on; lower it")
        options = dict(schedule["loader"])
        resident = options.pop("resident", False)
        pipeline = [
            {"type": "LoadImageFromFile"},
            {"type": "LoadAnnotations"},
            {"type": "AlignedResize", "scale": self.size[::-1], "keep_ratio": False},
            *([] if resident else schedule["augmentation"]),
            *transforms,
            {"type": "PackSegInputs"},
        ]
        parts = [{**self._split(split), "pipeline": pipeline} for split in splits]
        data = parts[0] if len(parts) == 1 else {"type": "ConcatDataset", "datasets": parts}
        share = distributed.images_per_process(batch_size)
        if resident:
            return {**resident_config(data, share, schedule, indices, transforms), "seed": seed}
        check_image_transforms(schedule["augmentation"])
        return {
            "batch_size": share,
            "persistent_workers": options["num_workers"] > 0,
            "worker_init_fn": {"type": "quiet_loader_process"},
            **options,
            "drop_last": True,
            "sampler": {"type": "PositionSampler", "share": share, "seed": seed},
            "dataset": {"type": "SeededDataset", "dataset": data, "seed": seed, "indices": indices},
        }

    def evaluation_loader(self, split: str) -> DataLoader:
        """Images of a split, one by one and in order, at the network's input size."""
        return Runner.build_dataloader(self.evaluation_loader_config(split))

    def evaluation_loader_config(self, split: str) -> dict:
        """Config of the loader of a split's images, one by one and in order."""
        pipeline = [
            {"type": "LoadImageFromFile"},
            {"type": "AlignedResize", "scale": self.size[::-1], "keep_ratio": False},
            {"type": "LoadAnnotations"},  # behind the resize: labels keep their own size
            {"type": "PackSegInputs"},
        ]
        return {
            "batch_size": 1,
            "num_workers": 0,
            "sampler": {"type": "OrderedSampler"},
            "dataset": {**self._split(split), "pipeline": pipeline},
        }

    def search_runner(
        self, structure: list | None, last: int, total: int, work: Path, progress: Path | None = None
    ) -> Runner:
        """Runner of a stage that ends with epoch `last` of a search of `total` epochs."""
        search = self.settings["search"]
        config = _read(search["schedule"])
        halves = self.halves() if search["split"] == "halves" else (None, None)
        loaders = [
            self.loader(["train"], config, search["batch_size"], indices, stream=stream)
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
        """Runner that trains a network from scratch."""
        retrain = self.settings["retrain"]
        config = _read(retrain["schedule"])
        own = _read(project_files.defining_file(network)).get("train_transforms", []) if genotype is None else []
        loader = self.loader(self.train_splits, config, retrain["batch_size"], transforms=own)
        loop = {"type": "ResumableTrainLoop", "max_epochs": retrain["epochs"]}
        model = self.network(network, genotype)
        curve = config.get("validation", {}) if "val" not in self.train_splits else {}
        hooks = [*config["custom_hooks"], *self._monitors(progress or work / "progress.json", curve)]
        return self._runner(config, model, loader, loop, hooks, retrain["epochs"], work)

    def _monitors(self, progress: Path, curve: dict) -> list[dict]:
        if not dist.is_main_process():
            return []  # the first process shows the training
        loader = self.evaluation_loader_config("val")
        return monitors(self.settings["monitor"], self.manifest, loader, progress, curve)

    def _split(self, split: str) -> dict:
        """Dataset config of a split but its pipeline; its images must be those that were prepared."""
        found = self.splits[split]
        if found is None:
            raise UserError(f"dataset {self.dataset} has no labels for {split}; use train and val")
        images, prepared = len(DATASETS.build({**found, "pipeline": []})), self.training_images([split])
        if images != prepared:  # mmseg lists the folder: it would go on with what is left
            raise UserError(
                f"dataset {self.dataset}: {split} has {images} images, expected the {prepared} that were prepared; "
                "put them back, or prepare the dataset again"
            )
        return found

    def _runner(
        self, config: Config, model: dict, loader: dict, loop: dict, hooks: list, epochs: int, work: Path
    ) -> Runner:
        for scheduler in _schedulers(config["param_scheduler"]):
            # mmengine's polynomial reaches its minimum one step before `end`; the last epoch shall still learn
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
        # not `from_cfg`, which formats the whole config as Python three times, for seconds
        known = inspect.signature(Runner).parameters
        return Runner(**{key: value for key, value in complete.items() if key in known})

    def _backends(self) -> list[str]:
        """mmengine's visualization backends: its JSON lines, and TensorBoard where that is switched on."""
        return ["LocalVisBackend", *([BOARD] if self.settings["monitor"]["tensorboard"] else [])]

    def build(self, model: dict) -> nn.Module:
        """Build a segmentor from its config, on the CPU."""
        torch.manual_seed(self.seed)
        return MODELS.build(model)


def _read(path: str | Path) -> Config:
    """Read an mmengine config of the project."""
    file = paths.project_file(path)
    try:
        return Config.fromfile(file)
    except Exception as error:  # the file is Python: it may raise anything
        raise UserError(f"{file} is not a valid mmengine config: {error}") from error


def _schedulers(value: Any) -> Iterator[dict]:
    for entry in value.values() if isinstance(value, dict) and "type" not in value else [value]:
        yield from entry if isinstance(entry, list) else [entry]
