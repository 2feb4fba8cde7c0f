"""Weights that a training starts from: those of mmengine's config, or of an earlier result."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmseg.registry import HOOKS
from torch import nn

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.models.inheritance import inherited_weights
from ssr_mmseg.settings.project_files import SEARCHED, follows_search
from ssr_mmseg.training.checkpoint.fitting import not_finite, same_kind
from ssr_mmseg.training.checkpoint.origin import KEY, check_origin
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.hooks.state_hook import StateHook
from ssr_mmseg.training.pretrained import (
    WHOLE,
    LoadRecorder,
    check_checkpoint,
    checkpoint_tensors,
    is_record,
    listed,
    no_match,
    pretrained_parts,
    pretrained_records,
    record_of,
    weight_names,
)
from ssr_mmseg.utils import distributed
from ssr_mmseg.utils.errors import UserError, one_line

REMEDY = "to fine-tune that network, copy its genotype to config/genotypes/NAME.json and configure the network NAME"


@HOOKS.register_module()
class InitialWeightsHook(Hook):
    """Check and record the checkpoints that mmengine starts a training from, and load the weights of an earlier result.

    A resumed training has the weights of its state, and the record, too.

    Args:
        weights: Weights of an earlier result; None for none.
        genotype: Genotype file of the network; None for a baseline, and for a network without `weights`.
        supernet: If `weights` is the state of a search, its settings as `search` and what the state must say of itself
            as `origin` (see `check_origin`): the network inherits the weights that it has in the supernet.
        named: Checkpoints in the config of the model, each of which must be loaded.
        load_from: Checkpoint that mmengine's runner loads.

    Attributes:
        record: The files, each with `file`, `sha256`, `part` of the model, numbers of its `tensors` and of those
            `taken`, and the names of those `left` as they were initialized.
    """

    priority = "HIGHEST"  # the others, such as AverageHook, start from these weights

    def __init__(
        self,
        weights: str | None = None,
        genotype: str | None = None,
        named: tuple[str, ...] = (),
        load_from: str | None = None,
        supernet: dict[str, Any] | None = None,
    ) -> None:
        self.weights, self.genotype, self.named, self.load_from = weights, genotype, named, load_from
        self.supernet = supernet
        self.record: list[dict[str, Any]] = []

    def before_run(self, runner: Any) -> None:
        parts = list(pretrained_parts(_unwrapped(runner.model)))
        ignored = set(self.named) - {file for _, file, _ in parts}
        if ignored:
            raise UserError(
                f"the model's config names the checkpoint {min(ignored)}, which its backbone ignores; "
                "give it as init_cfg=dict(type='Pretrained', checkpoint=...)"
            )
        for file, prefix in dict.fromkeys((file, prefix) for _, file, prefix in parts):
            check_checkpoint(file, prefix)
        if self.load_from:
            check_checkpoint(self.load_from)
        self.parts = [(name, file) for name, file, _ in parts]
        self.recorder = LoadRecorder(_unwrapped(runner.model))
        self.initialized: int | None = None  # number of loadings before `load_from`

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        self.initialized = len(self.recorder.calls)

    def before_train(self, runner: Any) -> None:
        self.recorder.close()
        model, calls = _unwrapped(runner.model), self.recorder.calls
        self.record = pretrained_records(model, self.parts, calls[: self.initialized])
        if self.load_from:
            self.record += pretrained_records(model, [("", self.load_from)], calls[self.initialized :])
        if self.weights and not _resumes(runner):
            if self.supernet:
                self.record.append(load_inherited_weights(model, Path(self.weights), **self.supernet))
            else:
                self.record.append(load_start_weights(model, Path(self.weights), self.genotype))
        for entry in self.record:
            left = f"; not {listed(entry['left'])}" if entry["left"] else ""
            count = f"{entry['taken']} of {entry['tensors']} tensors of the {entry['part']}"
            runner.logger.info(f"start with {count} from {entry['file']}{left}")

    def training_state(self) -> dict[str, Any]:
        """Return the record, for the saved state."""
        return {"record": self.record}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Restore a saved record.

        Raises:
            ValueError: It is none.
        """
        if not isinstance(state["record"], list) or not all(map(is_record, state["record"])):
            raise ValueError("a record of other initial weights")
        self.record = state["record"]


