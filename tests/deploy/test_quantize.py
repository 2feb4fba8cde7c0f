"""Int8 graphs predict the classes of the trained network, and layers that are kept compute in float32."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from deployed_networks import frames, random_network, small_genotype
from onnx import numpy_helper
from torch import Tensor, nn

from ssr_mmseg.deploy import onnx_export
from ssr_mmseg.deploy.average_pools import average_pools_to_convolutions
from ssr_mmseg.deploy.deployed_network import DeployedNetwork
from ssr_mmseg.deploy.float_layers import choose_float_layers, sensitivity_order
from ssr_mmseg.deploy.logits import LogitsNetwork
from ssr_mmseg.deploy.onnx_check import check_model
from ssr_mmseg.deploy.quantize import CalibratedGraph, quantize
from ssr_mmseg.evaluation.logits_agreement import label_agreement, logits_error

SIZE, CLASSES = (32, 64), 3


def scenes(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Return noisy images (count, 3, 32, 64) of squares in three colors, and the classes of their pixels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count, SIZE[0] // 8, SIZE[1] // 8), generator=generator)
    labels = labels.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    colors = 1.5 * nn.functional.one_hot(labels, CLASSES).permute(0, 3, 1, 2)
    return colors + torch.randn(colors.shape, generator=generator), labels


@pytest.fixture(scope="module")
def trained() -> LogitsNetwork:
    """A small network that was trained to name the color of each square."""
    network = random_network(1, small_genotype(), CLASSES).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for step in range(80):
        images, labels = scenes(step, 4)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def exported(trained) -> onnx.ModelProto:
    return onnx_export.export(DeployedNetwork(trained.backbone, trained.head), torch.zeros(1, 3, *SIZE))


@pytest.fixture(scope="module")
def calibrated(exported) -> CalibratedGraph:
    return CalibratedGraph(exported, scenes(1000, 8)[0])


def run(graph: onnx.ModelProto, images: Tensor) -> Tensor:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return torch.cat([torch.from_numpy(session.run(None, {"images": image.numpy()})[0]) for image in images.split(1)])


def constants(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


@torch.inference_mode()
def test_labels_of_the_int8_graph_are_those_of_the_trained_network(trained, calibrated):
    images, labels = scenes(2000, 16)
    expected = trained(images)
    assert (expected.argmax(dim=1) == labels).double().mean() > 0.9  # the network has learned its task
    logits = run(calibrated.quantize(), images)
    assert label_agreement(logits, expected) > 0.98
    assert 1e-4 < logits_error(logits, expected) < 0.1  # it is int8, and close


def test_weights_are_int8_with_a_scale_per_output_channel(calibrated):
    graph = calibrated.quantize()
    check_model(graph.SerializeToString(), "the graph")
    onnx.checker.check_model(graph, full_check=True)
    values = constants(graph)
    for layer in calibrated.layers:
        weight, scale = values[f"{layer}_quantized"], values[f"{layer}_scale"]
        assert weight.dtype == np.int8
        assert scale.shape == weight.shape[:1]
        assert layer not in values
    assert "AveragePool" not in [node.op_type for node in graph.graph.node]
    scales = [scale for name, scale in values.items() if name.endswith("_scale") and "_quantized" not in name]
    assert any(scale.ndim == 0 for scale in scales)  # activations have one each


def test_kept_layers_compute_in_float32(exported, calibrated):
    images = scenes(2000, 4)[0]
    exact, all_int8 = run(exported, images), run(calibrated.quantize(), images)
    first, *others = sensitivity_order(calibrated)
    graph = calibrated.quantize([first])
    values = constants(graph)
    assert values[first].dtype == np.float32
    assert all(values[f"{layer}_quantized"].dtype == np.int8 for layer in others)
    assert logits_error(run(graph, images), exact) < logits_error(all_int8, exact)
    everything = calibrated.quantize(calibrated.layers)
    assert not {node.op_type for node in everything.graph.node} & {"QuantizeLinear", "DequantizeLinear"}
    torch.testing.assert_close(run(everything, images), exact, rtol=1e-4, atol=1e-4)


def test_ranges_are_those_of_the_calibration_images(exported):
    images = scenes(1000, 4)[0]
    scales = [constants(quantize(exported, factor * images))["images_scale"] for factor in (1, 2)]
    assert scales[0] == pytest.approx(float(images.max() - images.min()) / 255, rel=1e-5)
    assert scales[1] == pytest.approx(2 * scales[0], rel=1e-5)


def test_a_batch_and_an_open_size_are_quantized_alike(trained):
    images = scenes(1000, 5)[0]
    network = DeployedNetwork(trained.backbone, trained.head, dynamic=True)
    graphs = [onnx_export.export(network, images[:2]), onnx_export.export(network, images[:2], dynamic=True)]
    pairs = [constants(quantize(graph, images[:4])) for graph in graphs]
    assert [float(values["images_scale"]) for values in pairs] == pytest.approx([pairs[0]["images_scale"].item()] * 2)
    fixed = quantize(graphs[0], images)
    session = onnxruntime.InferenceSession(fixed.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"images": images[:2].numpy()})[0].shape == (2, CLASSES, *SIZE)


@pytest.mark.parametrize("tolerance", [0.0, 1.5, 3.0])
def test_as_few_layers_as_suffice_stay_in_float32(calibrated, tolerance):
    def loss(graph: onnx.ModelProto) -> float:
        """Points lost: three, less one for each convolution with float weights."""
        return max(0.0, 3.0 - len(set(constants(graph)) & set(calibrated.layers)))

    chosen = choose_float_layers(calibrated, loss, tolerance)
    count = {0.0: 3, 1.5: 2, 3.0: 0}[tolerance]
    assert chosen.names == tuple(sensitivity_order(calibrated)[:count])
    assert (chosen.loss_all_int8, chosen.loss) == (3.0, 3.0 - count)


def test_a_loss_that_float_layers_cannot_reduce_keeps_all_of_them(calibrated):
    chosen = choose_float_layers(calibrated, lambda graph: 2.0, 0.5)
    assert set(chosen.names) == set(calibrated.layers)
    assert chosen.loss == 2.0


def test_the_order_is_that_of_the_errors_with_one_float_layer(exported, calibrated):
    images = torch.cat([torch.from_numpy(batch) for batch in calibrated.batches[:4]])
    exact = run(exported, images)
    errors = {layer: logits_error(run(calibrated.quantize([layer]), images), exact) for layer in calibrated.layers}
    assert [errors[layer] for layer in sensitivity_order(calibrated)] == pytest.approx(
        sorted(errors.values()), rel=1e-3
    )


@pytest.mark.parametrize(
    ("pool", "replaced"),
    [
        (nn.AvgPool2d(2), True),
        (nn.AvgPool2d((2, 4), stride=(2, 1)), True),
        (nn.AvgPool2d(3, stride=2, padding=1), False),
        (nn.AvgPool2d(3, stride=2, ceil_mode=True), False),
    ],
)
def test_average_pools_become_convolutions_of_the_same_value(pool, replaced):
    network = nn.Sequential(nn.Conv2d(3, 6, 3), pool, nn.Conv2d(6, 4, 1)).eval()
    images = frames(3, 1, 3, 18, 22)
    graph = onnx_export.export(network, images)
    changed = average_pools_to_convolutions(graph)
    assert ("AveragePool" in [node.op_type for node in changed.graph.node]) is not replaced
    assert "AveragePool" in [node.op_type for node in graph.graph.node]  # the given graph is unchanged
    torch.testing.assert_close(run(changed, images), run(graph, images), rtol=1e-5, atol=1e-6)
