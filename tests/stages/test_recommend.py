"""The stage `recommend`: which network it ships, what is next to it, and what its card says."""

from pathlib import Path

import pytest
import torch
from small_experiment import NETWORK, configuration, make

from ssr_mmseg import settings
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.profiling.timing import Timing
from ssr_mmseg.settings import paths
from ssr_mmseg.stages import recommend as stage
from ssr_mmseg.stages.evaluate import evaluate
from ssr_mmseg.stages.profile import profile
from ssr_mmseg.stages.recommend import recommend
from ssr_mmseg.training.checkpoint.weights import save_weights
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, sha256

OTHER = "fast_scnn"
CARD = Path(paths.CARD)
SHIPPED = CARD.parent
RECORD = Path(paths.RECOMMENDATION)


def config(ms: float | None = 5.0, **changes) -> dict:
    wanted = {"latency_ms": ms, "backend": "onnxruntime", "license": "CC BY 4.0", **changes}
    networks = {"networks": [NETWORK, OTHER], "evaluate": {"frames": 0}, "recommend": wanted}
    return settings.complete(settings.merge(configuration(), networks))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with the results of two networks: one whose predictions follow nothing, and one of a single class."""
    folder = tmp_path_factory.mktemp("town")
    make(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        experiment = Experiment(config(), "town", 0)
        other = experiment.build(experiment.network(OTHER, genotype_for({}, OTHER, "town", 0))).eval()
        torch.nn.init.zeros_(other.decode_head.conv_seg.weight)
        weights = Path(paths.WEIGHTS.format(dataset="town", seed=0, network=OTHER))
        save_weights(weights, other.state_dict(), experiment.manifest, experiment.size)
        for network in (NETWORK, OTHER):
            Path(paths.NETWORK_CONFIG.format(dataset="town", seed=0, network=network)).write_text("# config\n")
            evaluate(config(), "town", 0, network)
            profile(config(), "town", 0, network)
    return folder


@pytest.fixture
def here(trained, monkeypatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def set_times(monkeypatch, **milliseconds: tuple[float, bool]) -> None:
    """Let the networks have latencies, in the order of the configuration: milliseconds, and whether they settled."""
    timings = [Timing((ms, ms), 5, settled) for ms, settled in milliseconds.values()]
    monkeypatch.setattr(stage, "time_files", lambda *_: timings)


def exported(network: str) -> Path:
    return Path(paths.EXPORTED.format(dataset="town", seed=0, network=network))


def test_the_recommended_network_is_shipped_with_all_that_is_needed_to_use_it(here, monkeypatch):
    set_times(monkeypatch, small=(3.0, True), fast_scnn=(9.0, True))
    recommend(config())
    record = read_json(RECORD)
    assert (record["recommended"], record["seed"]) == (NETWORK, 0)
    assert set(record["files"]) == {"model.onnx", "config.py", "weights.pth", "genotype.json"}
    assert {path.name for path in SHIPPED.iterdir()} == {*record["files"], "card.md", "recommendation.json"}
    assert sha256(SHIPPED / "model.onnx") == record["networks"][0]["file"]["sha256"] == sha256(exported(NETWORK))
    assert ExportedNetwork(SHIPPED / "model.onnx").metadata.size == (32, 64)
    assert [one["verdict"] for one in record["networks"]] == ["recommended", "too slow"]
    text = CARD.read_text()
    for part in (
        "# town: small",
        "3.00 ms",
        "CC BY 4.0",
        "| fast_scnn |",
        "too slow",
        "## Limits",
        "val has 2 images only",
    ):
        assert part in text
    for name in read_json(Path(paths.MANIFEST.format(dataset="town")))["classes"]:
        assert f"| {name} |" in text


def test_a_rival_that_is_faster_and_as_accurate_is_recommended_in_its_place(here, monkeypatch):
    set_times(monkeypatch, small=(3.0, True), fast_scnn=(1.0, True))
    monkeypatch.setattr(stage, "rank", lambda candidates, limit: real_rank(same_counts(candidates), limit))
    recommend(config())
    assert read_json(RECORD)["recommended"] == OTHER
    assert not (SHIPPED / "genotype.json").exists(), "that of an earlier recommendation is removed"
    assert "as accurate" in CARD.read_text()
    assert f"--network {OTHER} --out" in CARD.read_text()


def real_rank(candidates, limit):
    from ssr_mmseg.recommendation.rule import rank

    return rank(candidates, limit)


def same_counts(candidates):
    from dataclasses import replace

    return [replace(one, counts=candidates[0].counts) for one in candidates]


def test_times_that_do_not_settle_are_neither_recommended_nor_printed(here, monkeypatch):
    set_times(monkeypatch, small=(3.14, False), fast_scnn=(9.0, True))
    recommend(config(ms=10.0))
    assert read_json(RECORD)["recommended"] == OTHER
    assert "3.14" not in CARD.read_text()
    set_times(monkeypatch, small=(3.14, False), fast_scnn=(2.71, False))
    recommend(config(ms=10.0))
    assert read_json(RECORD)["recommended"] is None
    assert "No latency settled" in CARD.read_text()
    assert "2.71" not in CARD.read_text()


def test_without_a_network_within_the_time_nothing_is_shipped_and_the_card_says_why(here, monkeypatch):
    set_times(monkeypatch, small=(6.0, True), fast_scnn=(7.0, True))
    recommend(config())
    assert read_json(RECORD)["recommended"] is None
    assert {path.name for path in SHIPPED.iterdir()} == {"card.md", "recommendation.json"}
    assert "No network is within 5 ms; the fastest, `small`, takes 6.00 ms" in CARD.read_text()


def test_a_file_that_was_replaced_after_its_evaluation_is_refused(here, monkeypatch):
    set_times(monkeypatch, small=(3.0, True), fast_scnn=(9.0, True))
    original = exported(NETWORK).read_bytes()
    exported(NETWORK).write_bytes(exported(OTHER).read_bytes())
    try:
        with pytest.raises(UserError, match="is not the file that was evaluated; delete"):
            recommend(config())
    finally:
        exported(NETWORK).write_bytes(original)


def test_a_damaged_table_of_images_is_refused(here, monkeypatch):
    set_times(monkeypatch, small=(3.0, True), fast_scnn=(9.0, True))
    table = Path(paths.PER_IMAGE.format(dataset="town", seed=0, network=NETWORK))
    original = table.read_text()
    table.write_text(original.replace(",", ";"))
    try:
        with pytest.raises(UserError, match="is missing or damaged; delete it"):
            recommend(config())
    finally:
        table.write_text(original)


def test_networks_that_were_trained_on_val_cannot_be_compared_on_it(here):
    trained_on_both = settings.merge(config(), {"datasets": {"town": {"train_split": "train+val"}}})
    with pytest.raises(UserError, match=r"trained on train\+val, expected train alone, .* set train_split to train"):
        recommend(trained_on_both)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_files_are_timed_by_what_runs_them(here, backend):
    recommend(config(ms=None, backend=backend))
    record = read_json(RECORD)
    assert record["backend"] == backend
    for one in record["networks"]:
        assert 0 < one["latency_ms"]["p50"] <= one["latency_ms"]["p95"]
        assert one["miou"]["val"]["low"] <= one["miou"]["val"]["value"] <= one["miou"]["val"]["high"]
