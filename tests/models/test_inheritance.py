"""A derived network with the weights that it inherits computes the function of the supernet with one-hot gates."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import SEARCH, SPACE, full_stages, random_supernet

from ssr_mmseg.architecture.genotype import build_genotype, find_choice, random_choice
from ssr_mmseg.architecture.structure import structure_from_json, structure_to_json, surviving_structure
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.models.inheritance import inherited_weights
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.search.compaction import compact_weights


def choose(seed: int, full: bool) -> dict[str, np.ndarray]:
    """Draw a network; if `full`, with all blocks of the second stage as wide as the stage, and a narrowed first one."""
    choice = random_choice(SPACE, np.random.default_rng(seed))
    if full:
        first = [number for number, (stage, _) in enumerate(SPACE.blocks) if stage == 1]
        choice["out_width"][first] = SPACE.width_options - 1
        last = choice["depth"][0]
        choice["out_width"][last, choice["operator"][last]] = seed % (SPACE.width_options - 1)
    return choice


def derived(supernet: SSRSupernet, choice: dict) -> SSRNet:
    """Return the network of a choice with the weights that it inherits."""
    genotype = build_genotype(SPACE, choice)
    net = SSRNet(genotype.to_dict()).double().eval()
    net.load_state_dict(inherited_weights(supernet.state_dict(), SPACE, genotype, net.state_dict()))
    return net


def images(seed: int) -> torch.Tensor:
    return torch.randn(2, 3, 48, 40, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25)
@given(st.integers(0, 2**31 - 1))
def test_behind_a_narrowed_stage_the_function_is_kept(seed):
    supernet, choice = random_supernet(seed), choose(seed, full=True)
    genotype = build_genotype(SPACE, choice)
    assert not full_stages(genotype)
    net = derived(supernet, choice)
    with torch.no_grad(), supernet.architecture.one_hot(choice):
        ours, theirs = net(images(seed)), supernet(images(seed))
    width, (first, second) = genotype.widths[1], (stage.channels for stage in genotype.stages)
    convolved, zeros = second - first, first - width
    order = [*range(convolved), *range(second - zeros, second), *range(convolved, second - zeros)]
    torch.testing.assert_close(ours[0], theirs[0])
    torch.testing.assert_close(ours[1], theirs[1][:, :width])
    torch.testing.assert_close(ours[2], theirs[2][:, order])


@settings(max_examples=25)
@given(st.integers(0, 2**31 - 1))
def test_behind_a_full_stage_every_width_keeps_the_function(seed):
    supernet, choice = random_supernet(seed), random_choice(SPACE, np.random.default_rng(seed))
    last = choice["depth"][0]
    choice["out_width"][last, choice["operator"][last]] = SPACE.width_options - 1
    net = derived(supernet, choice)
    with torch.no_grad(), supernet.architecture.one_hot(choice):
        for ours, theirs in zip(net(images(seed)), supernet(images(seed)), strict=True):
            torch.testing.assert_close(ours, theirs[:, : ours.shape[1]])


@pytest.mark.parametrize("seed", range(8))
def test_a_compacted_supernet_gives_what_the_whole_one_gives_but_for_lost_channels(seed):
    supernet, choice = random_supernet(seed), choose(seed, full=False)
    alive = {gate: np.zeros_like(value.numpy()) for gate, value in supernet.architecture.alive.items()}
    for gate, value in alive.items():
        np.put_along_axis(value, choice[gate][..., None], True, axis=-1)
    structure = structure_from_json(structure_to_json(surviving_structure(SPACE, alive)))
    small = SSRSupernet(**SEARCH, structure=structure_to_json(structure)).double().eval()
    small.load_state_dict(compact_weights(supernet.state_dict(), small))
    genotype = build_genotype(SPACE, choice)
    fresh = SSRNet(genotype.to_dict()).double().state_dict()
    whole, cut = (inherited_weights(net.state_dict(), SPACE, genotype, fresh) for net in (supernet, small))
    for name, value in cut.items():
        assert bool(((value == whole[name]) | (value == fresh[name])).all()), f"{name}: only lost channels are fresh"
    kept = sum(int((cut[name] == whole[name]).sum()) for name in cut) / sum(value.numel() for value in cut.values())
    assert kept > 0.7


def test_a_network_that_the_supernet_has_lost_is_an_error():
    supernet, choice = random_supernet(0), choose(0, full=False)
    genotype = build_genotype(SPACE, find_choice(SPACE, build_genotype(SPACE, choice)))
    fresh = SSRNet(genotype.to_dict()).double().state_dict()
    lost = f"stages.0.0.operators.{choice['operator'][0]}.conv1.weight"
    state = {name: value for name, value in supernet.state_dict().items() if name != lost}
    with pytest.raises(KeyError, match=lost):
        inherited_weights(state, SPACE, genotype, fresh)
