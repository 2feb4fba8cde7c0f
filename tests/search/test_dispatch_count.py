"""The operators that a search step dispatches, and so the kernels of a recorded pass: a few per candidate operator."""

from collections import Counter

import pytest
import torch
from double_supernet import build_model, build_step, random_batch
from spaces import random_survivors
from torch.utils._python_dispatch import TorchDispatchMode

from ssr_mmseg.search.step import TwoPhaseStep
from ssr_mmseg.training.bfloat16 import BFloat16OptimWrapper
from ssr_mmseg.training.step import forward_backward, preprocess

# Calls that only describe memory; a GPU runs nothing for them.
FREE = {
    *("alias", "as_strided", "detach", "expand", "permute", "select", "slice", "split", "split_with_sizes", "squeeze"),
    *("t", "transpose", "unbind", "unsqueeze", "view", "_unsafe_view"),
    *("empty", "empty_like", "empty_strided", "new_empty"),
}
# What is dispatched per candidate operator. Forward: 2 convolutions, 2 × statistics, affine map and ReLU, dropout
# noise, weighted sum. Backward: dropout, 2 normalizations, affine map and ReLU again, ReLU's gradient, 2 convolutions,
# and the sum of the gradients of the input.
OPERATOR = 2 + 2 + 2 + 1 + 1 + 1 + 2 + 2 + 1 + 2 + 1
MIXTURE = 46  # per block and resolution, for all its operators together: channel weights, conversions, resizing
BLOCK = {"weights": 30, "architecture": 48}  # noise, masks, residual and depth of a block, and their gradients
REST = {"weights": 115, "architecture": 480}  # stem, reductions, head, loss; in the second phase also cost and gates


class Counting(TorchDispatchMode):
    """Count the operators dispatched in the block, without the free ones."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.calls[name] += name not in FREE
        return func(*args, **(kwargs or {}))


def build(seed: int) -> TwoPhaseStep:
    """Return the step of a supernet with random survivors as on a GPU: in bfloat16, channels-last, with dropout."""
    model = build_model(seed, dropout=True).float().to(memory_format=torch.channels_last)
    if seed:
        random_survivors(model.backbone, seed)
    step = build_step(model, {"weights": 1e-3, "architecture": 1e-3})
    step.wrappers = {part: BFloat16OptimWrapper(optimizer=w.optimizer) for part, w in step.wrappers.items()}
    return step


def dispatched(step: TwoPhaseStep, part: str) -> Counter[str]:
    """Return the operators that forward and backward pass of a phase dispatch, without data and update."""
    batch = random_batch(0)
    batch["inputs"] = [image.float() for image in batch["inputs"]]
    counting = Counting()

    def train(model, batch, wrapper, objective=None) -> dict:
        data = preprocess(model, batch, wrapper)
        with counting:
            losses = forward_backward(model, data, wrapper, objective)
        wrapper.zero_grad()
        return {**losses, "decode.acc_seg": 0}

    step.train = train
    getattr(step, f"learn_{part}")(batch)
    return counting.calls


def bound(step: TwoPhaseStep, part: str) -> int:
    """Return how many operators one phase may dispatch."""
    depths, operators = step.model.backbone.computed()
    first, total = 0, REST[part]
    for stage, depth in zip(step.architecture.space.stages, depths, strict=True):
        for alive in operators[first : first + max(k for k, survives in enumerate(depth) if survives) + 1]:
            resolutions = {step.architecture.space.operators[k][1] for k, survives in enumerate(alive) if survives}
            total += OPERATOR * sum(alive) + MIXTURE * len(resolutions) + BLOCK[part]
        first += stage.blocks
    return total


@pytest.mark.parametrize("part", ["weights", "architecture"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_phase_dispatches_few_operators(part, seed):
    step = build(seed)
    calls = dispatched(step, part)
    assert 0.8 * bound(step, part) < sum(calls.values()) <= bound(step, part), calls.most_common(20)


@pytest.mark.parametrize("part", ["weights", "architecture"])
def test_one_more_operator_dispatches_as_many_as_its_formula_says(part):
    step = build(0)
    before = dispatched(step, part)
    step.architecture.alive["operator"][1, 1] = False  # one of two at its resolution
    step.architecture.remove_dependents()
    more = before - dispatched(step, part)
    assert sum(more.values()) <= OPERATOR, more
