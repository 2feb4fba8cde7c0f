"""Compare the published network on every backend with the reference's module, interleaved, and print JSON.

    python benchmarks/inference.py --reference PATH [--device cuda] [--backends onnxruntime openvino:bf16 …]

PATH is a clone of the reference's repository, with a checkout or bare. Its unmodified network is run by eager PyTorch,
from a temporary copy. Backends that cannot run here are listed with the reason. docs/profiling.md explains the result.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import quiet_mmseg  # noqa: F401
import torch
from command_line import run_benchmark
from peak import peak_steps
from reference_clone import copy_files
from torch import nn

from ssr_mmseg.deploy.deployed_network import DeployedNetwork
from ssr_mmseg.deploy.logits import LogitsNetwork, logits_network
from ssr_mmseg.evaluation.logits_agreement import check_logits
from ssr_mmseg.experiment import register  # noqa: F401
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.models.batch_norm import draw_statistics
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.profiling import count_macs, create_backend, environment
from ssr_mmseg.profiling.backends.base import Backend, alignment
from ssr_mmseg.profiling.backends.onnxruntime import OnnxRuntime
from ssr_mmseg.profiling.blocks import Repeats, measure_interleaved
from ssr_mmseg.profiling.machine import package_versions
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_text

GENOTYPE = PROJECT / "config/genotypes/paper_cityscapes.json"
CLASSES = 20  # of the reference's network
FILES = ("erfnet_retrain1.py", "decode_dc1.py")
DEFAULTS = {
    "cpu": (
        *("eager", "channels_last", "compile", "onnxruntime", "openvino"),
        *("openvino:bf16", "onnxruntime:int8", "openvino:int8"),
    ),
    "cuda": tuple(
        f"{name}:{precision}"
        for name in ("eager", "channels_last", "compile", "cuda_graphs", "onnxruntime", "tensorrt")
        for precision in ("fp32", "tf32", "bf16", "fp16")
    ),
}

Step = tuple[Callable[[], object], Callable[[], None]]


class Parts(nn.Module):
    """Stand-in for a segmentor, with the attributes that `logits_network` reads."""

    with_neck = False

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SSRNet(str(GENOTYPE))
        self.decode_head = AggregationHead(list(self.backbone.widths), num_classes=CLASSES, align_corners=False)


class OrtPlain(OnnxRuntime):
    """Backend `onnxruntime` with logits stored as (N, classes, H, W)."""

    def graph(self, images: torch.Tensor) -> bytes:
        from ssr_mmseg.deploy import onnx_export

        self.nhwc = False
        return onnx_export.export(self.model, images).SerializeToString()


def reference_network(clone: Path) -> nn.Module:
    """Build the reference's derived network with its published choices, from a temporary copy of its code.

    Raises:
        UserError: `clone` does not hold the code.
    """
    with copy_files(clone, FILES) as folder, redirect_stdout(sys.stderr):  # its code prints its choices
        sys.path.insert(0, str(folder))
        switches, widths = importlib.import_module("decode_dc1").get_new_network()
        network = importlib.import_module("erfnet_retrain1").Encoder_retrain(CLASSES, switches, widths)
        sys.path.remove(str(folder))
    return network.eval()


def backend_steps(names: list[str], model: LogitsNetwork, images: torch.Tensor, device: torch.device, rewrites: bool):
    """Prepare backends.

    Returns:
        By label: a step of each backend that runs here, facts for its row, and the reasons why the others do not run.
    """
    aligned = DeployedNetwork(model.backbone, model.head, 16)
    unpadded = DeployedNetwork(model.backbone, model.head)

    def create(backend: str, precision: str, graph: str) -> Backend:
        network = _graph(graph, model, aligned, unpadded, alignment(backend, precision))
        return create_backend(backend, network, device, precision)

    plans: list[tuple[str, Callable[[], Backend], str]] = []
    for name in names:
        backend_name, _, precision = name.partition(":")
        graph = "trained" if backend_name == "eager" else "deployed"
        plans.append((f"{name} ({graph})", partial(create, backend_name, precision or "fp32", graph), graph))
    if rewrites:
        for label, network in (("trained", model), ("rewritten", unpadded), ("rewritten, padded", aligned)):
            plans.append((f"onnxruntime, {label}", partial(OrtPlain, network, device), label))
        for precision in ("fp32", "bf16"):  # bf16 is OpenVINO's default on processors that compute in it
            label = f"openvino:{precision}, trained"
            plans.append((label, partial(create, "openvino", precision, "trained"), "trained"))
    with torch.inference_mode():
        expected = model(images)
    steps: dict[str, Step] = {}
    facts: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    for label, build, graph in plans:
        try:
            backend = build()
            if backend.precision == "int8":
                backend.calibrate(images)  # random ones: time does not depend on the ranges
            with arithmetic(backend.precision):
                backend.prepare(images)
                agreement = check_logits(backend.run(), expected, backend.precision, label)
        except Exception as error:  # a backend's library may raise anything: the others are still worth their figures
            missing[label] = f"{error}" if isinstance(error, UserError) else f"{type(error).__name__}: {error}"[:500]
            continue
        steps[label] = (_within(backend.precision, backend.run), backend.synchronize)
        facts[label] = {"precision": backend.precision, "graph": graph, **agreement}
    return steps, facts, missing


def _graph(graph: str, model: nn.Module, aligned: nn.Module, unpadded: nn.Module, align: int) -> nn.Module:
    if graph == "trained":
        return model
    return aligned if align > 1 else unpadded


def _within(precision: str, run: Callable[[], object]) -> Callable[[], object]:
    def step() -> object:
        with arithmetic(precision):
            return run()

    return step


def peaks(device: torch.device, precisions: set[str], synchronize: Callable[[], None]) -> dict[str, dict[str, Any]]:
    """Return steps that measure the peak of each precision, with their multiply-adds."""
    steps: dict[str, dict[str, Any]] = {}
    for precision in sorted(precisions - {"int8"}):
        for name, (module, value, macs) in peak_steps(device, precision).items():

            def run(module: nn.Module = module, value: torch.Tensor = value) -> object:
                with torch.inference_mode():
                    return module(value)

            steps[f"peak {precision} {name}"] = {
                "step": (_within(precision, run), synchronize),
                "macs": macs,
                "precision": precision,
            }
    return steps


def row(repeats: Repeats, reference: Repeats, macs: int, peak: float | None) -> dict[str, Any]:
    """Summarize the timing of one backend; `peak` is in multiply-adds per second."""
    rate = 1000 * macs / repeats.p50
    return {
        "latency_ms_p50": round(repeats.p50, 3),
        "latency_ms_p95": round(repeats.percentile(95), 3),
        "latency_ms_p99": round(repeats.percentile(99), 3),
        "share_of_reference_time": round(repeats.ratio(reference), 4),
        "times_reference_fps": round(1 / repeats.ratio(reference), 3),
        "share_of_peak": None if peak is None else round(rate / peak, 4),
        "runs": repeats.runs,
        "settled": repeats.settled,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="clone of Sunshine-Ye/IJCV22-SSR")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (%(default)s)")
    parser.add_argument("--size", default="512x1024", help="HEIGHTxWIDTH of the images (%(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="images per run (%(default)s)")
    parser.add_argument("--backends", nargs="+", help="NAME or NAME:PRECISION (all for the device)")
    parser.add_argument("--rewrites", action="store_true", help="also time the graph after each step of the rewriting")
    parser.add_argument("--repeats", type=int, default=10, help="blocks of each backend (%(default)s)")
    parser.add_argument("--runs", type=int, default=200, help="timed runs of each (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="timed seconds of each (%(default)s)")
    parser.add_argument("--warmup", type=float, default=20.0, help="longest warm-up of each, seconds (%(default)s)")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    arguments = parser.parse_args()
    device = resolve_device(arguments.device)
    result = benchmark(arguments, device)
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        write_text(arguments.out, text + "\n")


def benchmark(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Run the benchmark and return its record."""
    torch.set_num_threads(arguments.threads)
    height, width = map(int, arguments.size.split("x"))
    size = height, width
    images = torch.randn(arguments.batch, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    parts = Parts().eval()
    draw_statistics(parts, 0)
    model = logits_network(parts).eval()
    reference_model = reference_network(arguments.reference).to(device)
    device_images = images.to(device)

    def reference() -> object:
        with torch.inference_mode():
            return reference_model(device_images)

    def synchronize() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    names = list(arguments.backends or DEFAULTS[device.type])
    steps, facts, missing = backend_steps(names, model, images, device, arguments.rewrites)
    references = {f"reference {p}": (_within(p, reference), synchronize) for p in _precisions(device)}
    peak_measurements = peaks(device, {fact["precision"] for fact in facts.values()}, synchronize)
    everything = {**references, **steps, **{name: entry["step"] for name, entry in peak_measurements.items()}}
    bounds = {"min_runs": arguments.runs, "min_seconds": arguments.seconds, "warmup_seconds": arguments.warmup}
    timed = measure_interleaved(everything, batch=arguments.batch, repeats=arguments.repeats, **bounds)
    peak: dict[str, float] = {}
    for name, entry in peak_measurements.items():
        rate = 1000 * entry["macs"] / timed[name].fastest
        peak[entry["precision"]] = max(rate, peak.get(entry["precision"], 0))
    macs = count_macs(model, size) * arguments.batch
    baseline = timed["reference fp32"]
    reference_macs = count_macs(reference_model, size) * arguments.batch
    return {
        "size": list(size),
        "batch": arguments.batch,
        **environment(device),
        "packages": package_versions(("onnx", "onnxruntime", "onnxruntime-gpu", "openvino")),
        "macs": macs,
        "peak_gmacs_per_second": {precision: round(value / 1e9, 2) for precision, value in peak.items()},
        "references": {
            name: row(timed[name], baseline, reference_macs, peak.get(name.split()[-1])) for name in references
        },
        "backends": {
            name: {**fact, **row(timed[name], baseline, macs, peak.get(fact["precision"]))}
            for name, fact in facts.items()
        },
        "missing": missing,
        "provenance": provenance(),
    }


def _precisions(device: torch.device) -> tuple[str, ...]:
    """Return the precisions of the reference: full float32, and on a GPU also TF32, PyTorch's default."""
    return ("fp32", "tf32") if device.type == "cuda" else ("fp32",)


if __name__ == "__main__":
    run_benchmark(main)
