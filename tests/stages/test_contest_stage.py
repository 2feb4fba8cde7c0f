"""The stage `contest` on made-up results: its rows, its text and its figure, and results that are missing."""

from pathlib import Path

import pandas as pd
import pytest
from dataset_files import split_entry
from report_files import write_search

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.experiment.cost import NetworkCost
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.ranking import ranked_networks
from ssr_mmseg.stages.contest import COLUMNS, write_contest
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

DATASET = "town"
SEEDS = [2, 5]


@pytest.fixture
def config(tmp_path, monkeypatch) -> dict:
    """Write the results of a searched network and of two random ones for each seed, and two more to rank."""
    monkeypatch.chdir(tmp_path)
    stages = [{"blocks": 2, "channels": 20, "width_step": 2}, {"blocks": 2, "channels": 24, "width_step": 2}]
    config = settings.complete(
        {
            "seeds": SEEDS,
            "networks": ["searched", "random", "random_2", "erfnet"],
            "datasets": {DATASET: {"type": "streets", "size": [32, 64]}},
            "search": {
                "space": {"stages": stages, "width_options": 3},
                "shrink_stages": 2,
                "cost": {"type": "macs", "target": 0.6, "hold": None},
            },
            "contest": {"ranking": 4},
        }
    )
    write_json(Path(paths.MANIFEST.format(dataset=DATASET)), {"classes": list("abc"), **MANIFEST})
    for seed in SEEDS:
        write_search(config, DATASET, seed)
        end = {"gap": 0.25, "gates_decided": 1.0}
        write_json(Path(paths.GAP.format(dataset=DATASET, seed=seed)), {"end": end})
        ranked = ranked_networks(config) if seed == SEEDS[0] else []
        for number, network in enumerate(dict.fromkeys(["searched", "random", "random_2", *ranked])):
            write_network(seed, network, 50.0 - number)
    scores = {kind: {name: float(k) for k, name in enumerate(ranked_networks(config))} for kind in KINDS}
    write_json(Path(paths.RANK.format(dataset=DATASET, seed=SEEDS[0])), {"scores": scores})
    return config


KINDS = ("single_path", "relaxed")
MANIFEST = {
    "dataset": DATASET,
    "type": "streets",
    "root": ".",
    "size": [32, 64],
    "digest": "d",
    "notes": [],
    "palette": [[0, 0, 0], [1, 1, 1], [2, 2, 2]],
    "splits": {split: split_entry([1] * 3) for split in ("train", "val", "test")},
    "source": None,
    "warnings": [],
}


def write_network(seed: int, network: str, miou: float) -> None:
    names = {"dataset": DATASET, "seed": seed, "network": network}
    write_json(Path(paths.EVALUATION.format(**names)), {"val": {"miou": miou + 1}, "test": {"miou": miou}})
    write_json(Path(paths.TRAINING.format(**names)), {"hours": 0.02, "provenance": {"commit": "abc"}})
    if network != "searched":
        record = {"cost": 990.0, "target": 1000.0, "macs": 990, "unit": "multiply-adds"}
        times = {"hours": 0.125, "supernet_hours": 0.25}
        write_json(Path(paths.SELECTION.format(**names)), {**record, **times})


def test_there_is_a_row_for_each_network_and_seed_and_for_those_to_rank(config):
    write_contest(config)
    table = pd.read_csv(paths.CONTEST)
    assert list(table.columns) == list(COLUMNS)
    common = ["searched", "random", "random_2"]
    assert table[table.seed == 2].network.tolist() == [*common, "random_3", "random_4"]
    assert table[table.seed == 5].network.tolist() == common
    rival = table[(table.network == "random_2") & (table.seed == 2)].iloc[0]
    assert (rival.selector, rival.miou_test, rival.miou_val, rival.cost_ratio) == ("random", 48.0, 49.0, 0.99)
    assert rival.search_hours == 0.375
    assert (rival.score_single_path, rival.score_relaxed) == (1.0, 1.0)
    ours = table[table.network == "searched"].iloc[0]
    assert (ours.gap, ours.gates_decided, ours.cost_ratio) == (0.25, 1.0, 1.0)
    assert ours.macs == ours.cost > 0
    assert table[table.seed == 5].score_relaxed.isna().all()
    text = Path(paths.CONTEST_REPORT).read_text()
    assert "On town the searched networks have the highest mean mIoU: 50.00 % on test" in text
    assert "Ranks of 4 random networks" in text
    assert Path(paths.CONTEST_FIGURE.format(dataset=DATASET)).read_text().startswith("<svg")


def test_the_cost_of_the_searched_network_is_that_with_the_configured_head(config):
    narrow = NetworkCost(config, DATASET)
    base = str(paths.PROJECT / "config/mmseg/ssrnet_streets.py")
    Path("wide.py").write_text(f"_base_ = [{base!r}]\nmodel = dict(decode_head=dict(channels=128))\n")
    wide = NetworkCost(settings.complete(settings.merge(config, {"retrain": {"config": "wide.py"}})), DATASET)

    genotype = Genotype.read(paths.GENOTYPE.format(dataset=DATASET, seed=2))
    assert wide.macs(genotype) > 1.5 * narrow.macs(genotype)


@pytest.mark.parametrize("pattern", [paths.SELECTION, paths.EVALUATION, paths.TRAINING, paths.RANK, paths.GAP])
def test_a_missing_result_is_named_with_its_command(config, pattern):
    network = "random" if "{network}" in pattern else ""
    path = Path(pattern.format(dataset=DATASET, seed=2, network=network))
    path.unlink()
    with pytest.raises(UserError, match=rf"{path} is missing; make it with: snakemake --cores all {path}"):
        write_contest(config)
    assert not Path(paths.CONTEST).exists()


@pytest.mark.parametrize("scores", [3, {"relaxed": 3}, {"relaxed": {"random": "x"}}])
def test_malformed_ranks_are_one_line(config, scores):
    write_json(Path(paths.RANK.format(dataset=DATASET, seed=2)), {"scores": scores})
    with pytest.raises(UserError, match=r"rank\.json"):
        write_contest(config)
