"""Translate a job of the workflow into an mmengine config.

The YAML configuration names complete mmengine configs (`config/mmseg/`), which also run as they stand. Laid over them
is what the data and the scenario decide: data, classes and their weights, sizes, lengths, seeds, the network and the
search space, folders, and the hooks that save, resume and report.
"""

import os
import shutil
from pathlib import Path
from typing import Any

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
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.experiment.cfg_options import read_named_config
from ssr_mmseg.experiment.config_check.check import check_config
from ssr_mmseg.experiment.cost import cost_arguments
from ssr_mmseg.experiment.data import PreparedData
from ssr_mmseg.experiment.lengths import search_length, training_length, warmup_epochs
from ssr_mmseg.experiment.mmseg_config import (
    Hooks,
    collecting_tensors,
    fit_schedulers,
    lay_over,
    set_data,
    set_genotype,
    share_loss,
)
from ssr_mmseg.experiment.standalone_config import WorkflowRunner, runner_arguments, standalone, write_config
from ssr_mmseg.experiment.training_hooks import TEACHING, initial_weights_hook, teaching_hook
from ssr_mmseg.jobs import preemption
from ssr_mmseg.jobs.finished_work import mark_finished
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.named_configs import DERIVED, NamedConfig, baseline_config, search_config
from ssr_mmseg.training.checkpoint.mmengine_loader import forbid_unpickling
from ssr_mmseg.training.checkpoint.work_lock import release
from ssr_mmseg.training.hooks.monitors import monitors
from ssr_mmseg.training.hooks.tensorboard_hook import BOARD
from ssr_mmseg.utils import distributed, hashing
from ssr_mmseg.utils.devices import resolve_device

NEVER = 10**9  # first epoch after which mmengine's loop validates: ValidationHook decides when to validate


