"""The contest's text: conclusions, means and tests on made-up tables whose answers are known."""

import numpy as np
import pandas as pd
import pytest

from ssr_mmseg.report.contest_chart import APART, WIDTH, best_of_random, contest_chart, side_by_side
from ssr_mmseg.report.contest_text import by_seed, common_networks, report, rival_tests
from ssr_mmseg.stages.contest import COLUMNS

NOISE = (0.1, -0.2, 0.3, 0.0, -0.1, 0.2)


def row(network: str, seed: int, test: float | None, **changes) -> dict:
    values = {
        "dataset": "town",
        "network": network,
        "selector": network.rstrip("_0123456789"),
        "seed": seed,
        "miou_test": test,
        "miou_val": 40.0 if test is None else test + 1,
        "macs": 100,
        "cost": 100,
        "unit": "multiply-adds",
        "cost_ratio": 1.0,
        "search_hours": 0.1,
        "training_hours": 0.02,
        "commit": "abc",
    }
    if network == "searched":
        values |= {"gap": 0.0, "gates_decided": 1.0}
    return {**values, **changes}


def table(rivals: dict[str, float], seeds: int = 6, ours: float = 42.0) -> pd.DataFrame:
    """Return a table in which each rival has this mean; ours varies by seed alone."""
    rows = []
    for seed in range(seeds):
        rows.append(row("searched", seed, ours + NOISE[seed]))
        rows += [row(name, seed, mean - NOISE[seed] / 2) for name, mean in rivals.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_the_winner_is_named_with_what_is_significant():
    text = report(table({"random": 40.0, "uniform": 41.9, "evolution": 44.0}))
    assert "On town the searched networks are behind those of evolution: 42.05 % on test" in text
    assert "significantly better than those of random (+2.0" in text
    assert "significantly worse than those of evolution (-1.9" in text
    assert "no significant difference to uniform" in text
    text = report(table({"random": 40.0}))
    assert "On town the searched networks have the highest mean mIoU" in text
    assert "6 of 6 searches decided every gate" in text


def test_one_seed_proves_nothing():
    text = report(table({"random": 30.0}, seeds=1))
    assert "One seed proves nothing" in text
    assert "significantly" not in text


def test_the_draws_of_a_selector_are_averaged_by_seed():
    data = table({"random": 40.0, "random_2": 38.0})
    data = pd.concat([data, pd.DataFrame([row("random_3", 0, 99.0)])], ignore_index=True)  # of the ranking only
    assert common_networks(data, "random") == ["random", "random_2"]
    assert by_seed(data.assign(miou=data.miou_test), "random").tolist() == pytest.approx(
        [39.0 - noise / 2 for noise in NOISE]
    )
    (test,) = rival_tests(data.assign(miou=data.miou_test))
    assert (test.draws, test.comparison.pairs) == (2, 6)


def test_without_labels_of_test_val_counts():
    data = table({"random": 40.0}).assign(miou_test=None)
    assert "on val" in report(data)
    assert "on test" not in report(data)


def test_an_undecided_search_is_counted():
    data = table({"random": 40.0})
    data.loc[data.selector == "searched", ["gap", "gates_decided"]] = [1.5, 0.9]
    assert "0 of 6 searches decided every gate" in report(data)


def test_ranks_are_correlated_if_supernets_scored_the_networks():
    data = table({"random": 40.0})
    values = np.linspace(30, 40, 20)
    ranked = [
        row(f"random_{k}", 0, value, score_single_path=value / 2, score_relaxed=-value)
        for k, value in enumerate(values, start=2)
    ]
    text = report(pd.concat([data, pd.DataFrame(ranked)], ignore_index=True))
    assert "Ranks of 20 random networks" in text
    assert "| score in the supernet trained by single paths | mIoU on test | 1.00 |" in text
    assert "| score in the supernet searched without a regularizer | mIoU on test | -1.00 |" in text
    assert "Ranks of" not in report(data)


def test_the_curve_of_random_trainings_rises_and_ends_at_the_best_on_val():
    data = pd.DataFrame([row(f"random_{k}", 0, 30.0 + k) for k in range(2, 12)] + [row("searched", 0, 42.0)])
    curve = best_of_random(data.assign(miou=data.miou_test))
    assert curve[0] == {"minutes": pytest.approx(1.2), "mIoU": pytest.approx(36.5)}
    assert [point["mIoU"] for point in curve] == sorted(point["mIoU"] for point in curve)
    assert len(curve) == 10
    assert curve[-1]["mIoU"] == pytest.approx(41.0)
    chart = contest_chart(data)
    assert "Best: searched with 42.00 % after 6.0 minutes" in chart.alt


def test_no_mark_hides_another_and_each_keeps_its_place_in_time():
    minutes = {"random": 0.0, "uniform": 0.0, "searched": 5.0, "evolution": 5.02, "darts_pt": 9.0}
    shifts = side_by_side(minutes, [])
    assert shifts["random"] == -shifts["uniform"] != 0
    assert shifts["darts_pt"] == 0
    places = [minutes[name] / 9 * WIDTH + shifts[name] for name in minutes]
    assert (np.diff(places) > APART - 0.2).all()
    assert side_by_side({"random": 0.0}, []) == {"random": 0}


def test_the_chart_draws_marks_of_the_same_time_apart():
    data = pd.DataFrame([row(name, 0, 40.0, search_hours=0.0) for name in ("random", "uniform")])
    offsets = [
        layer["mark"]["xOffset"] for layer in contest_chart(data).spec["layer"] if layer["mark"]["type"] == "point"
    ]
    assert offsets[1] - offsets[0] == APART
