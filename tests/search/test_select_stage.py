"""The stage `select`: every selector on the tiny experiment, its record, and an interrupted training of candidates."""

import shutil
from pathlib import Path

import pytest
from tiny_experiment import DATASET, experiment

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype, find_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.experiment.candidates import load_trained_supernet
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.plugin_names import plugin_names
from ssr_mmseg.settings.scenario import scenarios, supernet_scenario
from ssr_mmseg.settings.selector_supernets import KINDS, supernet_of
from ssr_mmseg.stages.rank import rank
from ssr_mmseg.stages.search import search
from ssr_mmseg.stages.select import select
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

QUICK = {"evolution": {"population": 3, "sample": 2}, "local_search": {"least": 4}}


def configuration(**selectors) -> dict:
    changes = {"networks": ["searched", *plugin_names("selector")], "selectors": {**QUICK, **selectors}}
    return settings.complete(settings.merge(experiment(), changes))


def record_of(network: str, folder: Path = Path()) -> dict:
    return read_json(folder / paths.SELECTION.format(dataset=DATASET, seed=0, network=network))


@pytest.mark.parametrize("network", [*plugin_names("selector"), "random_3"])
def test_every_selector_writes_a_network_of_the_cost_and_its_record(finished, tmp_path, monkeypatch, network):
    shutil.copytree(finished, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    config = configuration()
    if kind := supernet_of(network):
        search(config, supernet_scenario(DATASET, kind), 0)
    select(config, DATASET, 0, network)
    genotype = Genotype.read(paths.SELECTED.format(dataset=DATASET, seed=0, network=network))
    find_choice(SearchSpace.from_settings(config["search"]), genotype)  # it is in the space
    record = record_of(network)
    json_schema.check(record, "results/selection", "selection.json", "")
    assert abs(record["cost"] / record["target"] - 1) < 0.05
    assert record["macs"] == record["cost"]
    assert (record["supernet_hours"] > 0) == (supernet_of(network) is not None)
    assert record["hours"] == pytest.approx(sum(entry["seconds"] for entry in record["candidates"]) / 3600)
    assert bool(record["candidates"]) == (network.partition("_")[0] not in ("random", "uniform") or "search" in network)
    assert all((work / "finished").exists() for work in Path("results/work").glob("*select*"))


def test_a_stopped_training_of_candidates_continues(finished, tmp_path, monkeypatch, stopped):
    for name in ("whole", "cut"):
        shutil.copytree(finished, tmp_path / name)
    config = configuration()
    monkeypatch.chdir(tmp_path / "whole")
    select(config, DATASET, 0, "random_search")
    monkeypatch.chdir(tmp_path / "cut")
    iterations = []
    iterate = ResumableTrainLoop.run_iter

    def count(self, idx, data_batch):
        iterations.append(idx)
        iterate(self, idx, data_batch)

    stopped(ResumableTrainLoop, 6, select, config, DATASET, 0, "random_search")  # in the second candidate
    monkeypatch.setattr(ResumableTrainLoop, "run_iter", count)
    select(config, DATASET, 0, "random_search")
    whole, cut = (record_of("random_search", tmp_path / name)["candidates"] for name in ("whole", "cut"))
    common = min(len(whole), len(cut))  # the time decides how many there are
    assert [(c["key"], c["score"]) for c in cut][:common] == [(c["key"], c["score"]) for c in whole][:common]
    assert len(iterations) == 4 * len(cut) - 6


def test_an_unknown_argument_is_named(finished, monkeypatch):
    monkeypatch.chdir(finished)
    with pytest.raises(UserError, match=r"selector random: .*colour.*; its arguments are: near, draws"):
        select({**configuration(), "selectors": {"random": {"colour": 1}}}, DATASET, 0, "random")


def test_supernets_are_scenarios_only_if_a_network_needs_them():
    names = scenarios(experiment())
    assert not any("/" in name for name in names)
    assert set(scenarios(configuration())) - set(names) == {f"{DATASET}/single_path", f"{DATASET}/relaxed"}


def test_ranks_are_the_scores_of_the_random_networks_in_each_supernet(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    config = settings.complete({**configuration(), "contest": {"ranking": 3}})
    for kind in KINDS:
        search(config, supernet_scenario(DATASET, kind), 0)
    names = ["random", "random_2", "random_3"]
    for name in names:
        select(config, DATASET, 0, name)
    rank(config, DATASET, 0)
    scores = read_json(Path(paths.RANK.format(dataset=DATASET, seed=0)))["scores"]
    assert list(scores) == list(KINDS)
    space = SearchSpace.from_settings(config["search"])
    for kind in KINDS:
        assert list(scores[kind]) == names
        supernet = load_trained_supernet(config, supernet_scenario(DATASET, kind), 0)
        genotype = Genotype.read(paths.SELECTED.format(dataset=DATASET, seed=0, network="random_2"))
        assert scores[kind]["random_2"] == supernet.score_network(find_choice(space, genotype))
