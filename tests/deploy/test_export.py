"""Exported files equal the network at every size and can be used without it."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import small_experiment
import torch
from deployed_networks import frames, random_network, randomize, small_genotype
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
from ssr_mmseg.experiment.pairs import build_derived
from ssr_mmseg.experiment.sample_images import sample_images
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages.export import export_network, export_pair
from ssr_mmseg.training.checkpoint.state_file import save_state
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.utils.errors import UserError

CONFIG = settings.read_config(PROJECT / settings.DEFAULTS)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A genotype file, a weights file of its network, and the network."""
    folder = tmp_path_factory.mktemp("pair")
    genotype = small_genotype()
    genotype.write(folder / "small.json")
    segmentor = build_derived(CONFIG["retrain"]["config"], genotype, 5).eval()
    randomize(segmentor, 2)
    save_state(folder / "weights.pth", {"model": segmentor.state_dict()})
    return folder / "small.json", folder / "weights.pth", logits_network(segmentor).eval()


def run(graph: bytes | str, images: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {onnx_export.INPUT: images.numpy()})[0])


def read_metadata(path: Path) -> OnnxMetadata:
    properties = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    return OnnxMetadata.from_metadata(properties, path.name)


@pytest.fixture(scope="module")
def dynamic() -> tuple[nn.Module, bytes]:
    """A network and its serialized graph of open size."""
    network = random_network(11, small_genotype())
    return network, build_graph(network, frames(0, 1, 3, 64, 96), dynamic=True).SerializeToString()


@pytest.mark.parametrize("size", [(32, 32), (40, 72), (72, 40), (64, 96), (88, 104)])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_graph_of_open_size_equals_the_network_at_every_multiple_of_8(dynamic, size, batch):
    network, graph = dynamic
    images = frames(1, batch, 3, *size)
    with torch.inference_mode():
        assert logits_error(run(graph, images), network(images)) < 1e-5


@pytest.mark.parametrize("size", [(32, 32), (40, 104)])
def test_a_fixed_graph_equals_the_network_at_any_multiple_of_8(size):
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
    channels_last = run(graph.SerializeToString(), images)
    assert logits_error(channels_last.permute(onnx_export.TO_NCHW), expected) < 1e-5


def test_a_fixed_graph_at_even_eighths_has_constant_resizes_and_no_slices():
    narrowing = Stage(20, (Block(1, 2, 18, 17), Block(1, 1, 18, 20))), Stage(48, (Block(2, 1, 20, 34),))
    graph = build_graph(random_network(13, Genotype(narrowing)), frames(0, 1, 3, 64, 96), dynamic=False).graph
    assert not {node.op_type for node in graph.node} & {"Shape", "Gather", "Pad", "Slice"}
    resizes = [node for node in graph.node if node.op_type == "Resize"]
    assert resizes
    assert all(len(node.input) == 3 for node in resizes)  # scales, no sizes


def test_labels_are_the_argmax_of_the_logits(pair, tmp_path):
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


@pytest.mark.parametrize(
    "options",
    [ExportOptions(size=(40, 64)), ExportOptions("logits", (40, 64)), ExportOptions(size=(40, 64), dynamic=True)],
)
def test_nothing_of_the_source_code_is_in_a_file(pair, tmp_path, options):
    export_pair(CONFIG, *pair[:2], tmp_path / "net.onnx", options)
    data = (tmp_path / "net.onnx").read_bytes()
    for text in (".py", str(PROJECT), str(Path(torch.__file__).parent), "stack_trace", str(Path.home())):
        assert text.encode() not in data, text
    model = onnx.load_from_string(data)
    assert [entry.key for entry in model.metadata_props] == [KEY]
    values = (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output)
    assert not any(part.metadata_props or part.doc_string for part in (*values, *model.graph.initializer))


