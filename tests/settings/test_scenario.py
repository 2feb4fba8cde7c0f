"""Scenarios of a configuration: datasets, cost targets and cells of the ablation."""

import time

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs import job, progress, status
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.cost_targets import HOLD, hold_of, target_key
from ssr_mmseg.settings.scenario import TableNetwork, scenario_named, scenarios, searches, table_networks
from ssr_mmseg.utils.errors import UserError

TWO = {"datasets": {name: {"type": "streets", "size": [64, 64]} for name in ("town", "village")}}


def completed(**changes) -> dict:
    return settings.complete(settings.merge({**TWO, "networks": ["searched", "random", "erfnet"]}, changes))


@pytest.mark.parametrize(
    ("cost", "labels"),
    [
        ({"type": "macs", "target": [0.4, 0.75]}, ["@0.4", "@0.75"]),
        ({"type": "latency", "target_ms": [4, 8.5]}, ["@4ms", "@8.5ms"]),
    ],
)
def test_each_target_has_its_own_search_and_networks(cost, labels):
    config = completed(search={"cost": cost})
    assert searches(config, "town") == [f"town{label}" for label in labels]
    expected = [f"{network}{label}" for network in ("searched", "random") for label in labels]
    assert [network.label for network in table_networks(config, "town")] == [*expected, "erfnet"]
    key, _ = target_key(cost)
    for label, target in zip(labels, cost[key], strict=True):
        scenario = settings.for_dataset(config, f"town{label}")
        assert scenario["search"]["cost"] == {"type": cost["type"], key: target, "hold": HOLD}
        assert scenario["dataset"]["name"] == "town"
        assert settings.manifest_path(config, f"town{label}") == settings.manifest_path(config, "town")
        network = TableNetwork(f"searched{label}", "searched", f"town{label}")
        assert network in table_networks(config, "town")
    identities = {settings.stage_identity(config, "search", f"town{label}") for label in labels}
    assert len(identities) == len(labels)
    assert len({settings.stage_identity(config, "latency_table", f"town{label}") for label in labels}) == 1


def test_a_single_target_is_the_search_of_the_dataset_itself():
    config = completed()
    assert searches(config, "town") == ["town"]
    assert table_networks(config, "town") == [TableNetwork(name, name, "town") for name in config["networks"]]


@pytest.mark.parametrize(
    ("cost", "hold"),
    [
        ({"type": "macs", "target": 0.6}, HOLD),
        ({"type": "macs", "target": 0.6, "hold": None}, None),
        ({"type": "macs", "target": 0.6, "hold": 50}, 50),
        ({"type": "macs", "target": [0.6, 0.7]}, HOLD),
        ({"type": "macs", "target": [0.6, 0.7], "hold": None}, None),
        ({"type": "latency", "target_ms": 8}, HOLD),
        ({"type": "latency", "target_ms": 8, "hold": None}, None),
    ],
)
def test_the_weight_that_holds_a_search_to_its_target(cost, hold):
    config = completed(search={"cost": cost})
    for name in searches(config, "town"):
        assert hold_of(settings.for_dataset(config, name)["search"]["cost"]) == hold


def test_targets_of_one_dataset_do_not_affect_another():
    config = completed(datasets={"town": {"search": {"cost": {"target": [0.5, 0.6]}}}})
    assert searches(config, "town") == ["town@0.5", "town@0.6"]
    assert searches(config, "village") == ["village"]
    unchanged = completed()
    for stage in ("search", "retrain"):
        expected = settings.stage_identity(unchanged, stage, "village", network="searched")
        assert settings.stage_identity(config, stage, "village", network="searched") == expected


def test_the_latency_section_affects_only_searches_for_a_latency():
    macs = (completed(), completed(latency={"rounds": 7}))
    assert len({settings.stage_identity(config, "search", "town") for config in macs}) == 1
    cost = {"cost": {"type": "latency", "target_ms": 3}}
    timed = (completed(search=cost), completed(search=cost, latency={"rounds": 7}))
    assert len({settings.stage_identity(config, "search", "town") for config in timed}) == 2
    assert [settings.latency_table_path(config, "town") for config in macs] == [None, None]


def with_the_default_ablation(cost: dict) -> dict:
    """Return the default configuration with another cost, also of its ablation."""
    ablation = settings.read_config(paths.PROJECT / settings.DEFAULTS)["ablation"]
    del ablation["search"]["cost"]
    return settings.complete({"search": {"cost": cost}, "ablation": ablation})


def test_the_ablation_takes_the_first_target():
    config = with_the_default_ablation({"type": "macs", "target": [0.5, 0.6]})
    cell = settings.for_dataset(config, "ablation/ssr-shrink-joint")
    assert cell["search"]["cost"]["target"] == 0.5


def test_the_status_lists_the_searches_of_every_target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = completed(search={"cost": {"type": "latency", "target_ms": [4, 8]}, "shrink_stages": 0})
    names = [job.name for job in job.jobs(config)]
    assert names.count("latency_table/town") == 1
    assert {"search/town@4ms-seed0", "profile/town@8ms-seed0-searched", "retrain/town-seed0-erfnet"} <= {*names}
    assert len(names) == len(set(names))
    progress.begin(progress.progress_path({}, "search/town@4ms-seed0"))
    with progress.recorded({}, "search/town@8ms-seed0"):
        pass
    shown = status.as_text(status.overview(config, time.time()))
    assert "town@4ms, seed 0   ▶ search" in shown
    assert progress.read(progress.progress_path({}, "search/town@8ms-seed0"))["state"] == "done"


def test_a_latency_table_given_by_name_is_not_a_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "board.json").write_text("{}")
    changes = {"search": {"cost": {"type": "latency", "target_ms": 4}}, "latency": {"table": "board.json"}}
    assert "latency_table" not in {job.stage for job in job.jobs(completed(**changes))}


def test_every_cell_of_the_ablation_has_its_own_latency_table():
    config = with_the_default_ablation({"type": "latency", "target_ms": 4})
    tables = [job for job in job.ablation_jobs(config) if job.stage == "latency_table"]
    cells = set(scenarios(config)) - set(config["datasets"])
    assert len(tables) == len(cells)
    assert {job.dataset for job in tables} == cells


def test_a_cost_of_another_type_replaces_the_default():
    assert completed(search={"cost": {"type": "latency", "target_ms": 3}})["search"]["cost"] == {
        "type": "latency",
        "target_ms": 3,
    }
    assert completed(search={"cost": {"target": 0.3}})["search"]["cost"] == {
        "type": "macs",
        "target": 0.3,
        "hold": HOLD,
    }


def test_an_unknown_scenario_is_one_line_with_the_nearest_name():
    config = completed(search={"cost": {"type": "latency", "target_ms": [4, 8]}})
    with pytest.raises(
        UserError, match=r"town@9ms is not configured; did you mean town@\dms\? configured are: town, vill"
    ):
        scenario_named(config, "town@9ms")


@pytest.mark.parametrize("cost", [{"type": "energy"}, {"type": "energy", "target": 1, "target_mj": 2}])
def test_a_cost_has_exactly_one_target(cost):
    with pytest.raises(UserError, match="expected exactly one key target or target_<unit>"):
        target_key(cost)


def test_the_unit_of_a_target_is_part_of_its_key():
    assert target_key({"type": "energy", "target_mj": 5, "hold": 1}) == ("target_mj", "mj")
    assert target_key({"type": "macs", "target": 0.5}) == ("target", "")
