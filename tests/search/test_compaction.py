"""A compacted supernet trains like the whole one: weights, statistics and the moments of the optimizer."""

import copy

import pytest
import torch
from double_supernet import build_model, random_batch
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS
from spaces import SEARCH, SPACE, random_survivors
from torch import nn

from ssr_mmseg.architecture.structure import structure_to_json, surviving_structure
from ssr_mmseg.search.compaction import compact_optimizer, compact_weights, cut
from ssr_mmseg.search.step import is_architecture
from ssr_mmseg.training.step import train_step

STEPS = 3


def named_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if not is_architecture(name)}


def build_wrapper(model: nn.Module) -> OptimWrapper:
    return OptimWrapper(torch.optim.Adam(list(named_weights(model).values()), lr=3e-3, weight_decay=1e-2))


def train(model: nn.Module, wrapper: OptimWrapper, first: int) -> None:
    for step in range(first, first + STEPS):
        train_step(model, random_batch(step), wrapper)


def compacted(model: nn.Module, wrapper: OptimWrapper) -> tuple[nn.Module, OptimWrapper]:
    alive = {gate: value.numpy() for gate, value in model.backbone.architecture.alive.items()}
    small = build_model(0)
    small.backbone = (
        MODELS.build(
            {"type": "SSRSupernet", **SEARCH, "structure": structure_to_json(surviving_structure(SPACE, alive))}
        )
        .double()
        .train()
    )
    for module in small.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    small.load_state_dict(compact_weights(model.state_dict(), small))
    optimizer = build_wrapper(small)
    before = copy.deepcopy(wrapper.optimizer.state_dict())  # as from a file, where step counts are tensors too
    state = compact_optimizer(before, list(named_weights(model)), named_weights(small))
    optimizer.optimizer.load_state_dict(state)
    return small, optimizer


@pytest.mark.parametrize("seed", range(3))
def test_training_continues_as_if_nothing_had_been_cut(seed):
    whole = build_model(seed)
    wrapper = build_wrapper(whole)
    train(whole, wrapper, 0)  # with every option alive, so that all of them have moments
    random_survivors(whole.backbone, seed)
    small, small_wrapper = compacted(whole, wrapper)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in whole.parameters())
    train(whole, wrapper, STEPS)
    train(small, small_wrapper, STEPS)
    theirs = whole.state_dict()
    for name, value in small.state_dict().items():
        torch.testing.assert_close(value, cut(theirs[name], value.shape), msg=name, rtol=1e-7, atol=1e-9)
    positions = {name: position for position, name in enumerate(named_weights(whole))}
    moments, kept = (w.optimizer.state_dict()["state"] for w in (wrapper, small_wrapper))
    assert kept
    for index, (name, parameter) in enumerate(named_weights(small).items()):
        for key, entry in moments[positions[name]].items():
            expected = cut(entry, parameter.shape) if entry.dim() else entry
            torch.testing.assert_close(kept[index][key], expected, msg=f"{key} of {name}", rtol=1e-6, atol=1e-9)