def test_the_metadata_describe_input_and_output(pair, tmp_path):
    genotype, weights, _ = pair
    out = tmp_path / "net.onnx"
    options = ExportOptions(head="logits", size=(40, 64))
    names = ["sky", "road", "car", "tree", "post"]
    export_pair(CONFIG, genotype, weights, out, options, names)
    metadata = read_metadata(out)
    assert (metadata.network, metadata.head, metadata.size) == ("small", "logits", (40, 64))
    assert metadata.classes == tuple(names)
    assert len(set(metadata.palette)) == 5
    np.testing.assert_allclose(metadata.mean, [123.675, 116.28, 103.53], rtol=1e-6)
    np.testing.assert_allclose(metadata.std, [58.395, 57.12, 57.375], rtol=1e-6)
    assert metadata.provenance["versions"]["torch"]


class Wrong(LogitsNetwork):
    """Computes different logits when it is traced and when it is run."""

    def forward(self, images):
        return super().forward(images) * (1.0 if torch.compiler.is_exporting() else 1.01)


def test_a_graph_that_differs_from_the_network_is_not_written(pair, tmp_path):
    network = random_network(14)
    network.__class__ = Wrong
    network.backbone = nn.Sequential(network.backbone)  # so that it is not rewritten
    metadata = OnnxMetadata("x", "logits", (32, 32), ("a",) * 5, ((0, 0, 0),) * 5, (0, 0, 0), (1, 1, 1), {})
    with pytest.raises(UserError, match=r"the graph for .*net.onnx differs from the network: relative error"):
        write_onnx(network, frames(0, 1, 3, 32, 32), ExportOptions("logits"), metadata, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_runtime_is_refused_with_the_install_command(pair, tmp_path, monkeypatch):
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
def test_a_network_that_onnx_cannot_express_is_refused_in_one_line(network, found):
    with pytest.raises(UserError, match=f"the network cannot be exported to ONNX: .*{found}") as caught:
        onnx_export.export(network, torch.zeros(1, 3, 8, 8))
    assert "\n" not in str(caught.value)


def test_a_network_of_an_experiment_is_compared_on_its_own_images(tmp_path, monkeypatch):
    small_experiment.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = small_experiment.configuration()
    out = tmp_path / "net.onnx"
    agreement = export_network(config, "town", 0, small_experiment.NETWORK, out, ExportOptions("logits", batch=2))
    assert agreement["logits_error"] < 1e-5
    experiment = Experiment(config, "town", 0)
    segmentor = small_experiment.build(experiment)
    segmentor.load_state_dict(load_weights(small_experiment.WEIGHTS))
    images = sample_images(experiment, segmentor, "val", 2)
    with torch.inference_mode():
        assert logits_error(run(str(out), images), logits_network(segmentor)(images)) < 1e-5
    metadata = read_metadata(out)
    assert (metadata.network, metadata.size) == ("small", (32, 64))
    assert metadata.classes == tuple(experiment.manifest["classes"])
    assert [list(color) for color in metadata.palette] == experiment.manifest["palette"]


def fails(capfd, *arguments: str) -> str:
    assert main(["export", *arguments]) == 2
    (line,) = capfd.readouterr().err.strip().splitlines()
    return line


def test_user_errors_are_one_line_and_leave_no_file(pair, tmp_path, capfd):
    genotype, weights, _ = map(str, pair)
    out = tmp_path / "net.onnx"
    both = ("--genotype", genotype, "--weights", weights, "--out", str(out))
    paper = str(PROJECT / "config/genotypes/paper_cityscapes.json")
    assert "input size 40x60: expected a height and a width that are positive multiples of 8" in fails(
        capfd, *both, "--size", "40x60"
    )
    assert "specify --size HEIGHTxWIDTH" in fails(capfd, *both)
    assert "at most 16777216 pixels at once, found 2 images of 4096x4096" in fails(
        capfd, *both, "--size", "4096x4096", "--batch", "2"
    )
    assert "has 5 classes, found 2 names" in fails(capfd, *both, "--size", "40x64", "--classes", "a,b")
    assert "expected --genotype and --weights together" in fails(capfd, *both[:2], "--out", str(out))
    assert "expected --dataset and --network" in fails(capfd, "--out", str(out))
    assert "weights.pth are not the weights of" in fails(
        capfd, "--genotype", paper, "--weights", weights, "--out", str(out), "--size", "64x64"
    )
    assert "is not a readable state file" in fails(
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
def test_foreign_metadata_are_refused(metadata, problem):
    with pytest.raises(UserError, match=f"some.onnx.*{problem}.*ssr-mmseg export"):
        OnnxMetadata.from_metadata(metadata, "some.onnx")


def test_metadata_survive_the_round_trip():
    metadata = OnnxMetadata(
        "n", "labels", (8, 16), ("a", "ü"), ((1, 2, 3), (4, 5, 6)), (1, 2, 3), (4, 5, 6.5), {"commit": ""}
    )
    assert OnnxMetadata.from_metadata({KEY: metadata.to_json()}, "file") == metadata


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"labels"', '"masks"', "the head 'masks', expected labels or logits"),
        ('"classes": ["a", "b"]', '"classes": ["a"]', "1 classes but 2 colors"),
        ('"classes": ["a", "b"]', '"classes": []', "0 classes, expected 1 to 256"),
        ("[4, 5, 6]]", "[4, 5, 256]]", "a color outside 0 to 255"),
        ("[8, 16]", "[8, 1000000000]", "the size 8x1000000000, expected sides of 1 to"),
        ("[8, 16]", "[8192, 8192]", "a size that no network takes: expected at most 16777216 pixels at once"),
        ('"a", "b"', '"a", "\\u001b[2Jb"', r"the name '\\x1b\[2Jb', expected at most 1000 characters of plain text"),
        ('"network": "n"', '"network": "n\\n"', r"the name 'n\\n'"),
        ('"ssr-onnx-1"', '"\\u001b' + "x" * 10_000 + '"', r"found '\\x1bx{0,60}'?…"),
        (
            "[4, 5, 6.5]",
            "[4, 0, 6.5]",
            r"the standard deviation \(4.0, 0.0, 6.5\), expected numbers of 1e-06",
        ),
        ('[1, 2, 3], "std"', '[1, 2, -1e300], "std"', r"the mean \(1.0, 2.0, -1e\+300\), expected numbers of"),
        ("[4, 5, 6.5]", "[4, NaN, 6.5]", "damaged"),
        ('"std"', '"mean": [0, 0, 0], "std"', "damaged .*occurs twice"),
    ],
)
def test_invalid_metadata_are_refused(old, new, problem):
    text = OnnxMetadata(
        "n", "labels", (8, 16), ("a", "b"), ((1, 2, 3), (4, 5, 6)), (1, 2, 3), (4, 5, 6.5), {}
    ).to_json()
    assert old in text
    with pytest.raises(UserError, match=f"file: (its|expected) metadata .*{problem}"):
        OnnxMetadata.from_metadata({KEY: text.replace(old, new)}, "file")


