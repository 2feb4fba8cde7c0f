"""Weights that do not fit a network, or are not finite."""

from pathlib import Path

import pytest
import torch
from torch import nn

from ssr_mmseg.training.checkpoint.fitting import load_into
from ssr_mmseg.utils.errors import UserError


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def load(state) -> nn.Module:
    model = network()
    load_into(model, state, Path("w.pth"), "small", "train it again")
    return model


def with_values(position: int, value: float, kind: torch.dtype = torch.float32) -> torch.Tensor:
    values = torch.ones(4, dtype=kind)
    values[position] = value
    return values


FIT = "are not the weights of small: "
FINITE = r"^w\.pth: 1\.{} has a value that is not finite; train it again$"
OTHERS = {
    "nothing": ({}, FIT + r"0\.weight is missing; train it again$"),
    "a missing tensor": ({"1.bias": ...}, FIT + r"1\.bias is missing"),
    "an additional tensor": ({"2.bias": torch.ones(1)}, FIT + r"the network has no 2\.bias"),
    "a name of control characters": ({"\x1b[2J\n": torch.ones(1)}, FIT + r"the network has no \\x1b\[2J;"),
    "a number for a name": ({3: torch.ones(1)}, FIT + "the network has no 3"),
    "a number": ({"1.bias": 3.0}, FIT + r"1\.bias is of type float, expected a tensor"),
    "a list": ({"1.bias": [1.0] * 4}, FIT + r"1\.bias is of type list"),
    "none": ({"1.bias": None}, FIT + r"1\.bias is missing"),
    "another length": ({"1.bias": torch.ones(1)}, FIT + r"1\.bias has the shape \(1,\), expected \(4,\)"),
    "another rank": ({"1.bias": torch.ones(4, 1)}, FIT + r"1\.bias has the shape \(4, 1\)"),
    "a scalar": ({"1.bias": torch.ones(())}, FIT + r"1\.bias has the shape \(\)"),
    "integers": ({"1.bias": torch.ones(4, dtype=torch.int64)}, FIT + r"1\.bias has integers, expected floating-point"),
    "truth values": ({"1.bias": torch.ones(4, dtype=torch.bool)}, FIT + r"1\.bias has truth values"),
    "a counter of fractions": ({"1.num_batches_tracked": torch.ones(())}, "floating-point numbers, expected integers"),
    "a NaN": ({"1.bias": with_values(2, float("nan"))}, FINITE.format("bias")),
    "an infinity": ({"1.running_var": with_values(0, -float("inf"))}, FINITE.format("running_var")),
    "too large for the type": ({"1.bias": with_values(1, 1e300, torch.float64)}, FINITE.format("bias")),
    "both a NaN and another shape": (
        {"0.bias": torch.full((4,), float("nan")), "1.bias": torch.ones(1)},
        FIT + r"1\.bias has the shape",
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_weights_are_refused_with_the_first_difference(kind):
    changes, match = OTHERS[kind]
    state = {name: value for name, value in {**network().state_dict(), **changes}.items() if value is not ...}
    with pytest.raises(UserError, match=match) as caught:
        load({} if not changes else state)
    assert "\n" not in str(caught.value)


def test_weights_of_another_precision_are_loaded():
    state = network().state_dict()
    given = load({name: value.double() if value.is_floating_point() else value for name, value in state.items()})
    for name, value in given.state_dict().items():
        assert torch.equal(value, state[name])


def test_counters_of_batch_normalizations_may_be_missing_in_a_plain_dictionary():
    load({name: value for name, value in network().state_dict().items() if "num_batches" not in name})


class Renamed(nn.Linear):
    """A layer that knows the name that its weight had in an earlier version."""

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        if f"{prefix}kernel" in state_dict:
            state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}kernel")
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def test_a_module_may_know_the_names_of_earlier_versions():
    model = Renamed(2, 2)
    load_into(model, {"kernel": torch.eye(2), "bias": torch.ones(2)}, Path("w.pth"), "small", "")
    assert torch.equal(model.weight, torch.eye(2))
    with pytest.raises(UserError, match=r"weight has a value that is not finite"):
        load_into(model, {"kernel": torch.eye(2) / 0, "bias": torch.ones(2)}, Path("w.pth"), "small", "")
