"""Compaction: the supernet physically cut to its survivors, with its function and its training state kept.

Masks are prefixes, so each tensor of the cut network is the leading part of the old one: dead blocks and operators
are left out, channels beyond the widest survivor are sliced away. They were multiplied by 0, so no output changes.
One width stays: behind a narrowed stage the reduction block keeps its full input (method §2), padded with zeros.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def cut(tensor: Tensor, shape: torch.Size) -> Tensor:
    """The leading part of `tensor` that has `shape`.

    Raises:
        ValueError: the tensor is smaller than the shape, or has other axes.
    """
    if tensor.dim() != len(shape) or any(have < want for have, want in zip(tensor.shape, shape, strict=True)):
        raise ValueError(f"cannot cut a tensor of shape {tuple(tensor.shape)} to {tuple(shape)}")
    return tensor[tuple(slice(0, length) for length in shape)].clone()


def compact_weights(weights: Mapping[str, Tensor], target: nn.Module) -> dict[str, Tensor]:
    """State dict for the smaller `target`, cut from the larger network's."""
    return {name: cut(weights[name], value.shape) for name, value in target.state_dict().items()}


def compact_optimizer(state: dict, before: list[str], target: Mapping[str, nn.Parameter]) -> dict:
    """State dict of an optimizer of one parameter group, cut likewise.

    Args:
        state: State dict of the optimizer before.
        before: Names of its parameters, in its order.
        target: The parameters to keep, by name, in the order in which the new optimizer holds them.
    """
    position = {name: index for index, name in enumerate(before)}
    kept = {}
    for index, (name, parameter) in enumerate(target.items()):
        entries = state["state"].get(position[name])
        if entries is not None:  # Adam keeps a step count and two tensors of the parameter's shape
            kept[index] = {
                key: cut(value, parameter.shape) if torch.is_tensor(value) and value.dim() else value
                for key, value in entries.items()
            }
    group = {**state["param_groups"][0], "params": list(range(len(target)))}
    return {"state": kept, "param_groups": [group]}
