"""The published network by every backend against the reference's own module, in one interleaved run: prints JSON.

    python benchmarks/inference.py --reference PATH [--device cuda] [--backends onnxruntime openvino:bf16 …]

PATH is a clone of the reference, a checkout or a bare one. Its network runs as its code has it, by PyTorch in eager
mode, from a temporary copy. Backends that cannot run here are listed with the reason. docs/profiling.md explains.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from interleaved import Repeats, measure_interleaved
from peak import peak_steps
from reference_clone import copied
from torch import nn

from ssr_mmseg.deploy.deployed_network import DeployedNetwork
from ssr_mmseg.deploy.logits import LogitsNetwork, logits_network
from ssr_mmseg.evaluation.logits_agreement import check_logits
from ssr_mmseg.experiment import register  # noqa: F401
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.models.batch_norm import draw_statistics
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.profiling import BACKENDS, count_macs, create, environment
from ssr_mmseg.profiling.backends.onnxruntime import OnnxRuntime
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
    "cpu": ("eager", "channels_last", "compile", "onnxruntime", "openvino", "openvino:bf16"),
    "cuda": tuple(
        f"{name}:{precision}"
        for name in ("eager", "channels_last", "compile", "cuda_graphs", "onnxruntime", "tensorrt")
        for precision in ("fp32", "tf32", "bf16", "fp16")
    ),
}

Step = tuple[Callable[[], object], Callable[[], None]]


class Parts(nn.Module):
    """The parts of a segmentor that `LogitsNetwork` takes."""

    with_neck = False

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SSRNet(str(GENOTYPE))
        self.decode_head = AggregationHead(list(self.backbone.widths), num_classes=CLASSES, align_corners=False)


class OrtPlain(OnnxRuntime):
    """`onnxruntime` with logits (N, classes, H, W) in memory."""

    def graph(self, images: torch.Tensor) -> bytes:
        from ssr_mmseg.deploy import onnx_export

        self.nhwc = False
        return onnx_export.export(self.model, images).SerializeToString()


def reference_network(clone: Path) -> nn.Module:
    """The reference's derived network with its published choices, from a temporary copy of its code.

    Raises:
        UserError: the code is not there.
    """
    with copied(clone, FILES) as folder, redirect_stdout(sys.stderr):  # it prints its choices
        sys.path.insert(0, str(folder))
        switches, widths = importlib.import_module("decode_dc1").get_new_network()
        network = importlib.import_module("erfnet_retrain1").Encoder_retrain(CLASSES, switches, widths)
        sys.path.remove(str(folder))
    return network.eval()


def backend_steps(names: list[str], model: LogitsNetwork, images: torch.Tensor, device: torch.device, rewrites: bool):
    """Prepared backends as steps, facts about each, and why the others cannot run."""
    aligned = DeployedNetwork(model.backbone, model.head, 16)
    unpadded = DeployedNetwork(model.backbone, model.head)
    wanted = []
    for name in names:
        kind, _, precision = name.partition(":")
        graph = "trained" if kind == "eager" else "deployed"
        wanted.append((f"{name} ({graph})", kind, precision or "fp32", graph))
    plans = [
        (
            label,
            lambda k=kind, p=precision, g=graph: create(k, _graph(g, model, aligned, unpadded, k), device, p),
            graph,
        )
        for label, kind, precision, graph in wanted
    ]
    if rewrites:
        for label, graph in (("trained", model), ("rewritten", unpadded), ("rewritten, padded", aligned)):
            plans.append((f"onnxruntime, {label}", lambda g=graph: OrtPlain(g, device), label))
        for precision in ("fp32", "bf16"):  # bf16 is what OpenVINO chooses where it is not told otherwise
            label = f"openvino:{precision}, trained"
            plans.append((label, lambda p=precision: create("openvino", model, device, p), "trained"))
    with torch.inference_mode():
        expected = model(images)
    steps: dict[str, Step] = {}
    facts: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    for label, build, graph in plans:
        try:
            backend = build()
            with arithmetic(backend.precision):
                backend.prepare(images)
                checked = check_logits(backend.run(), expected, backend.precision, label)
        except UserError as error:
            missing[label] = str(error)
            continue
        steps[label] = (_within(backend.precision, backend.run), backend.synchronise)
        facts[label] = {"precision": backend.precision, "graph": graph, **checked}
    return steps, facts, missing


def _graph(graph: str, model: nn.Module, aligned: nn.Module, unpadded: nn.Module, backend: str) -> nn.Module:
    if graph == "trained":
        return model
    return aligned if backend in BACKENDS and BACKENDS[backend].align > 1 else unpadded


def _within(precision: str, run: Callable[[], object]) -> Callable[[], object]:
    def step() -> object:
        with arithmetic(precision):
            return run()

    return step


def peaks(device: torch.device, precisions: set[str], synchronise: Callable[[], None]) -> dict[str, dict[str, Any]]:
    """Steps of the peak of each precision, and their multiply-adds."""
    found: dict[str, dict[str, Any]] = {}
    for precision in sorted(precisions - {"int8"}):
        for name, (module, value, macs) in peak_steps(device, precision).items():

            def run(module: nn.Module = module, value: torch.Tensor = value) -> object:
                with torch.inference_mode():
                    return module(value)

            found[f"peak {precision} {name}"] = {
                "step": (_within(precision, run), synchronise),
                "macs": macs,
                "precision": precision,
            }
    return found


def row(found: Repeats, reference: Repeats, macs: int, peak: float | None) -> dict[str, Any]:
    """What is reported of one backend; `peak` in multiply-adds per second."""
    rate = 1000 * macs / found.p50
    return {
        "latency_ms_p50": round(found.p50, 3),
        "latency_ms_p95": round(found.percentile(95), 3),
        "latency_ms_p99": round(found.percentile(99), 3),
        "share_of_reference_time": round(found.ratio(reference), 4),
        "times_reference_fps": round(1 / found.ratio(reference), 3),
        "share_of_peak": None if peak is None else round(rate / peak, 4),
        "runs": found.runs,
        "settled": found.settled,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True, help="clone of the reference")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU (%(default)s)")
    parser.add_argument("--size", default="512x1024")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--backends", nargs="+", help="NAME or NAME:PRECISION (all that the device may have)")
    parser.add_argument("--rewrites", action="store_true", help="also time the graph at each step of rewriting")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0, help="timed seconds of each (%(default)s)")
    parser.add_argument("--warmup", type=float, default=20.0, help="longest warm-up of each, seconds (%(default)s)")
    parser.add_argument("--out", type=Path, help="also write the JSON there")
    arguments = parser.parse_args()
    try:
        device = resolve_device(arguments.device)
        result = benchmark(arguments, device)
    except UserError as error:
        sys.exit(f"inference.py: {error}")
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        write_text(arguments.out, text + "\n")


def benchmark(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Run everything that the arguments ask for."""
    torch.set_num_threads(arguments.threads)
    size = tuple(int(side) for side in arguments.size.split("x"))
    images = torch.randn(arguments.batch, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    parts = Parts().eval()
    draw_statistics(parts, 0)
    model = logits_network(parts).eval()
    theirs = reference_network(arguments.reference).to(device)
    placed = images.to(device)

    def reference() -> object:
        with torch.inference_mode():
            return theirs(placed)

    def synchronise() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    names = list(arguments.backends or DEFAULTS[device.type])
    steps, facts, missing = backend_steps(names, model, images, device, arguments.rewrites)
    references = {f"reference {p}": (_within(p, reference), synchronise) for p in _precisions(device)}
    rated = peaks(device, {fact["precision"] for fact in facts.values()}, synchronise)
    everything = {**references, **steps, **{name: entry["step"] for name, entry in rated.items()}}
    bounds = {"min_runs": arguments.runs, "min_seconds": arguments.seconds, "warmup_seconds": arguments.warmup}
    found = measure_interleaved(everything, batch=arguments.batch, repeats=arguments.repeats, **bounds)
    peak: dict[str, float] = {}
    for name, entry in rated.items():
        rate = 1000 * entry["macs"] / found[name].fastest
        peak[entry["precision"]] = max(rate, peak.get(entry["precision"], 0))
    macs = count_macs(model, size) * arguments.batch
    baseline = found["reference fp32"]
    macs_of_reference = count_macs(theirs, size) * arguments.batch
    return {
        "size": list(size),
        "batch": arguments.batch,
        **environment(device),
        "packages": package_versions(("onnx", "onnxruntime", "onnxruntime-gpu", "openvino")),
        "macs": macs,
        "peak_gmacs_per_second": {precision: round(value / 1e9, 2) for precision, value in peak.items()},
        "references": {
            name: row(found[name], baseline, macs_of_reference, peak.get(name.split()[-1])) for name in references
        },
        "backends": {
            name: {**fact, **row(found[name], baseline, macs, peak.get(fact["precision"]))}
            for name, fact in facts.items()
        },
        "missing": missing,
        "provenance": provenance(),
    }


def _precisions(device: torch.device) -> tuple[str, ...]:
    """The reference in full float32, and on a GPU also as PyTorch runs it by default, rounded to TF32."""
    return ("fp32", "tf32") if device.type == "cuda" else ("fp32",)


if __name__ == "__main__":
    main()
