"""The table of peers: networks trained here, networks only profiled, and published results."""

import csv
from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.scenario import all_networks
from ssr_mmseg.stages.peers import COLUMNS, write_peers
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Profiles of all networks on a dataset with published results; one searched network and a baseline are trained."""
    monkeypatch.chdir(tmp_path)
    yard = {"type": "camvid", "source": "data", "size": [64, 96]}
    changes = {"datasets": {"yard": yard}, "networks": ["searched", "erfnet"], "seeds": [3, 4]}
    config = settings.complete({**changes, "search": {"cost": {"type": "macs", "target": [0.5, 0.7]}}})
    for rank, network in enumerate(all_networks(config, "yard")):
        names = {"dataset": network.scenario, "seed": 3, "network": network.name}
        cost = {"params": 10 + rank, "macs": 10**9, "device": "abacus", "backend": "eager", "precision": "fp32"}
        timing = {"fps": 1000 / (5 + rank), "latency_ms_p50": 5.0 + rank, "latency_ms_p95": 6.0 + rank}
        records = [{"size": size, **cost, **timing} for size in ([64, 96], [512, 1024])]
        files.write_json(Path(paths.PROFILE.format(**names)), {"records": records, "provenance": {}})
        if network.label in ("searched@0.5", "erfnet"):
            split = {"images": 4, "miou": 60.0 - rank, "pixel_accuracy": 90.0, "iou": {"sky": 60.0 - rank}}
            files.write_json(Path(paths.EVALUATION.format(**names)), {"val": split, "test": split, "exported": None})
    return config


def read() -> list[dict]:
    with open(paths.PEERS, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_network_has_a_row_per_size_and_trained_ones_have_their_accuracy(config):
    write_peers(config)
    rows = read()
    assert tuple(rows[0]) == COLUMNS
    here = [row for row in rows if row["origin"] == "measured here"]
    names = [network.label for network in all_networks(config, "yard")]
    assert [row["network"] for row in here] == [name for name in names for _ in range(2)]
    trained = {(row["network"], row["input_size"]): row["miou_test"] for row in here if row["miou_test"]}
    assert set(trained) == {("searched@0.5", "64x96"), ("erfnet", "64x96")}
    assert {row["kind"] for row in here} == {"searched", "baseline", "published"}
    assert all(row["params"] and row["macs"] and row["latency_ms_p50"] for row in here)


def test_published_results_are_listed_with_their_source(config):
    write_peers(config)
    published = {(row["network"], row["input_size"]): row for row in read() if row["origin"] == "published"}
    slim = published["DDRNet-23-slim", "720x960"]
    assert (slim["params"], slim["miou_test"], slim["device"]) == ("5700000", "74.7", "2080Ti")
    assert float(slim["latency_ms_p50"]) == pytest.approx(1000 / 230, abs=1e-3)
    assert published["SegNet", "360x480"]["latency_ms_p50"] == ""
    assert all(row["source"] for row in published.values())


def test_the_figure_shows_trained_networks_and_is_deleted_without_any(config):
    write_peers(config)
    figure = Path(paths.PEERS_FIGURE.format(dataset="yard"))
    drawn = figure.read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert "searched@0.5" in drawn
    assert "DDRNet-23-slim" in drawn
    assert "icnet" not in drawn, "only profiled, so it has no mIoU"
    for path in Path("results").glob("*/seed3/evaluate/*/evaluation.json"):
        path.unlink()
    write_peers(config)
    assert not figure.exists()


def test_a_missing_profile_names_the_command_that_makes_it(config):
    path = Path(paths.PROFILE.format(dataset="yard", seed=3, network="icnet"))
    path.unlink()
    with pytest.raises(UserError, match=f"{path} is missing; make it with: snakemake --cores all {path}"):
        write_peers(config)
    assert not Path(paths.PEERS).exists()


def test_a_trained_network_has_what_its_training_started_from(config):
    started = "yes: weights/r18.pth f37072fd0123 (backbone)"
    path = Path(paths.TRAINING.format(dataset="yard", seed=3, network="erfnet"))
    files.write_json(path, {"pretrained": started})
    write_peers(config)
    here = {(row["network"], row["pretrained"]) for row in read() if row["origin"] == "measured here"}
    assert {pretrained for network, pretrained in here if network == "erfnet"} == {started}
    assert {pretrained for network, pretrained in here if network != "erfnet"} == {""}
