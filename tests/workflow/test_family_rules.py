"""Cost targets, their latency table and the table of peers in the workflow."""

import pytest

NOTHING = "Nothing to be done"
FAMILY = ("--configfile", "config/family.yaml")
CONFIG = """\
networks: [searched, erfnet]
datasets:
  town: {type: streets, size: [64, 64]}
search:
  shrink_stages: 0
  cost: {type: latency, target_ms: [4, 8.5]}
"""
PEERS = "results/peers.csv"


@pytest.fixture
def with_targets(checkout):
    (checkout.folder / "config/family.yaml").write_text(CONFIG)
    return checkout


def counts(checkout, *arguments):
    call = checkout.snakemake("--dry-run", *arguments, *FAMILY)
    assert call.status == 0, call.output
    return call.counts


def test_all_targets_share_one_latency_table_and_a_changed_target_is_one_search(with_targets):
    searches = dict.fromkeys(("search", "discretize", "gap"), 2)
    networks = dict.fromkeys(("retrain", "evaluate", "profile"), 3)
    joined = dict.fromkeys(("table", "summary", "report", "all"), 1)
    assert counts(with_targets) == {"prepare": 1, "latency_table": 1, **searches, **networks, **joined}
    call = with_targets.snakemake("results/table.csv", *FAMILY)
    assert call.status == 0, call.output
    assert {"town/latency/table.json", "town@8.5ms/seed0/profile/searched/profile.json"} <= set(with_targets.files())
    assert NOTHING in with_targets.snakemake("--dry-run", "results/table.csv", *FAMILY).output
    with_targets.edit("config/family.yaml", "[4, 8.5]", "[4, 9]")
    assert counts(with_targets, "results/table.csv") == {
        **dict.fromkeys(("search", "discretize", "gap", "retrain", "evaluate", "profile", "table"), 1)
    }
    with_targets.edit("config/family.yaml", "[4, 9]", "[4, 8.5]")
    (with_targets.folder / "results/town/latency/table.json").write_text("measured again\n")
    again = counts(with_targets, "results/table.csv")
    assert (again["search"], again["retrain"], again.get("latency_table", 0)) == (2, 2, 0)


def test_peers_are_profiled_without_training(checkout):
    call = checkout.snakemake("--dry-run", PEERS, "--config", "networks=[erfnet]")
    assert call.status == 0, call.output
    profiled = {job["network"] for job in call.jobs if job["rule"] == "profile"}
    assert {"erfnet", "icnet", "pidnet_s", "ddrnet_23_slim", "bisenetv1", "stdc2", "paper_cityscapes"} <= profiled
    assert set(call.counts) == {"prepare", "profile", "peers"}
