"""Every CPU backend computes the network's logits; the others are refused with one line that says why."""

import copy
import sys

import pytest
import torch
from torch import nn

from ssr_mmseg.evaluation.logits_agreement import check_logits
from ssr_mmseg.profiling import BACKENDS, create_backend, profile_model
from ssr_mmseg.profiling.openvino_core import openvino_core
from ssr_mmseg.utils.errors import UserError

CPU = torch.device("cpu")
HERE = [
    ("eager", "fp32"),
    ("eager", "bf16"),
    ("eager", "fp16"),
    ("channels_last", "fp32"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
    ("openvino", "fp32"),
    ("openvino", "int8"),
]


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A small segmentation network with random batch statistics, in training mode."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Dropout2d(0.5),
        nn.Conv2d(16, 5, 1),
        nn.Upsample(scale_factor=2, mode="bilinear"),
    )
    model[1].running_mean.normal_()
    model[1].running_var.uniform_(0.5, 2)
    return model.train()


def frames(seed: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, 16, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "precision"), HERE)
def test_a_backend_computes_the_network_on_every_batch(network, name, precision):
    reference = copy.deepcopy(network).eval()
    before = copy.deepcopy(network.state_dict())
    backend = create_backend(name, network, CPU, precision)
    assert backend.precision == precision
    if precision == "int8":
        backend.calibrate(frames(9, 8))
    images = frames(1)
    backend.prepare(images)
    for batch in (images, frames(2)):
        backend.load(batch)
        logits = backend.run()
        backend.synchronize()
        with torch.inference_mode():
            agreement = check_logits(logits, reference(batch), precision, name)
        assert agreement["label_agreement"] > 0.9
    assert torch.equal(images, frames(1))  # `load` wrote into the backend's copy
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["eager", "channels_last"])
def test_a_batch_prepared_in_inference_mode_can_be_replaced(network, name):
    """Some backends prepare in inference mode, whose tensors torch refuses to change outside of it."""
    backend = create_backend(name, network, CPU)
    with torch.inference_mode():
        backend.prepare(frames(1))
    backend.load(frames(2))
    assert torch.equal(backend.images.contiguous(), frames(2))


def test_int8_is_int8_and_needs_calibration(network):
    for name in ("onnxruntime", "openvino"):
        backend = create_backend(name, network, CPU, "int8")
        with pytest.raises(UserError, match=f"backend {name} needs calibration images for int8"):
            backend.prepare(frames(1))
    with pytest.raises(UserError, match="backend Eager does not quantize"):
        create_backend("eager", network, CPU).calibrate(frames(1))
    from ssr_mmseg.deploy import onnx_export
    from ssr_mmseg.deploy.quantize import quantize

    graph = quantize(onnx_export.export(network, frames(1)), frames(3, 4))
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds.count("QuantizeLinear") >= 2
    assert {tensor.data_type for tensor in graph.graph.initializer} >= {3}  # int8 weights


def test_the_default_precision_is_fp32_for_all():
    assert {kind.precisions[0] for kind in BACKENDS.module_dict.values()} == {"fp32"}


@pytest.mark.parametrize("name", ["cuda_graphs", "tensorrt"])
def test_gpu_backends_are_refused_on_a_cpu(network, name):
    with pytest.raises(UserError, match=f"backend {name} needs CUDA, found device cpu"):
        create_backend(name, network, CPU)


@pytest.mark.parametrize("precision", ["tf32", "fp16"])
def test_onnxruntime_needs_a_gpu_for_tf32_and_fp16(network, precision):
    with pytest.raises(UserError, match=f"backend onnxruntime needs CUDA for {precision}"):
        create_backend("onnxruntime", network, CPU, precision)


def test_a_missing_execution_provider_is_refused_with_the_install_command(network):
    for name, provider in (("onnxruntime", "CUDA"), ("tensorrt", "Tensorrt")):
        with pytest.raises(
            UserError, match=rf"needs ONNX Runtime's {provider}ExecutionProvider.*pip install onnxruntime-gpu"
        ):
            create_backend(name, network, torch.device("cuda"))


@pytest.mark.parametrize(
    ("name", "module", "install"),
    [
        ("onnxruntime", "onnxruntime", r"pip install 'ssr-mmseg\[runtime\]'"),
        ("openvino", "openvino", r"pip install 'ssr-mmseg\[openvino\]'"),
    ],
)
def test_a_missing_library_is_refused_with_the_install_command(network, monkeypatch, name, module, install):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=f"backend {name} needs {module}, which is not installed; run: {install}"):
        create_backend(name, network, CPU)


def test_openvino_refuses_other_devices_and_unsupported_precisions(network, monkeypatch):
    import openvino

    with pytest.raises(UserError, match="backend openvino runs on the CPU, found device cuda"):
        create_backend("openvino", network, torch.device("cuda"))
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(UserError, match="this processor does not compute in bf16; choose fp32 or int8"):
        create_backend("openvino", network, CPU, "bf16")


def test_backend_openvino_has_the_core_of_the_process(network):
    """A second one would break the handling of signals (tests/profiling/test_file_timing.py)."""
    assert create_backend("openvino", network, CPU).core is openvino_core()


def test_compile_needs_a_compiler(network, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UserError, match=r"backend compile needs a C\+\+ compiler \(g\+\+ or clang\+\+\)"):
        create_backend("compile", network, CPU)


def test_compile_runs_the_compiled_network(network, monkeypatch):
    compiler_options = {}

    def compiler(model, **options):
        compiler_options.update(options)
        return lambda images: model(images) * 1.0

    monkeypatch.setenv("CXX", sys.executable)  # any existing program
    monkeypatch.setattr(torch, "compile", compiler)
    backend = create_backend("compile", network, CPU)
    backend.prepare(frames(1))
    check_logits(backend.run(), copy.deepcopy(network).eval()(frames(1)), "fp32", "compile")
    assert compiler_options["fullgraph"] is True

    def refusing(model, **options):
        def run(images):
            raise RuntimeError("unsupported operator aten::odd\nand many more lines")

        return run

    monkeypatch.setattr(torch, "compile", refusing)
    with pytest.raises(
        UserError, match=r"compile cannot compile the network: unsupported operator aten::odd; choose another"
    ):
        create_backend("compile", network, CPU).prepare(frames(1))


def test_records_name_the_library_and_the_precision(network):
    brief = {"min_runs": 5, "min_seconds": 0, "warmup_seconds": 0}
    (record,) = profile_model(
        network, [(16, 32)], "cpu", "onnxruntime", precision="int8", calibration=[frames(5, 4)], **brief
    )
    assert (record["backend"], record["precision"]) == ("onnxruntime", "int8")
    assert "onnxruntime" in record["versions"]
    assert 0 < record["logits_error"] < record["logits_tolerance"]
