"""Weights and states that earlier stages of the experiment wrote, checked to be theirs before they are used."""

from pathlib import Path
from typing import Any

from torch import nn

from ssr_mmseg import settings
from ssr_mmseg.settings import paths
from ssr_mmseg.training.checkpoint.fitting import load_into
from ssr_mmseg.training.checkpoint.origin import KEY, check_origin
from ssr_mmseg.training.checkpoint.runner_state import not_finite
from ssr_mmseg.training.checkpoint.safe_load import state_needed
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.utils.errors import UserError

Origin = dict[str, str | int]


def weights_origin(identity: str, dataset: str, seed: int, network: str) -> Origin:
    """Return what the weights of a retraining say about it; `identity` is that of the stage."""
    return {"dataset": dataset, "seed": seed, "network": network, "identity": identity}


def state_origin(identity: str, dataset: str, seed: int, stage: int) -> Origin:
    """Return what the state of a search stage says about it; `identity` is that of the stage `search`."""
    return {"dataset": dataset, "seed": seed, "stage": stage, "identity": identity}


def load_retrained(model: nn.Module, config: dict, dataset: str, seed: int, network: str) -> Path:
    """Load the weights of a retraining into its network, and return their path.

    Raises:
        UserError: They are missing, damaged, of another training or another network, or not finite.
    """
    path = paths.result_path(config, paths.WEIGHTS, dataset=dataset, seed=seed, network=network)
    identity = settings.stage_identity(config, "retrain", dataset, seed, network)
    state = load_weights(path, weights_origin(identity, dataset, seed, network))
    load_into(model, state, path, network, "delete it and train the network again")
    return path


def load_search_state(config: dict, dataset: str, seed: int, stage: int) -> dict[str, Any]:
    """Load the state of a search stage: 0 is `search`, 1 … K are the shrinking stages.

    Raises:
        UserError: It is missing, damaged, of another search, or its model is missing or not finite.
    """
    path = paths.state_path(config, dataset, seed, stage)
    state = load_state(path)
    identity = settings.stage_identity(config, "search", dataset, seed)
    check_origin(path, "state", state.get(KEY), state_origin(identity, dataset, seed, stage))
    with state_needed(path):
        model = dict(state["model"].items())
    if name := next(not_finite(model), None):
        raise UserError(f"{path}: {name} has a value that is not finite; delete it and run the stage again")
    return state