def initial_weights(runner: Any) -> list[dict[str, Any]]:
    """Return the record of the `InitialWeightsHook` of a runner; empty for a training from scratch."""
    return next((hook.record for hook in runner.hooks if isinstance(hook, InitialWeightsHook)), [])


def load_start_weights(model: nn.Module, path: Path, genotype: str | None) -> dict[str, Any]:
    """Load the tensors of an earlier result that have the name and shape of one of the model's, and return the record.

    Args:
        model: A segmentor.
        path: The weights file.
        genotype: Genotype file of the model, whose backbone must fit in whole; None for a baseline.

    Raises:
        UserError: The file is missing, damaged or contains more than data, or the weights are of another network or
            not finite.
    """
    tensors, own = checkpoint_tensors(load_state(path), path, ("state_dict", "model")), model.state_dict()
    fitting = {
        name: tensors[name]
        for name, value in own.items()
        if name in tensors and tensors[name].shape == value.shape and same_kind(tensors[name], value)
    }
    if name := not_finite(fitting, own):
        raise UserError(f"{path}: {name} has a value that is not finite; name other weights to start from")
    backbone = [name for name in weight_names(own) if name.startswith("backbone.")]
    if genotype is not None:
        _check_genotype(path, genotype)
    if not any(name in fitting for name in backbone):
        raise UserError(no_match(path, "backbone", backbone, tensors))
    misfit = next((name for name in backbone if name not in fitting), None)
    if genotype is not None and misfit is not None:
        expected, found = (tuple(values[misfit].shape) if misfit in values else "none" for values in (own, tensors))
        raise UserError(
            f"{path} has the weights of another genotype than {genotype}: "
            f"{misfit} has the shape {found}, expected {expected}; {REMEDY}"
        )
    model.load_state_dict(fitting, strict=False)
    return record_of(str(path), WHOLE, weight_names(own), fitting)


def load_inherited_weights(
    model: nn.Module, path: Path, search: dict[str, Any], origin: Mapping[str, str | int]
) -> dict[str, Any]:
    """Load the weights that a derived backbone has in the supernet in which it was found, and return the record.

    The head is left as initialized: that of the search is another one.

    Args:
        model: A segmentor with the backbone `SSRNet`.
        path: State of the search's last stage.
        search: Settings of the search.
        origin: What the state must say of itself.

    Raises:
        UserError: The file is missing, damaged, or not the state of that search, or its weights are not finite.
    """
    backbone, part = cast(SSRNet, model.get_submodule("backbone")), "backbone"
    state = load_state(path)
    check_origin(path, "state", state.get(KEY), origin)
    tensors = checkpoint_tensors(state, path, ("model",))
    supernet = {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}
    before = backbone.state_dict()
    try:
        weights = inherited_weights(supernet, SearchSpace.from_settings(search), backbone.genotype, before)
    except (KeyError, ValueError) as error:
        missing = error.args[0] if isinstance(error, KeyError) else "an operator of the genotype"
        raise UserError(
            f"{path} is not the supernet of this network, because {one_line(missing, 100)} is missing; search again, "
            "or set retrain.weights to null"
        ) from error
    if name := not_finite(weights, before):
        raise UserError(f"{path}: {name} has a value that is not finite; search again")
    backbone.load_state_dict(weights)
    names = [f"{part}.{name}" for name in weight_names(before)]
    return record_of(str(path), part, names, names)


def _check_genotype(path: Path, genotype: str) -> None:
    """Check that weights for a searched network were trained with the same genotype.

    Their shapes alone do not tell, because they do not depend on dilations and resolutions.
    """
    match = re.fullmatch(r"(.*/seed\d+)/retrain/(\w+)/weights\.pth", path.as_posix())
    if match is None or not follows_search(match[2]):
        return
    other = Path(match[1]) / ("discretize" if match[2] == SEARCHED else f"select/{match[2]}") / "genotype.json"
    if other.is_file() and Genotype.read(other).stages != Genotype.read(genotype).stages:
        raise UserError(f"{path} has the weights of the genotype {other}, which differs from {genotype}; {REMEDY}")


def _resumes(runner: Any) -> bool:
    """Return whether there is a state that the training resumes from."""
    hook = next((hook for hook in runner.hooks if isinstance(hook, StateHook)), None)
    if hook is None:
        return runner.iter > 0  # mmengine has resumed
    with distributed.main_process_first():  # because loading removes damaged files
        return hook.checkpoints.load(runner.logger.warning) is not None


def _unwrapped(model: Any) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
