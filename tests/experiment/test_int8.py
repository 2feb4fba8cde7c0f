"""Int8 in an experiment: ranges and kept layers follow from train, and exported files predict as the network does."""

import onnx
import onnxruntime
import pytest
import small_experiment
import torch
from small_experiment import NETWORK

from ssr_mmseg.cli import main
from ssr_mmseg.deploy.export import ExportOptions, exported_network
from ssr_mmseg.deploy.logits import logits_network
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.evaluation.logits_agreement import label_agreement
from ssr_mmseg.experiment import int8
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.int8 import GraphSegmentor, miou_before_and_after, plan_int8
from ssr_mmseg.experiment.sample_images import sample_images
from ssr_mmseg.stages.export import export_network
from ssr_mmseg.training.checkpoint.weights import load_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    small_experiment.make(folder)
    return folder


@pytest.fixture
def experiment(folder, monkeypatch) -> Experiment:
    monkeypatch.chdir(folder)
    return Experiment(small_experiment.configuration(calibration=3), "town", 0)


@pytest.fixture
def segmentor(experiment):
    segmentor = small_experiment.build(experiment)
    segmentor.load_state_dict(load_weights(small_experiment.WEIGHTS))
    return segmentor


def test_ranges_and_the_choice_of_layers_depend_on_train_only(experiment, segmentor, monkeypatch):
    splits = []
    loader = experiment.evaluation_loader

    def recorded(split, *arguments, **options):
        splits.append(split)
        return loader(split, *arguments, **options)

    monkeypatch.setattr(experiment, "evaluation_loader", recorded)
    plan_int8(experiment, segmentor, exported_network(logits_network(segmentor)))
    assert set(splits) == {"train"}


def test_the_tolerance_decides_whether_layers_stay_in_float32(experiment, segmentor, monkeypatch):
    network = exported_network(logits_network(segmentor))
    accuracies = []

    def evaluate(model, loader, classes):
        """Return 50 % for the network, and half a point less for each quantized convolution among the first four."""
        if not isinstance(model, GraphSegmentor):
            return {"miou": 50.0}
        accuracies.append(model)
        return {"miou": 50.0 - 0.5 * model.quantized}

    class Counted(GraphSegmentor):
        def __init__(self, segmentor, graph):
            super().__init__(segmentor, graph)
            floats = {tensor.name for tensor in graph.graph.initializer if tensor.data_type == 1}
            names = [node.input[1] for node in graph.graph.node if node.op_type == "Conv"]
            self.quantized = max(0, 4 - len(set(names) & floats))

    monkeypatch.setattr(int8, "GraphSegmentor", Counted)
    monkeypatch.setattr(int8, "evaluate_model", evaluate)
    for tolerance, count in ((2.0, 0), (1.0, 2)):
        experiment.settings["profile"]["tolerance"] = tolerance
        plan = plan_int8(experiment, segmentor, network)
        assert (len(plan.float_layers), plan.loss_all_int8, plan.loss) == (count, 2.0, 2.0 - 0.5 * count)
        kept = {tensor.name for tensor in plan.graph.graph.initializer} & set(plan.float_layers)
        assert len(kept) == count


def test_accuracy_on_val_is_that_of_the_network_and_of_its_int8_form(experiment, segmentor):
    plan = plan_int8(experiment, segmentor, exported_network(logits_network(segmentor)))
    measured = miou_before_and_after(experiment, segmentor, plan)
    assert set(measured) == {"miou_val_fp32", "miou_val_int8"}
    batch = next(iter(experiment.evaluation_loader("val")))
    with torch.no_grad():
        pairs = [
            model.test_step(batch)[0].pred_sem_seg.data for model in (segmentor, GraphSegmentor(segmentor, plan.graph))
        ]
    assert (pairs[0] == pairs[1]).double().mean() > 0.8  # of random weights, whose logits are close to each other


@pytest.mark.parametrize(
    "options",
    [
        ExportOptions(precision="int8"),
        ExportOptions("logits", batch=2, precision="int8"),
        ExportOptions("logits", (40, 72), dynamic=True, precision="int8"),
    ],
)
def test_an_int8_file_predicts_as_the_network(experiment, segmentor, tmp_path, options):
    out = tmp_path / "net.onnx"
    check = export_network(small_experiment.configuration(), "town", 0, NETWORK, out, options)
    assert 0 < check["logits_error"] < check["logits_tolerance"]
    assert {"miou_val_fp32", "miou_val_int8"} <= set(check)
    types = {tensor.data_type for tensor in onnx.load(out).graph.initializer}
    assert onnx.TensorProto.INT8 in types
    assert ExportedNetwork(out).metadata.head == options.head  # it passes the checks of foreign files
    images = sample_images(experiment, segmentor, "val", 2)[: options.batch]
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"images": images.numpy()})
    with torch.inference_mode():
        expected = logits_network(segmentor)(images)
    result = torch.from_numpy(result)
    if options.head == "labels":
        assert (result == expected.argmax(dim=1)).double().mean() > 0.8
    else:
        assert label_agreement(result, expected) > 0.8


def test_the_command_prints_accuracy_before_and_after(folder, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(folder)
    check = {"logits_error": 0.01, "miou_val_fp32": 61.234, "miou_val_int8": 61.1}
    seen = []
    monkeypatch.setattr("ssr_mmseg.stages.export.export_network", lambda *names: seen.append(names[-1]) or check)
    command = ["export", "--dataset", "streets", "--network", "searched", "--out", str(tmp_path / "net.onnx")]
    assert main([*command, "--precision", "int8"]) == 0
    assert seen[0].precision == "int8"
    assert "mIoU on val 61.23 % in fp32, 61.10 % in int8" in capfd.readouterr().out


def test_int8_without_a_dataset_is_refused(folder, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(folder)
    out = tmp_path / "net.onnx"
    genotype = folder / "config/genotypes" / f"{NETWORK}.json"
    weights = folder / small_experiment.WEIGHTS
    pair = ["--genotype", str(genotype), "--weights", str(weights), "--size", "32x64"]
    assert main(["export", *pair, "--precision", "int8", "--out", str(out)]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "int8 is calibrated on images of train; expected --dataset and --network with --precision int8" in line
    assert not out.exists()
