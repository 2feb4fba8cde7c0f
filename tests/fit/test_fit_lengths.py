"""Lengths that a time has room for."""

from dataclasses import replace

import pytest
from plans import BASE, steps

from ssr_mmseg.fit.lengths import FULL, GOOD, Work, fit_lengths, forecast
from ssr_mmseg.fit.spaces import read_spaces

WORK: Work = replace(BASE, steps=steps(read_spaces()[0], (100, 100)), table=100.0, share=0.5)


def test_the_longest_that_fits_is_nearly_as_long_as_allowed():
    lengths = fit_lengths(WORK, 3600)
    assert 0.85 * 3600 < lengths.seconds <= 3600
    assert lengths.search_steps > GOOD[0]


def test_nothing_fits_into_no_time():
    assert fit_lengths(WORK, 60) is None


def test_without_end_all_is_full():
    lengths = fit_lengths(WORK, 1e9)
    assert lengths.seeds == 3
    assert lengths.train_steps == pytest.approx(FULL[1], rel=0.05)


def test_a_random_network_is_added_once_there_is_time_for_good_trainings():
    short = forecast(WORK, GOOD).seconds - 1
    assert "random" not in fit_lengths(WORK, short).networks
    assert "random" in fit_lengths(WORK, short + 2).networks


def test_a_forecast_adds_what_is_added():
    one, two = forecast(WORK, GOOD), forecast(WORK, GOOD, 2)
    more = forecast(replace(WORK, networks=(*WORK.networks, "random_2")), GOOD)
    slower = forecast(replace(WORK, startup=20.0), GOOD)
    assert one.seconds < min(two.seconds, more.seconds, slower.seconds)
