"""Resizing width and height in turn gives the logits of one resize, with the classes last."""

import onnx
import onnxruntime
import pytest
import torch
from deployed_networks import frames, random_network, small_genotype
from torch import Tensor, nn

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.deployed_network import DeployedNetwork
from ssr_mmseg.deploy.split_resize import split_last_resize
from ssr_mmseg.profiling import create_backend


def run(graph: onnx.ModelProto, images: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def upsampled(**options) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 5, 1), nn.Upsample(**options)).eval()


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    "network",
    [upsampled(scale_factor=4, mode="bilinear"), upsampled(scale_factor=(2, 8), mode="bilinear", align_corners=True)],
)
def test_the_logits_are_the_same_with_the_classes_last(network, batch):
    images = frames(1, batch, 3, 7, 12)
    graph = onnx_export.export(network, images)
    expected = run(graph, images)
    assert split_last_resize(graph)
    onnx.checker.check_model(graph, full_check=True)
    assert [node.op_type for node in graph.graph.node].count("Resize") == 2
    torch.testing.assert_close(run(graph, images).permute(onnx_export.TO_NCHW), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "network",
    [upsampled(scale_factor=4, mode="nearest"), upsampled(scale_factor=2, mode="bicubic"), nn.Conv2d(3, 5, 1)],
)
def test_other_graphs_stay_as_they_are(network):
    graph = onnx_export.export(network, frames(1, 1, 3, 8, 16))
    before = graph.SerializeToString()
    assert not split_last_resize(graph)
    assert graph.SerializeToString() == before


def test_openvino_computes_the_deployed_network(monkeypatch):
    network = random_network(4, small_genotype())
    images = frames(2, 1, 3, 32, 64)
    deployed = DeployedNetwork(network.backbone, network.head, 16)
    graph = onnx_export.export(deployed, images)
    assert split_last_resize(graph)
    results = []
    for split in (split_last_resize, lambda graph: False):
        monkeypatch.setattr("ssr_mmseg.profiling.backends.openvino.split_last_resize", split)
        backend = create_backend("openvino", deployed, torch.device("cpu"))
        backend.prepare(images)
        results.append(backend.run().clone())
    torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(results[0], network(images), rtol=1e-3, atol=1e-3)
