"""What changed since a result was made, for every stage that says what it was made from."""

import copy
import json
import pkgutil
from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs import changes
from ssr_mmseg.jobs.job import ablation_jobs, contest_jobs, jobs
from ssr_mmseg.settings import stage_table
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

NETWORKS = ["searched", "random", "random_search", "erfnet", "paper_cityscapes"]


def experiment(**changed):
    town = {"type": "streets", "size": [64, 64]}
    search = {"shrink_stages": 1, "cost": {"type": "latency", "target_ms": 3.0}}
    first = settings.complete(
        {"datasets": {"town": town}, "networks": NETWORKS, "search": search, "contest": {"ranking": 2}}
    )
    return settings.merge(first, changed)


def recorded(config):
    return [job for job in (*jobs(config), *contest_jobs(config)) if stage_table.STAGES[job.stage].record]


def make(config, *made):
    for job in made or recorded(config):
        stage = "search" if job.stage == "shrink" else job.stage
        record = settings.made_from(config, stage, job.dataset, job.seed or 0, job.network)
        write_json(changes.record_path(job), {"made_from": json.loads(json.dumps(record))})


def found(config):
    """Changes by the name of the job, of the jobs with any."""
    return {job.name: listed for job in recorded(config) if (listed := changes.changes(config, job))}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_stage_with_a_result_of_its_own_is_listed():
    stages = {job.stage for job in recorded(experiment())}
    assert stages == {name for name, stage in stage_table.STAGES.items() if stage.wildcards}


def test_nothing_changed_and_nothing_made():
    config = experiment()
    assert found(config) == {}
    make(config)
    assert found(config) == {}
    assert found(settings.merge(config, {"threads": {"search": 7}, "monitor": {"validation": 0.5}})) == {}


CHANGED = {  # section, key, new value, and the stages whose results depend on it
    "retrain.epochs": ("retrain", "epochs", 999, {"select", "profile", "retrain", "evaluate", "gap"}),
    "evaluate.frames": ("evaluate", "frames", 0, {"evaluate", "gap"}),
    "profile.runs": ("profile", "runs", 7, {"profile"}),
    "discretize.undecided": (
        "discretize",
        "undecided",
        "refuse",
        {"discretize", "select", "retrain", "evaluate", "profile", "gap", "rank"},
    ),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_setting_is_named_by_all_that_depend_on_it(name):
    section, key, new, stages = CHANGED[name]
    config = experiment()
    old = config[section][key]
    assert old != new
    make(config)
    listed = found(experiment(**{section: {key: new}}))
    assert {job.split("/")[0] for job in listed} == stages
    assert {tuple(lines) for lines in listed.values()} == {(f"{name} {old} → {new}",)}


def test_the_data_come_first_and_reach_everything():
    config = experiment()
    make(config)
    changed = copy.deepcopy(config)
    changed["datasets"]["town"]["options"] = {"train": 3, "val": 2, "test": 2, "seed": 1}
    listed = found(changed)
    direct = listed["prepare/town"]
    assert direct[0].startswith("datasets.town.options")
    assert listed["evaluate/town-seed0-erfnet"] == direct
    assert "profile/town-seed0-erfnet" not in listed, "a timing needs no data"


def test_an_input_that_was_made_again_is_named():
    config, changed = experiment(), experiment(retrain={"epochs": 999})
    make(config)
    make(changed, *(job for job in recorded(changed) if job.stage == "retrain"))
    listed = found(changed)
    assert listed["evaluate/town-seed0-erfnet"] == ["retrain/town-seed0-erfnet was made again"]
    assert not any(name.startswith("retrain") for name in listed)


def test_a_new_version_and_an_edited_file_are_named(monkeypatch):
    config = experiment()
    make(config)
    old = stage_table.STAGES["profile"]
    newer = stage_table.Stage(**{**vars(old), "version": old.version + 1})
    monkeypatch.setitem(stage_table.STAGES, "profile", newer)
    text = f"version of the stage profile {old.version} → {newer.version}"
    assert found(config)["profile/town-seed0-erfnet"] == [text]
    monkeypatch.undo()


def test_an_edited_config_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = experiment()
    make(config)
    name = config["retrain"]["config"]
    (tmp_path / name).parent.mkdir(parents=True)
    base = (PROJECT / name).resolve()
    (tmp_path / name).write_text(f"_base_ = {str(base)!r}\n")
    assert found(config)["evaluate/town-seed0-erfnet"] == [f"{name} changed"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"made_from": null}', '{"made_from": 3}', '{"made_from": {}}']
)
def test_a_result_that_does_not_say_is_accepted(content):
    config = experiment()
    job = next(job for job in recorded(config) if job.stage == "retrain")
    changes.record_path(job).parent.mkdir(parents=True)
    changes.record_path(job).write_text(content)
    assert changes.changes(config, job) == []


@pytest.mark.parametrize("record", [{}, {"settings": 3}, {"inputs": [1]}, {"values": "x", "files": "y", "version": []}])
def test_a_malformed_record_is_a_change_and_no_crash(record):
    config = experiment()
    job = next(job for job in recorded(config) if job.stage == "evaluate")
    write_json(changes.record_path(job), {"made_from": {"identity": "abc", **record}})
    assert changes.changes(config, job)


def test_a_stage_refuses_an_input_of_another_configuration():
    config = experiment()
    make(config)
    changes.check_inputs(config, "evaluate", "town", 0, "erfnet")
    with pytest.raises(UserError) as error:
        changes.check_inputs(experiment(retrain={"epochs": 999}), "evaluate", "town", 0, "erfnet")
    path = "results/town/seed0/retrain/erfnet/training.json"
    assert str(error.value).startswith(f"{path} is a result of another configuration (retrain.epochs ")
    assert str(error.value).endswith(f"; make it again with: snakemake --cores all {path}")


def ablation(**changed):
    one = {"dataset": "town", "seeds": [0], "search": {}, "retrain": True, "dimensions": {"depth": ["depth"]}}
    blocks = [{"regularizer": ["ssr"], "shrink": [True], "dimensions": ["depth"]}]
    return settings.complete(settings.merge(experiment(**changed), {"ablation": {**one, "blocks": blocks}}))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("table:write_table", ()),
        ("summary:write_summary", ()),
        ("contest:write_contest", ()),
        ("peers:write_peers", ()),
        ("ablation:write_ablation", ()),
        ("export:export_network", ("town", 0, "erfnet", Path("net.onnx"), None)),
    ],
)
def test_results_of_another_configuration_are_neither_joined_nor_exported(function, arguments):
    call = pkgutil.resolve_name(f"ssr_mmseg.stages.{function}")
    config = ablation()
    make(config)
    make(config, *(job for job in ablation_jobs(config) if stage_table.STAGES[job.stage].record))
    with pytest.raises(UserError, match="is a result of another configuration"):
        call(ablation(retrain={"epochs": 999}), *arguments)
    with pytest.raises(Exception, match=r"^(?!.*another configuration)"):  # they hold no numbers
        call(config, *arguments)


def test_long_lists_of_changes_are_cut():
    assert changes.text(["a", "b", "c", "d"]) == "a, b, c, d"
    assert changes.text(["a", "b", "c", "d", "e"]) == "a, b, c, 2 more"
