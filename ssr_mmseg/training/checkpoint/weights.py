"""Weights of trained networks, as files that mmseg loads: `state_dict`, and `meta` with classes and palette."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ssr_mmseg.training.checkpoint.origin import KEY, check_origin
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError


def save_weights(
    path: Path,
    state: Mapping[str, Tensor],
    manifest: Mapping[str, Any],
    size: Sequence[int],
    origin: Mapping[str, str | int] | None = None,
) -> None:
    """Write the weights of a segmentor, with what is needed to use them without their dataset.

    Args:
        path: The file.
        state: State dict of the segmentor.
        manifest: Gives `classes` and `palette`, which mmseg reads as `dataset_meta`, and the overlap of tiles.
        size: Height and width of the network's input.
        origin: What identifies the training: its identity, dataset, seed and network.

    Raises:
        UserError: The file cannot be written.
    """
    tiles = manifest.get("tiles")
    meta = {
        "dataset_meta": {key: manifest[key] for key in ("classes", "palette")},
        "input_size": list(size),
        "overlap": tiles["overlap"] if tiles else None,
    } | ({} if origin is None else {KEY: dict(origin)})
    save_state(path, {"meta": meta, "state_dict": {name: value.cpu() for name, value in state.items()}})


def load_weights(path: Path, origin: Mapping[str, str | int] | None = None) -> dict[str, Tensor]:
    """Read the state dict of a segmentor on the CPU.

    Args:
        path: The file.
        origin: The training that it must be of; None for any.

    Raises:
        UserError: The file is missing, damaged, has no weights, or those of another training.
    """
    checkpoint = load_checkpoint(path)
    if origin is not None:
        check_origin(path, "weights", checkpoint["meta"].get(KEY), origin)
    return checkpoint["state_dict"]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a file of weights; return its `state_dict`, and its `meta`, empty if it has none.

    A file whose weights are under `model`, as earlier versions wrote it, is read as well.

    Raises:
        UserError: The file is missing, damaged, or has no weights.
    """
    loaded = load_state(path)
    state = loaded.get("state_dict", loaded.get("model"))
    meta = loaded.get("meta", {})
    if not isinstance(state, dict) or not isinstance(meta, dict):
        raise UserError(f"{path} has no weights of a network (state_dict); give the weights.pth of a retraining")
    return {"state_dict": state, "meta": meta}
