"""Compaction: cut a supernet to its survivors, keeping its function and its training state.

Because masks are prefixes, each tensor of the smaller network is the leading part of the old one: dead blocks and
operators are left out, and channels beyond the widest survivor are sliced off. They were multiplied by 0, so no output
changes. The reduction block after a narrowed stage keeps its full input (method §2), padded with zeros.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ssr_mmseg.architecture.gates import TEMPERATURE


def cut(tensor: Tensor, shape: torch.Size) -> Tensor:
    """Return the leading part of `tensor` that has `shape`.

    Raises:
        ValueError: The tensor is smaller than the shape, or has another number of axes.
    """
    if tensor.dim() != len(shape) or any(have < want for have, want in zip(tensor.shape, shape, strict=True)):
        raise ValueError(f"cannot cut a tensor of shape {tuple(tensor.shape)} to {tuple(shape)}")
    return tensor[tuple(slice(0, length) for length in shape)].clone()


def compact_weights(weights: Mapping[str, Tensor], target: nn.Module) -> dict[str, Tensor]:
    """Return the state dict of the smaller network `target`, cut from the weights of the larger one.

    A temperature of the gates that the larger one does not have, because an earlier version saved it, is 1.
    """
    wanted = target.state_dict()
    added = {name: torch.ones_like(value) for name, value in wanted.items() if name.rpartition(".")[2] == TEMPERATURE}
    return {name: cut({**added, **weights}[name], value.shape) for name, value in wanted.items()}


def compact_optimizer(state: dict, before: list[str], target: Mapping[str, nn.Parameter]) -> dict:
    """Return the state dict of an optimizer with one parameter group, cut in the same way.

    Args:
        state: State dict of the old optimizer.
        before: Names of its parameters, in its order.
        target: The parameters to keep, by name, in the order of the new optimizer.
    """
    position = {name: index for index, name in enumerate(before)}
    kept = {}
    for index, (name, parameter) in enumerate(target.items()):
        entries = state["state"].get(position[name])
        if entries is not None:  # for Adam, a step count and two tensors of the parameter's shape
            kept[index] = {
                key: cut(value, parameter.shape) if torch.is_tensor(value) and value.dim() else value
                for key, value in entries.items()
            }
    group = {**state["param_groups"][0], "params": list(range(len(target)))}
    return {"state": kept, "param_groups": [group]}
