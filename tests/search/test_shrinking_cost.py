"""Compaction removes channels, operators and blocks: multiply-adds and parameters fall as options die."""

import itertools

import torch
from spaces import SEARCH, SPACE, random_supernet
from torch.utils.flop_counter import FlopCounterMode

from ssr_mmseg.architecture.structure import Structure, structure_to_json, surviving_structure
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.search.compaction import compact_weights

SIZE = (64, 96)


def multiply_adds(supernet: SSRSupernet) -> int:
    """Count the multiply-adds of the convolutions in a forward pass."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        supernet(torch.zeros(1, 3, *SIZE, dtype=torch.double))
    return counter.get_total_flops() // 2


def expected_counts(structure: Structure) -> tuple[int, int]:
    """Count the multiply-adds and parameters of the operators in a structure, one by one."""
    macs = parameters = 0
    for index, blocks in enumerate(structure):
        for block in blocks:
            for option, mid in block.mids.items():
                resolution = SPACE.operators[option][1]
                area = (SIZE[0] // (4 << index) // resolution) * (SIZE[1] // (4 << index) // resolution)
                macs += 3 * area * mid * (block.inputs + block.outputs)
                kernels = 3 * mid * (block.inputs + block.outputs)
                parameters += kernels + 3 * (mid + block.outputs)  # and biases, and the parameters of normalizations
    return macs, parameters


def operator_parameters(supernet: SSRSupernet) -> int:
    return sum(p.numel() for name, p in supernet.named_parameters() if ".operators." in name)


def test_the_size_is_that_of_the_survivors_and_falls_as_they_die():
    supernet = random_supernet(0)
    fixed = multiply_adds(supernet) - expected_counts(supernet.structure)[0]  # stem and reductions, which remain
    seen = [(multiply_adds(supernet), operator_parameters(supernet))]
    assert seen[0] == (fixed + expected_counts(supernet.structure)[0], expected_counts(supernet.structure)[1])
    for threshold in (0.3, 0.6, 0.9):
        supernet.architecture.shrink(threshold)
        alive = {gate: value.numpy() for gate, value in supernet.architecture.alive.items()}
        structure = surviving_structure(SPACE, alive)
        small = SSRSupernet(**SEARCH, structure=structure_to_json(structure)).double().eval()
        small.load_state_dict(compact_weights(supernet.state_dict(), small))
        macs, parameters = expected_counts(structure)
        assert multiply_adds(small) == fixed + macs
        assert operator_parameters(small) == parameters
        seen.append((multiply_adds(small), operator_parameters(small)))
        supernet = small
    assert all(after < before for a, b in itertools.pairwise(seen) for before, after in zip(a, b, strict=True))


def test_dead_channels_operators_and_blocks_are_each_removed():
    whole = random_supernet(1)
    alive = {gate: value.numpy().copy() for gate, value in whole.architecture.alive.items()}
    counts = {"nothing": expected_counts(surviving_structure(SPACE, alive))}
    for kind in ("channels", "operator", "block"):
        cut = {gate: value.copy() for gate, value in alive.items()}
        if kind == "channels":
            cut["mid_width"][0, 0, 1:] = False
        elif kind == "operator":
            cut["operator"][0, 0] = False
            cut["mid_width"][0, 0] = cut["out_width"][0, 0] = False
        else:
            cut["depth"][1, -1] = False
        counts[kind] = expected_counts(surviving_structure(SPACE, cut))
        small = SSRSupernet(**SEARCH, structure=structure_to_json(surviving_structure(SPACE, cut)))
        assert operator_parameters(small) == counts[kind][1] < counts["nothing"][1]
    assert counts["operator"][1] < counts["channels"][1], (
        "a narrowed operator has more parameters left than a removed one"
    )
