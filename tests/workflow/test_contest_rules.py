"""The contest in the workflow: supernets that selectors need, networks to rank, and what a changed value reruns."""

import pytest

SMALL = ("--configfile", "config/small.yaml")
CONFIG = """\
seeds: [0, 3]
networks: [searched, random, evolution, local_search, darts_pt, erfnet]
datasets:
  town: {type: streets, size: [64, 64]}
search: {shrink_stages: 0}
contest: {ranking: 4}
"""
TARGET = "results/contest.csv"
SELECTED = ("random", "evolution", "local_search", "darts_pt")


@pytest.fixture
def small(checkout):
    (checkout.folder / "config/small.yaml").write_text(CONFIG)
    return checkout


@pytest.fixture
def contested(small):
    call = small.snakemake(TARGET, *SMALL)
    assert call.status == 0, call.output
    return small


def plan(checkout, *arguments):
    call = checkout.snakemake("--dry-run", TARGET, *arguments)
    assert call.status == 0, call.output
    return call


def test_selectors_share_their_supernets_and_the_ranking_has_more_draws(small):
    counts = plan(small, *SMALL).counts
    networks = 2 * (1 + len(SELECTED)) + 3  # random_2 to random_4 with the first seed; no erfnet
    assert counts == {
        "prepare": 1,
        "search": 2 * 3,  # with the supernets trained by single paths and without a regularizer
        "discretize": 2,
        "select": 2 * len(SELECTED) + 3,
        "retrain": networks,
        "evaluate": networks,
        "gap": 2,
        "rank": 1,
        "contest": 1,
    }


def test_without_a_ranking_only_the_supernets_in_use_are_trained(small):
    change = ("--config", "contest={ranking: 0}", "networks=[searched, random, evolution]")
    counts = plan(small, *SMALL, *change).counts
    assert (counts["search"], counts["select"], counts.get("rank", 0)) == (4, 4, 0)


def test_it_runs_once_and_an_argument_reruns_only_its_selector(contested):
    assert {"contest.csv", "contest.md", "town/seed0/rank.json"} <= set(contested.files())
    assert "town/single_path/seed3/search/state.pth" in contested.files()
    assert "Nothing to be done" in plan(contested, *SMALL).output
    jobs = plan(contested, *SMALL, "--config", "selectors={evolution: {population: 8}}").jobs
    assert {job["network"] for job in jobs if "network" in job} == {"evolution"}
    assert {job["rule"] for job in jobs} == {"select", "retrain", "evaluate", "contest"}


def test_another_warm_up_reruns_the_search_and_one_supernet(contested):
    jobs = plan(contested, *SMALL, "--config", "search={warmup: 0.5}").jobs
    assert {job["dataset"] for job in jobs if job["rule"] == "search"} == {"town", "town/relaxed"}


def test_a_contest_needs_a_rival(small):
    call = small.snakemake("--dry-run", TARGET, *SMALL, "--config", "networks=[searched, erfnet]")
    assert call.status != 0
    assert "expected both among networks, found: searched, erfnet; add them, as in config/contest.yaml" in call.output
    assert "Traceback" not in call.output
