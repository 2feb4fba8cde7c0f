"""Plans on an imaginary device: what is asked for is kept, and more time or a slower frame buys more."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import latencies, plan

from ssr_mmseg.costs.macs import Macs
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.fit.lengths import GOOD, LEAST
from ssr_mmseg.fit.plan import NARROW
from ssr_mmseg.fit.spaces import LEAST_SIDE, STEP, input_sizes, read_spaces
from ssr_mmseg.utils.errors import UserError


@given(st.floats(0.5, 100), st.floats(0.2, 50))
@settings(max_examples=40, deadline=None)
def test_a_plan_keeps_time_and_latency_or_is_refused_in_one_line(ms, hours):
    refusal = ""
    try:
        made = plan(ms, hours)
    except UserError as error:
        refusal = str(error)
    if refusal:
        assert "\n" not in refusal
        assert "raise --" in refusal
        return
    assert made.lengths.seconds <= 3600 * hours
    assert made.aim + made.latencies.labels <= ms
    assert made.latencies.smallest < made.aim <= made.latencies.largest, "the search can reach its aim"
    assert made.lengths.search_steps >= 0.5 * LEAST[0]
    assert made.lengths.train_steps >= 0.5 * LEAST[1]
    assert made.lengths.networks[0] == "searched"
    assert "fast_scnn" in made.lengths.networks


def test_more_hours_buy_larger_images_then_longer_trainings_then_seeds():
    plans = [plan(hours=hours) for hours in (0.3, 1, 4, 16, 64, 256)]
    pixels = [math.prod(made.size) for made in plans]
    assert pixels == sorted(pixels)
    assert pixels[0] < pixels[-1]
    assert plans[-1].lengths.train_steps > GOOD[1]
    assert plans[-1].lengths.seeds > 1
    assert [made.lengths.seeds for made in plans] == sorted(made.lengths.seeds for made in plans)


def test_a_short_frame_time_shrinks_the_images_and_says_so():
    made = plan(ms=1.5, hours=200)
    assert latencies(made.space, made.size).smallest < 1.5
    assert math.prod(made.size) < 480 * 640
    assert any("shrunk to" in note for note in made.notes)


def test_a_long_frame_time_takes_a_larger_space():
    assert plan(ms=1000, hours=500).space.name != "small"
    assert plan(ms=20, hours=500, sizes=[(96, 128)]).notes, "no network of any space takes so long"


def test_a_size_that_is_given_is_kept():
    assert plan(sizes=[(96, 128)]).size == (96, 128)


@pytest.mark.parametrize(
    ("ms", "hours", "message"),
    [
        (0.01, 2, "the fastest network takes about .* ms on this device, expected less than 0.01 ms; raise --ms"),
        (8, 0.01, "even the shortest run takes about .* hours here, expected at most 0.01; raise --hours"),
    ],
)
def test_what_cannot_be_is_refused_with_the_figures(ms, hours, message):
    with pytest.raises(UserError, match=message):
        plan(ms, hours)


@given(st.integers(1, 8192), st.integers(1, 8192))
def test_input_sizes_fall_keep_the_shape_and_are_accepted(height, width):
    sizes = input_sizes((height, width))
    assert sizes
    for tall, wide in sizes:
        assert tall % STEP == wide % STEP == 0
        assert min(tall, wide) >= LEAST_SIDE
    assert [math.prod(size) for size in sizes] == sorted(map(math.prod, sizes), reverse=True)


def test_spaces_grow_and_their_extremes_are_networks_of_them():
    costs = []
    for space in read_spaces():
        smallest, largest = space.extremes()
        costs.append([genotype_macs(genotype, 11, (64, 64)) for genotype in (smallest, largest)])
        assert costs[-1][0] < costs[-1][1]
    assert costs == sorted(costs, key=lambda cost: cost[1])


@pytest.mark.parametrize(("ms", "kind"), [(8.0, "latency"), (1000.0, "macs")])
def test_the_search_is_held_by_what_its_space_can_be_held_by(ms, kind):
    made = plan(ms, hours=4, sizes=[(96 * 3, 128 * 3)])
    cost = made.cost(classes=5)
    assert cost["type"] == kind
    space, target = made.space.search_space, cost.get("target_ms") or cost["target"]
    if kind == "macs":
        Macs(target, space, 5, made.size).check_reach()
    else:
        assert made.latencies.smallest < target < NARROW * made.latencies.largest
