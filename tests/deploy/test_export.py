"""Exported files: equal to the network at every size, and complete enough to be run without it."""

import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import small_experiment
import torch
from deployed_networks import frames, random_network, randomise, small_genotype
from torch import nn

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Block, Genotype, Stage
from ssr_mmseg.cli import main
from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.export import ExportOptions, build_graph, write_onnx
from ssr_mmseg.deploy.logits import LogitsNetwork, logits_network
from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata
from ssr_mmseg.evaluation.logits_agreement import logits_error
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.sample_images import sample_images
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages.export import derived_segmentor, export_network, export_pair
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError

CONFIG = settings.read_config(PROJECT / settings.DEFAULTS)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A genotype file, the weights file of its network, and the network."""
    folder = tmp_path_factory.mktemp("pair")
    genotype = small_genotype()
    genotype.write(folder / "small.json")
    segmentor = derived_segmentor(CONFIG, genotype, 5).eval()
    randomise(segmentor, 2)
    save_state(folder / "weights.pth", {"model": segmentor.state_dict()})
    return folder / "small.json", folder / "weights.pth", logits_network(segmentor).eval()


def run(graph: bytes | str, images: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {onnx_export.INPUT: images.numpy()})[0])


@pytest.fixture(scope="module")
def dynamic() -> tuple[nn.Module, bytes]:
    """A network, and its graph of open size as bytes."""
    network = random_network(11, small_genotype())
    return network, build_graph(network, frames(0, 1, 3, 64, 96), dynamic=True).SerializeToString()


@pytest.mark.parametrize("size", [(32, 32), (40, 72), (72, 40), (64, 96), (88, 104)])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_graph_of_open_size_is_the_network_at_every_multiple_of_8(dynamic, size, batch):
    network, graph = dynamic
    images = frames(1, batch, 3, *size)
    with torch.inference_mode():
        assert logits_error(run(graph, images), network(images)) < 1e-5


@pytest.mark.parametrize("size", [(32, 32), (40, 104)])
def test_a_fixed_graph_exports_cleanly_at_any_multiple_of_8(size):
    network = random_network(12, small_genotype())
    images = frames(2, 2, 3, *size)
    graph = build_graph(network, images, dynamic=False)
    onnx.checker.check_model(graph, full_check=True)
    assert not {node.op_type for node in graph.graph.node} & {"BatchNormalization", "If", "Loop"}
    assert onnx_export.output_shape(graph) == [2, 5, *size]
    with torch.inference_mode():
        expected = network(images)
    assert logits_error(run(graph.SerializeToString(), images), expected) < 1e-5
    assert onnx_export.channels_last_output(graph)
    assert onnx_export.output_shape(graph) == [2, *size, 5]
    last = run(graph.SerializeToString(), images)
    assert logits_error(last.permute(onnx_export.TO_NCHW), expected) < 1e-5


def test_a_fixed_graph_at_even_eighths_resizes_by_constants_and_keeps_its_channels():
    narrowing = Stage(20, (Block(1, 2, 18, 17), Block(1, 1, 18, 20))), Stage(48, (Block(2, 1, 20, 34),))
    graph = build_graph(random_network(13, Genotype(narrowing)), frames(0, 1, 3, 64, 96), dynamic=False).graph
    assert not {node.op_type for node in graph.node} & {"Shape", "Gather", "Pad", "Slice"}
    resizes = [node for node in graph.node if node.op_type == "Resize"]
    assert resizes
    assert all(len(node.input) == 3 for node in resizes)  # scales, no sizes


def test_labels_are_the_largest_logits(pair, tmp_path):
    genotype, weights, network = pair
    out = tmp_path / "net.onnx"
    export_pair(CONFIG, genotype, weights, out, ExportOptions(size=(40, 64), batch=2))
    images = frames(5, 2, 3, 40, 64)
    labels = run(str(out), images)
    assert labels.dtype == torch.uint8
    with torch.inference_mode():
        expected = network(images).argmax(dim=1)
    assert labels.shape == expected.shape
    assert (labels == expected).double().mean() > 0.999


def test_the_file_says_how_to_feed_it(pair, tmp_path):
    genotype, weights, _ = pair
    out = tmp_path / "net.onnx"
    form = ExportOptions(head="logits", size=(40, 64))
    names = ["sky", "road", "car", "tree", "post"]
    export_pair(CONFIG, genotype, weights, out, form, names)
    metadata = onnxruntime.InferenceSession(str(out)).get_modelmeta().custom_metadata_map
    package = OnnxMetadata.from_metadata(metadata, "net.onnx")
    assert (package.network, package.head, package.size) == ("small", "logits", (40, 64))
    assert package.classes == tuple(names)
    assert len(set(package.palette)) == 5
    np.testing.assert_allclose(package.mean, [123.675, 116.28, 103.53], rtol=1e-6)
    np.testing.assert_allclose(package.std, [58.395, 57.12, 57.375], rtol=1e-6)
    assert package.provenance["versions"]["torch"]


class Wrong(LogitsNetwork):
    """Says one thing when it is traced and another when it is run."""

    def forward(self, images):
        return super().forward(images) * (1.0 if torch.compiler.is_exporting() else 1.01)


def test_a_file_that_would_differ_is_not_written(pair, tmp_path):
    network = random_network(14)
    network.__class__ = Wrong
    network.backbone = nn.Sequential(network.backbone)  # not a network that is rewritten
    package = OnnxMetadata("x", "logits", (32, 32), ("a",) * 5, ((0, 0, 0),) * 5, (0, 0, 0), (1, 1, 1), {})
    with pytest.raises(UserError, match=r"the graph for .*net.onnx differs from the network: relative error"):
        write_onnx(network, frames(0, 1, 3, 32, 32), ExportOptions("logits"), package, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_runtime_is_named_with_the_line_that_installs_it(pair, tmp_path, monkeypatch):
    genotype, weights, _ = pair
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"^export needs onnxruntime, which is not installed; run: pip install"):
        export_pair(CONFIG, genotype, weights, tmp_path / "net.onnx", ExportOptions(size=(40, 64)))
    assert list(tmp_path.iterdir()) == []


class Unsupported(nn.Module):
    def forward(self, images):
        return torch.special.bessel_j0(images)


class Branching(nn.Module):
    def forward(self, images):
        return images if images.sum() > 0 else -images


@pytest.mark.parametrize(("network", "found"), [(Unsupported(), "bessel_j0"), (Branching(), "")])
def test_what_onnx_cannot_express_is_one_line(network, found):
    with pytest.raises(UserError, match=f"the network cannot be exported to ONNX: .*{found}") as caught:
        onnx_export.export(network, torch.zeros(1, 3, 8, 8))
    assert "\n" not in str(caught.value)


def test_a_network_of_an_experiment_is_compared_on_its_frames(tmp_path, monkeypatch):
    small_experiment.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = small_experiment.configuration()
    out = tmp_path / "net.onnx"
    found = export_network(config, "town", 0, small_experiment.NETWORK, out, ExportOptions("logits", batch=2))
    assert found["logits_error"] < 1e-5
    experiment = Experiment(config, "town", 0)
    segmentor = small_experiment.build(experiment)
    segmentor.load_state_dict(load_state(small_experiment.WEIGHTS)["model"])
    images = sample_images(experiment, segmentor, "val", 2)
    with torch.inference_mode():
        assert logits_error(run(str(out), images), logits_network(segmentor)(images)) < 1e-5
    metadata = onnxruntime.InferenceSession(str(out)).get_modelmeta().custom_metadata_map
    package = OnnxMetadata.from_metadata(metadata, "net.onnx")
    assert (package.network, package.size) == ("small", (32, 64))
    assert package.classes == tuple(experiment.manifest["classes"])
    assert [list(colour) for colour in package.palette] == experiment.manifest["palette"]


def fails(capfd, *arguments: str) -> str:
    assert main(["export", *arguments]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    return line


def test_mistakes_are_one_line_and_leave_no_file(pair, tmp_path, capfd):
    genotype, weights, _ = map(str, pair)
    out = tmp_path / "net.onnx"
    both = ("--genotype", genotype, "--weights", weights, "--out", str(out))
    paper = str(PROJECT / "config/genotypes/paper_cityscapes.json")
    assert "input size 40x60: expected multiples of 8" in fails(capfd, *both, "--size", "40x60")
    assert "say --size HEIGHTxWIDTH" in fails(capfd, *both)
    assert "expected a batch of at least 1 image" in fails(capfd, *both, "--size", "40x64", "--batch", "0")
    assert "has 5 classes, found 2 names" in fails(capfd, *both, "--size", "40x64", "--classes", "a,b")
    assert "expected --genotype and --weights together" in fails(capfd, *both[:2], "--out", str(out))
    assert "expected --dataset and --network" in fails(capfd, "--out", str(out))
    assert "weights.pth are not the weights of" in fails(
        capfd, "--genotype", paper, "--weights", weights, "--out", str(out), "--size", "64x64"
    )
    assert "is no readable state" in fails(
        capfd, "--genotype", genotype, "--weights", genotype, "--out", str(out), "--size", "64x64"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("metadata", "problem"),
    [
        ({}, "has no metadata 'ssr_mmseg'"),
        ({KEY: "{"}, "damaged"),
        ({KEY: '{"format": "ssr-onnx-9"}'}, "expected metadata of format ssr-onnx-1, found 'ssr-onnx-9'"),
        ({KEY: '{"format": "ssr-onnx-1", "network": "n"}'}, "damaged .*head"),
    ],
)
def test_metadata_that_are_not_ours_are_refused(metadata, problem):
    with pytest.raises(UserError, match=f"some.onnx.*{problem}.*ssr-mmseg export"):
        OnnxMetadata.from_metadata(metadata, "some.onnx")


def test_metadata_survive_the_round_trip():
    package = OnnxMetadata(
        "n", "labels", (8, 16), ("a", "ü"), ((1, 2, 3), (4, 5, 6)), (1, 2, 3), (4, 5, 6.5), {"commit": ""}
    )
    assert OnnxMetadata.from_metadata({KEY: package.to_json()}, "file") == package


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"labels"', '"masks"', "the head 'masks', expected labels or logits"),
        ('"classes": ["a", "b"]', '"classes": ["a"]', "1 classes but 2 colours"),
        ('"classes": ["a", "b"]', '"classes": []', "0 classes, expected 1 to 256"),
        ("[4, 5, 6]]", "[4, 5, 256]]", "a colour beyond 0 to 255"),
        ("[8, 16]", "[8, 1000000000]", "the size 8x1000000000, expected sides of 1 to"),
        ("[4, 5, 6.5]", "[4, 0, 6.5]", "nothing can be normalised by"),
        ("[4, 5, 6.5]", "[4, NaN, 6.5]", "damaged"),
        ('"std"', '"mean": [0, 0, 0], "std"', "damaged .*stands twice"),
    ],
)
def test_metadata_that_nothing_can_be_fed_by_are_refused(old, new, problem):
    text = OnnxMetadata(
        "n", "labels", (8, 16), ("a", "b"), ((1, 2, 3), (4, 5, 6)), (1, 2, 3), (4, 5, 6.5), {}
    ).to_json()
    assert old in text
    with pytest.raises(UserError, match=f"file: its metadata 'ssr_mmseg' .*{problem}"):
        OnnxMetadata.from_metadata({KEY: text.replace(old, new)}, "file")
