"""Results that should not be trusted are named, with a remedy; all others are not."""

import json
from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs import status
from ssr_mmseg.jobs.result_warnings import accuracy_doubts, result_warnings, search_doubts
from ssr_mmseg.settings import paths

DECIDED = {"depth": {"exist": 2, "decided": 2}, "operator": {"exist": 5, "decided": 5}}
UNDECIDED = DECIDED | {"operator": {"exist": 5, "decided": 2}}
GOOD = {"Sky": 80.0, "Road": 60.0, "Car": 0.0, "Train": None}
ONE = {"Sky": 0.0, "Road": 30.0, "Car": 0.0, "Train": None}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    town = {"type": "streets", "size": [64, 64]}
    search = {"shrink_stages": 2, "cost": {"type": "macs", "target": [0.5, 0.7]}}
    return settings.complete(
        {"datasets": {"town": town}, "networks": ["searched", "erfnet"], "seeds": [0, 4], "search": search}
    )


def write(path, value) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(value if isinstance(value, str) else json.dumps(value))


def write_search(scenario, seed, groups=DECIDED, relaxed=40.0, one_hot=40.0) -> None:
    metrics = {"groups": groups, "relaxed_miou": relaxed, "one_hot_miou": one_hot}
    write(paths.stage_metrics_path({}, scenario, seed, 2), metrics)
    worse = {"groups": UNDECIDED, "relaxed_miou": 50.0, "one_hot_miou": 0.0}  # of a stage before the last one
    write(paths.stage_metrics_path({}, scenario, seed, 1), worse)


def write_evaluation(scenario, seed, network, val=GOOD, test=GOOD, problem=None) -> None:
    splits = {"val": {"iou": val}, "test": None if test is None else {"iou": test}}
    evaluation = {**splits, "exported": None, "export_problem": problem}
    write(paths.EVALUATION.format(dataset=scenario, seed=seed, network=network), evaluation)


@pytest.mark.parametrize(
    ("groups", "relaxed", "one_hot", "doubts"),
    [
        (DECIDED, 40.0, 40.0, []),
        (DECIDED, 40.0, 38.0, []),
        (DECIDED, 40.0, 42.5, []),
        (DECIDED, None, None, []),
        (DECIDED, 40.0, 37.9, ["one-hot gates lose 2.1 points of mIoU"]),
        ({"depth": {}}, 40.0, 40.0, []),
        (UNDECIDED, 40.0, 40.0, ["3 of 7 gate groups undecided"]),
        (UNDECIDED, 40.0, 9.1, ["3 of 7 gate groups undecided", "one-hot gates lose 30.9 points of mIoU"]),
    ],
)
def test_a_search_that_ends_undecided_or_with_a_gap_is_doubtful(groups, relaxed, one_hot, doubts):
    assert search_doubts(groups, relaxed, one_hot) == doubts


@pytest.mark.parametrize(
    ("iou", "doubts"),
    [
        (GOOD, []),
        (ONE, ["recognizes Road only"]),
        (dict.fromkeys(GOOD, 0.0), ["recognizes no class"]),
        ({"Road": 30.0, "Car": None}, []),
    ],
)
def test_a_network_of_one_class_is_doubtful(iou, doubts):
    assert accuracy_doubts(iou) == doubts


def test_without_results_nothing_is_doubtful(config):
    assert result_warnings(config) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"groups": 3}', '{"test": {}}', '{"test": {"iou": 3}}'])
def test_a_malformed_result_is_left_to_the_stages_that_read_it(config, text):
    write(paths.stage_metrics_path({}, "town@0.5", 0, 2), text)
    write(paths.EVALUATION.format(dataset="town", seed=0, network="erfnet"), text)
    assert result_warnings(config) == []


def test_good_results_give_no_warning(config):
    for seed in (0, 4):
        write_evaluation("town", seed, "erfnet", test=None)
        for scenario in ("town@0.5", "town@0.7"):
            write_search(scenario, seed)
            write_evaluation(scenario, seed, "searched")
    assert result_warnings(config) == []


def test_every_doubtful_result_gets_a_line_with_its_remedy(config):
    write_search("town@0.7", 4, UNDECIDED, one_hot=30.0)
    write_evaluation("town@0.5", 0, "searched", val=GOOD, test=ONE)
    write_evaluation("town", 4, "erfnet", val=ONE, test=None)
    first, second, third = result_warnings(config)
    assert first.startswith("town@0.5, seed 0: searched recognizes Road only; train longer (retrain.epochs or ")
    assert second.startswith(
        "town@0.7, seed 4: the search ended with 3 of 7 gate groups undecided and one-hot gates lose 10.0 points"
    )
    assert "search longer (search.epochs, search.shrink_epochs or search.min_steps)" in second
    assert third.startswith("town, seed 4: erfnet recognizes Road only; ")
    assert third.endswith("config/mmseg/ssrnet_streets.py")


def test_a_network_without_an_exported_file_is_named(config):
    write_evaluation("town", 0, "erfnet", problem="the operator 'Tan'")
    assert result_warnings(config) == ["town, seed 0: erfnet has no exported file: the operator 'Tan'"]


def test_a_rival_is_not_to_be_trained_longer(config, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"")
    rival = {"onnx": str(tmp_path / "a.onnx"), "name": "yolo"}
    write_evaluation("town", 0, "yolo", test=ONE)
    (warning,) = result_warnings(settings.complete({**config, "networks": [rival]}))
    assert warning == "town, seed 0: yolo recognizes Road only; check its preprocess and classes in networks"


def test_a_search_without_shrinking_is_told_to_shrink(config):
    config = settings.complete(settings.merge(config, {"search": {"shrink": False}}))
    write_search("town@0.5", 0, UNDECIDED)
    (warning,) = result_warnings(config)
    assert warning.endswith("; set search.shrink to true")


def test_a_search_that_no_configured_network_depends_on_is_not_mentioned(config):
    write_search("town@0.5", 0, UNDECIDED)
    assert len(result_warnings(settings.complete({**config, "networks": ["uniform"]}))) == 1
    assert result_warnings(settings.complete({**config, "networks": ["erfnet"]})) == []


def test_the_status_has_the_warnings(config):
    write_evaluation("town", 0, "erfnet", test=ONE)
    (warning,) = result_warnings(config)
    assert f"! {warning}" in status.as_text(status.overview(config, 0.0)).splitlines()


@pytest.mark.parametrize(
    ("cost", "warning"),
    [(102.9, ""), (97.1, ""), (104.0, "random costs 4% more than"), (89.0, "random costs 11% less than")],
)
def test_a_rival_of_another_cost_does_not_compare(config, cost, warning):
    config = settings.complete({**config, "networks": ["searched", "random", "erfnet"]})
    record = {"cost": cost, "target": 100.0}
    write(paths.SELECTION.format(dataset="town@0.5", seed=4, network="random"), record)
    lines = result_warnings(config)
    assert len(lines) == bool(warning)
    if warning:
        assert lines[0].startswith(f"town@0.5, seed 4: {warning} the searched network")


@pytest.mark.parametrize("text", ["", "[]", '{"cost": 1}', '{"cost": "x", "target": 1}', '{"cost": 1, "target": 0}'])
def test_a_malformed_selection_is_left_to_its_reader(config, text):
    config = settings.complete({**config, "networks": ["searched", "random"]})
    write(paths.SELECTION.format(dataset="town@0.5", seed=0, network="random"), text)
    assert result_warnings(config) == []
