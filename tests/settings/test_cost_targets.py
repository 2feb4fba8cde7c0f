"""Families: a list of targets is a search for each, everywhere that a search's results are named."""

import time

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs import job, progress, status
from ssr_mmseg.settings import cost_targets

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
def test_each_target_has_a_search_and_networks_of_its_own(cost, labels):
    config = completed(search={"cost": cost})
    assert settings.members(config, "town") == [f"town{label}" for label in labels]
    own = [f"{network}{label}" for network in ("searched", "random") for label in labels]
    assert settings.networks(config, "town") == [*own, "erfnet"]
    key, _ = cost_targets.TARGETS[cost["type"]]
    for label, target in zip(labels, cost[key], strict=True):
        member = settings.for_dataset(config, f"town{label}")
        assert member["search"]["cost"] == {"type": cost["type"], key: target, "hold": cost_targets.HOLD}
        assert member["dataset"]["name"] == "town"
        assert settings.manifest_path(config, f"town{label}") == settings.manifest_path(config, "town")
        assert cost_targets.place_of("town", f"searched{label}") == (f"town{label}", "searched")
    identities = {settings.stage_identity(config, "search", f"town{label}") for label in labels}
    assert len(identities) == len(labels)
    assert len({settings.stage_identity(config, "latency_table", f"town{label}") for label in labels}) == 1


def test_a_single_target_is_a_search_as_ever():
    config = completed()
    assert settings.members(config, "town") == ["town"]
    assert settings.networks(config, "town") == config["networks"]
    assert cost_targets.place_of("town", "searched") == ("town", "searched")


@pytest.mark.parametrize(
    ("cost", "hold"),
    [
        ({"type": "macs", "target": 0.6}, None),
        ({"type": "macs", "target": 0.6, "hold": 50}, 50),
        ({"type": "macs", "target": [0.6, 0.7]}, cost_targets.HOLD),
        ({"type": "macs", "target": [0.6, 0.7], "hold": None}, None),
        ({"type": "latency", "target_ms": 8}, cost_targets.HOLD),
        ({"type": "latency", "target_ms": 8, "hold": None}, None),
    ],
)
def test_what_a_search_is_held_to(cost, hold):
    config = completed(search={"cost": cost})
    for member in settings.members(config, "town"):
        assert cost_targets.hold_of(settings.for_dataset(config, member)["search"]["cost"]) == hold


def test_a_family_of_one_dataset_leaves_the_other_alone():
    config = completed(datasets={"town": {"search": {"cost": {"target": [0.5, 0.6]}}}})
    assert settings.members(config, "town") == ["town@0.5", "town@0.6"]
    assert settings.members(config, "village") == ["village"]
    alone = completed()
    for stage in ("search", "retrain"):
        wanted = settings.stage_identity(alone, stage, "village", network="searched")
        assert settings.stage_identity(config, stage, "village", network="searched") == wanted


def test_the_latency_section_concerns_searches_for_a_latency_alone():
    macs = (completed(), completed(latency={"rounds": 7}))
    assert len({settings.stage_identity(config, "search", "town") for config in macs}) == 1
    cost = {"cost": {"type": "latency", "target_ms": 3}}
    timed = (completed(search=cost), completed(search=cost, latency={"rounds": 7}))
    assert len({settings.stage_identity(config, "search", "town") for config in timed}) == 2
    assert [settings.latency_table_path(config, "town") for config in macs] == [None, None]


def test_the_ablation_takes_the_first_target():
    config = settings.complete({"search": {"cost": {"type": "macs", "target": [0.5, 0.6]}}})
    cell = settings.for_dataset(config, "ablation/ssr-shrink-joint")
    assert cell["search"]["cost"]["target"] == 0.5


def test_the_status_lists_the_searches_of_a_family(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = completed(search={"cost": {"type": "latency", "target_ms": [4, 8]}, "shrink_stages": 0})
    names = [job.name for job in job.jobs(config)]
    assert names.count("latency_table/town") == 1
    assert {"search/town@4ms-seed0", "profile/town@8ms-seed0-searched", "retrain/town-seed0-erfnet"} <= {*names}
    assert len(names) == len(set(names))
    progress.begin(progress.progress_path("search/town@4ms-seed0"))
    with progress.recorded("search/town@8ms-seed0"):
        pass
    shown = status.as_text(status.overview(config, time.time()))
    assert "town@4ms, seed 0   ▶ search" in shown
    assert progress.read(progress.progress_path("search/town@8ms-seed0"))["state"] == "done"


def test_a_named_table_is_no_job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "board.json").write_text("{}")
    asked = {"search": {"cost": {"type": "latency", "target_ms": 4}}, "latency": {"table": "board.json"}}
    assert "latency_table" not in {job.stage for job in job.jobs(completed(**asked))}


def test_a_cell_of_the_ablation_has_a_table_of_its_own():
    config = settings.complete({"search": {"cost": {"type": "latency", "target_ms": 4}}})
    tables = [job for job in job.ablation_jobs(config) if job.stage == "latency_table"]
    assert len(tables) == len(variants := settings.variants(config))
    assert {job.dataset for job in tables} == set(variants)


def test_a_cost_of_another_kind_replaces_the_default():
    assert completed(search={"cost": {"type": "latency", "target_ms": 3}})["search"]["cost"] == {
        "type": "latency",
        "target_ms": 3,
    }
    assert completed(search={"cost": {"target": 0.3}})["search"]["cost"] == {"type": "macs", "target": 0.3}