class Experiment:
    """One dataset and seed of a configuration: builds models, loaders and runners.

    Args:
        config: A completed experiment configuration.
        dataset: Name of a scenario whose dataset is prepared.
        seed: Seed of initialization, order and augmentation.
        overrides: Settings merged over those of the scenario.

    Raises:
        UserError: The dataset is not configured or not prepared.
    """

    def __init__(self, config: dict, dataset: str, seed: int, overrides: dict | None = None) -> None:
        forbid_unpickling()
        init_default_scope("mmseg")
        self.config = config
        self._passed: set[NamedConfig] = set()
        self.settings = settings.merge(settings.for_dataset(config, dataset), overrides or {})
        self.dataset = dataset
        self.seed = seed
        self.device = resolve_device(self.settings["device"])
        manifest_path = settings.manifest_path(config, dataset)
        self.manifest = read_manifest(manifest_path)
        self.size: tuple[int, int] = tuple(self.settings["dataset"]["size"])
        check_input_size(self.size)
        self.classes = len(self.manifest["classes"])
        self.splits = split_configs(self.settings["dataset"], Path(self.manifest["root"]))
        self.data = PreparedData(dataset, self.splits, self.manifest, manifest_path, self.size)
        self.search_length = search_length(self.settings["search"], self.data.image_count(["train"]))
        self.training_length = training_length(self.settings["retrain"], self.data.image_count(self.train_splits))

    def work_folder(self, stage: str, identity: str) -> Path:
        """Return the folder for the state of an unfinished training, named by everything that its result depends on."""
        name = hashing.identity([identity, self.manifest["digest"]])
        return paths.result_path(
            self.config, paths.WORK, dataset=self.dataset, seed=self.seed, stage=stage, identity=name
        )

    def close_work(self, work: Path, target: Path) -> None:
        """Copy the log of a finished training to its results, mark its work folder as finished and release the lock."""
        preemption.conclude()  # the remaining steps take less than a second
        if (work / "log").is_dir():
            shutil.rmtree(target / "log", ignore_errors=True)
            shutil.copytree(work / "log", target / "log")
        mark_finished(work)
        release(work)

    def limit_threads(self, part: str) -> None:
        """Limit torch to the threads configured for `search` or `retrain`, and to `OMP_NUM_THREADS` if it is lower."""
        allowed = os.environ.get("OMP_NUM_THREADS", "")
        threads = self.settings["threads"][part]
        torch.set_num_threads(min(threads, int(allowed)) if allowed.isdecimal() else threads)

    def supernet(self, structure: list | None) -> dict:
        """Return the model config of the supernet that has the blocks, operators and widths of `structure`."""
        search = self.settings["search"]
        model = self._read("search")["model"]
        model["backbone"] |= {key: search[key] for key in ("space", "dimensions", "gate")} | {"structure": structure}
        model["decode_head"]["in_channels"] = search["space"]["stages"][-1]["channels"]
        set_data(model, self.size, self.classes, class_weights(self.manifest, "eighth", ["train"]))
        return model

    def network(self, network: str, genotype: Genotype | None) -> dict:
        """Return the model config of a network to train from scratch: the genotype's, or without one the baseline's.

        The cross-entropy of the config that `retrain.config` names applies to all networks.
        """
        if genotype is None:
            project_files.defining_file(network)  # a network that a search makes has none
            model = self._checked(baseline_config(network))["model"]
            share_loss(model, self._read("retrain")["model"])
        else:
            model = self._read("retrain", DERIVED)["model"]
            set_genotype(model, genotype)
        set_data(model, self.size, self.classes, class_weights(self.manifest, "full", self.train_splits))
        return model

    @property
    def overlap(self) -> int | None:
        """Pixels that neighboring tiles of the images share; None if images are whole."""
        tiles = self.manifest.get("tiles")
        return tiles["overlap"] if tiles else None

    @property
    def space(self) -> SearchSpace:
        """The configured search space."""
        return SearchSpace.from_settings(self.settings["search"])

    @property
    def train_splits(self) -> list[str]:
        """The splits that networks are retrained on."""
        return self.settings["dataset"]["train_split"].split("+")

    def evaluation_loader(
        self,
        split: str,
        part: str = "retrain",
        batch_size: int = 1,
        images: int | None = None,
        whole: bool = False,
    ) -> DataLoader:
        """Build the loader of a split's images, in order, at the network's input size.

        Args:
            part: Whose mmengine config has the pipeline, in `val_dataloader`: `retrain` or `search`.
            images: Number of images, spread evenly over the split; all by default.
            whole: Load the whole images of a dataset whose images are cut into tiles, at their own size.
        """
        if whole:
            dataset = self.data.whole(split, self._read(part))
        else:
            dataset = self.data.split(split, self._read(part), "val_dataloader")
        count = self.data.image_count([split])
        if images is not None and images < count:
            dataset["indices"] = [number * count // images for number in range(images)]
        sampler = {"type": "OrderedSampler"}
        loader = {"batch_size": batch_size, "num_workers": 0, "sampler": sampler, "dataset": dataset}
        return WorkflowRunner.build_dataloader(loader)

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
        config = self._read("search")
        hooks = Hooks(config.get("custom_hooks") or [])
        for schedule in filter(hooks.find, ("RegularizerRampHook", "TemperatureHook")):
            hooks.set(schedule, epochs=total)
        hooks.drop("ValidationHook")
        if search["shrink"]:
            hooks.set("ShrinkingHook", threshold=search["threshold"])
        else:
            hooks.drop("ShrinkingHook")
        hooks.set("GateHistoryHook")
        if self.settings["monitor"]["tensorboard"]:
            hooks.append({"type": "GateBoardHook"})
        cost = cost_arguments(self.config, self.dataset)
        changes = {
            "model": self.supernet(structure),
            "train_cfg.max_epochs": last,
            "train_cfg.regularizer": search["regularizer"],
            "train_cfg.split": search["split"],
            "train_cfg.warmup": warmup_epochs(search, total),
            "train_cfg.cost": cost["cost"],
            "train_cfg.size": cost["size"],
            "train_cfg.table": cost["table"],
        }
        fit_schedulers(config, total, self.search_length.steps_per_epoch)
        self._lay_over(config, changes, ["train"], search["batch_size"], hooks)
        if dist.is_main_process():
            write_config(work / "log" / "config.py", config)
        return self._runner(config, work, progress)

    def retrain_config(self, network: str, genotype: Genotype | None) -> Config:
        """Build the complete config of a network's training and of its test, for mmseg's tools.

        The test is that of the stage `evaluate`: on the test split if it has labels, otherwise on val. The batch size
        is that of all processes together.
        """
        config, length = self._read("retrain"), self.training_length
        hooks = Hooks(config.get("custom_hooks") or [])
        if "val" in self.train_splits:
            hooks.drop("ValidationHook")
        model = self.network(network, genotype)
        changes = {"model": model, "train_cfg.max_epochs": length.epochs}
        fit_schedulers(config, length.epochs, length.steps_per_epoch)
        if teaching := teaching_hook(self, network, model):
            hooks.append(teaching)
        self._lay_over(config, changes, self.train_splits, self.settings["retrain"]["batch_size"], hooks)
        tested = "val" if self.splits["test"] is None else "test"
        if self.overlap is None:
            return standalone(config, self.data.split(tested, config, "val_dataloader"))
        stride = [side - self.overlap for side in self.size]
        config["model"]["test_cfg"] = {"mode": "slide", "crop_size": list(self.size), "stride": stride}
        return standalone(config, self.data.whole(tested, config))

    def retrain_runner(
        self, network: str, genotype: Genotype | None, work: Path, progress: Path | None = None
    ) -> Runner:
        """Build the runner that trains a network, from scratch or from the weights that the settings name."""
        config = self.retrain_config(network, genotype)
        initial = initial_weights_hook(self, network, config["model"], config.get("load_from"))
        config["custom_hooks"] = [*config["custom_hooks"], initial]
        return self._runner(config, work, progress)

    def candidate_runner(self, network: str, genotype: Genotype, work: Path, progress: Path) -> Runner:
        """Build the runner that trains a candidate of a selector from scratch, without validation and teacher."""
        config = self.retrain_config(network, genotype)
        hooks = Hooks(config["custom_hooks"])
        for kind in ("ValidationHook", *TEACHING):
            hooks.drop(kind)
        config["custom_hooks"] = list(hooks)
        return self._runner(config, work, progress)

    def _read(self, part: str, backbone: str | None = None) -> Config:
        """Read the mmengine config of `search` or `retrain`; the model of the latter must have the given backbone.

        Raises:
            UserError: See `check_config`.
        """
        section = self.settings[part]
        if part == "search":
            return self._checked(search_config(section))
        return self._checked(NamedConfig(part, section["config"], backbone))

    def _checked(self, named: NamedConfig) -> Config:
        """Read an mmengine config, and check it the first time."""
        if named not in self._passed:
            check_config(named)
            self._passed.add(named)
        return read_named_config(named)

    def _lay_over(
        self, config: Config, changes: dict[str, Any], splits: list[str], batch_size: int, hooks: Hooks
    ) -> None:
        """Lay over a config what the data and the scenario decide, besides the changes of a stage."""
        lay_over(
            config,
            {
                **changes,
                **self.data.configs(config, splits),
                "train_dataloader.batch_size": batch_size,
                "custom_hooks": list(hooks),
                "randomness": {"seed": self.seed, "deterministic": False},
            },
        )

    def _runner(self, config: Config, work: Path, progress: Path | None) -> Runner:
        """Build a runner of a complete config, with the hooks and folders of the workflow laid over it."""
        monitor, hooks = self.settings["monitor"], Hooks(config["custom_hooks"])
        backends = [{"type": name} for name in self._backends()]
        if not hooks.find("HistoryHook"):
            hooks.insert(0, {"type": "HistoryHook"})
        curve = hooks.find("ValidationHook")
        for hook in monitors(monitor, self.manifest["palette"], progress or work / "progress.json"):
            if not (curve and hook["type"] == "ValidationHook"):
                hooks.append(hook)
        hooks.set("StateHook", path=str(work / "state.pth"), origin={"training": work.name})
        config.setdefault("default_hooks", {}).pop("visualization", None)
        batch_size = distributed.images_per_process(config["train_dataloader"]["batch_size"])
        lay_over(
            config,
            {
                "train_dataloader.batch_size": batch_size,
                "train_cfg.val_begin": NEVER,
                "val_dataloader.sampler": {"type": "DefaultSampler", "shuffle": False},
                "val_evaluator": collecting_tensors(config["val_evaluator"]),
                "test_dataloader": None,
                "test_cfg": None,
                "test_evaluator": None,
                "resume": False,  # StateHook resumes
                "default_hooks.checkpoint": None,  # StateHook saves
                "default_hooks.sampler_seed": None,
                "custom_hooks": list(hooks),
                "visualizer": {"type": "ScalarVisualizer", "vis_backends": backends},
                "work_dir": str(work / "log"),
                "experiment_name": work.name,
            },
        )
        # not `from_cfg`, which takes seconds to format the whole config as Python three times
        return WorkflowRunner(**runner_arguments(config))

    def _backends(self) -> list[str]:
        """Return the types of mmengine's visualization backends: JSON lines, and TensorBoard if it is enabled."""
        return ["LocalVisBackend", *([BOARD] if self.settings["monitor"]["tensorboard"] else [])]

    def build(self, model: dict) -> nn.Module:
        """Build a segmentor from its config, on the CPU."""
        torch.manual_seed(self.seed)
        return MODELS.build(model)
