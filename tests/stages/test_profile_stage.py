"""The stage `profile` with several backends, on a minimal experiment."""

from pathlib import Path

import onnx
import pytest
import torch
from small_experiment import NETWORK, build, configuration, make

from ssr_mmseg import settings
from ssr_mmseg.deploy.fold_batch_norm import BATCH_NORM
from ssr_mmseg.deploy.logits import deploy_network, logits_network
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.int8 import Int8Plan
from ssr_mmseg.experiment.sample_images import sample_images
from ssr_mmseg.models.batch_norm import draw_statistics
from ssr_mmseg.profiling.backends.quantizing import QuantizingBackend
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.profile import profile, variants
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

PROFILE = Path(paths.PROFILE.format(dataset="town", seed=0, network=NETWORK))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    make(folder)
    return folder


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def records(**options) -> list[dict]:
    profile(configuration(**options), "town", 0, NETWORK)
    return read_json(PROFILE)["records"]


def test_a_record_per_backend_batch_and_size(here):
    backends = ["eager", {"name": "channels_last", "graph": "folded"}]
    profiled = records(backends=backends, batches=[1, 2], sizes=[[40, 64]])
    runs = (("eager", "trained"), ("channels_last", "folded"))
    assert [(r["backend"], r["graph"], r["batch"], r["size"]) for r in profiled] == [
        (*run, batch, size) for run in runs for batch in (1, 2) for size in ([32, 64], [40, 64])
    ]
    assert all(record["logits_error"] < 1e-4 for record in profiled)
    assert all(record["miou_val"] is None for record in profiled)  # fp32 changes no prediction
    assert len({record["macs"] for record in profiled if record["size"] == [32, 64]}) == 1


def test_a_runtime_gets_the_deployed_network(here):
    (trained,) = records(backends=["eager"])
    (record,) = records(backends=["onnxruntime"], weights="trained")
    assert (record["graph"], record["precision"]) == ("deployed", "fp32")
    assert (record["macs"], record["params"]) == (trained["macs"], trained["params"])
    assert record["logits_error"] < 1e-5


def test_int8_records_have_the_measured_miou(here, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "ssr_mmseg.stages.profile.evaluate_model",
        lambda model, loader, classes: seen.append([model.test_step(batch)[0] for batch in loader]) or {"miou": 12.5},
    )
    backends = [{"name": "onnxruntime", "precision": "int8"}]
    profile(configuration(backends=backends, weights="trained"), "town", 0, NETWORK)
    (record,) = read_json(PROFILE)["records"]
    assert (record["precision"], record["miou_val"]) == ("int8", 12.5)
    assert [sample.pred_sem_seg.data.shape for sample in seen[0]] == [(1, 32, 64)] * 2
    assert record["label_agreement"] > 0.8
    assert (record["quantizer"], record["float_layers"]) == ("onnxruntime", [])
    assert record["miou_loss_train"] == record["miou_loss_train_all_int8"]
    assert record["miou_loss_train"] <= configuration()["profile"]["tolerance"]


def test_layers_of_the_plan_stay_in_float32_in_every_record(here, monkeypatch):
    plan = Int8Plan(onnx.ModelProto(), ("stem.conv.weight",), 3.0, 0.25)
    kept = []
    monkeypatch.setattr("ssr_mmseg.stages.profile.plan_int8", lambda *_: plan)
    monkeypatch.setattr(
        QuantizingBackend,
        "calibrate",
        lambda self, images, keep=(): kept.append(keep) or setattr(self, "calibration", images),
    )
    backends = [{"name": name, "precision": "int8"} for name in ("onnxruntime", "openvino")]
    profiled = records(backends=backends, weights="trained", sizes=[[40, 64]])
    fields = ("float_layers", "miou_loss_train_all_int8", "miou_loss_train")
    assert [[record[field] for field in fields] for record in profiled] == [[["stem.conv.weight"], 3.0, 0.25]] * 4
    assert set(kept) == {plan.float_layers}
    assert len(kept) == 6  # to time each of both at two sizes, and to measure each on val


def test_missing_weights_of_the_retraining_are_refused(here):
    config = configuration(weights="trained")
    changed = {**config, "networks": ["paper_cityscapes"]}
    with pytest.raises(UserError, match=r"retrain/paper_cityscapes/weights\.pth not found; make it with"):
        profile(changed, "town", 0, "paper_cityscapes")


def test_int8_without_trained_weights_is_refused_before_anything_runs(here):
    options = configuration(backends=["eager", {"name": "openvino", "precision": "int8"}])["profile"]
    with pytest.raises(UserError, match=r"int8, whose accuracy must be measured; set profile.weights to trained"):
        variants(options)


def test_sample_images_are_normalized_and_repeat(here):
    experiment = Experiment(configuration(), "town", 0)
    images = sample_images(experiment, build(experiment), "val", 5)
    assert images.shape == (5, 3, 32, 64)
    assert torch.equal(images[0], images[2])
    assert not torch.equal(images[0], images[1])
    assert 0.1 < images.std() < 3


def test_a_baseline_is_deployed_with_its_batch_norms_folded(here):
    config = configuration()
    experiment = Experiment({**config, "networks": ["fast_scnn"]}, "town", 0)
    segmentor = build(experiment, "fast_scnn")
    draw_statistics(segmentor, 1)
    model, images = logits_network(segmentor), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(deploy_network(model, images)(images), model(images), rtol=1e-3, atol=1e-4)
    assert BATCH_NORM not in [node.target for node in deploy_network(model, images).graph.nodes]


def test_the_identity_depends_on_the_retraining_only_with_trained_weights(here):
    def with_epochs(weights: str, epochs: int) -> str:
        config = configuration(weights=weights)
        config["retrain"]["epochs"] = epochs
        return settings.stage_identity(config, "profile", "town", 0, "erfnet")

    assert with_epochs("initial", 1) == with_epochs("initial", 2)
    assert with_epochs("trained", 1) != with_epochs("trained", 2)