def test_more_logits_than_any_network_has_are_refused():
    classes = tuple(f"c{number}" for number in range(64))
    fields = (classes, ((1, 2, 3),) * 64, (1, 2, 3), (4, 5, 6), {})
    labels = OnnxMetadata("n", "labels", (4096, 4096), *fields)
    assert OnnxMetadata.from_metadata({KEY: labels.to_json()}, "file") == labels
    logits = OnnxMetadata("n", "logits", (4096, 4096), *fields)
    with pytest.raises(
        UserError, match="have 64 logits for each of 4096x4096 pixels, expected at most 536870912 in all"
    ):
        OnnxMetadata.from_metadata({KEY: logits.to_json()}, "file")


class Sorting(LogitsNetwork):
    """Uses an operator that is not in the list of `onnx_check`."""

    def forward(self, images):
        return super().forward(images).topk(5, dim=1).values


def test_a_graph_that_predict_would_refuse_is_not_written(tmp_path):
    network = random_network(14)
    network.__class__ = Sorting
    network.backbone = nn.Sequential(network.backbone)  # so that it is not rewritten
    metadata = OnnxMetadata("x", "logits", (32, 32), ("a",) * 5, ((0, 0, 0),) * 5, (0, 0, 0), (1, 1, 1), {})
    with pytest.raises(
        UserError, match=r"the graph for .*net.onnx has the operator 'TopK', which predict does not read"
    ):
        write_onnx(network, frames(0, 1, 3, 32, 32), ExportOptions("logits"), metadata, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []
