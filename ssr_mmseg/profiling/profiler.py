"""Profile a network: one record of size, latency, memory and circumstances per input size."""

import copy
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ssr_mmseg.architecture.input_size import check_input_size
from ssr_mmseg.evaluation.logits_agreement import check_logits
from ssr_mmseg.profiling.backends.base import Backend, backend_type, create_backend
from ssr_mmseg.profiling.machine import Memory, environment, package_versions
from ssr_mmseg.profiling.model_size import count_macs, count_parameters
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.profiling.timing import MIN_RUNS, MIN_SECONDS, WARMUP_SECONDS, Timing, measure
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError


def profile_model(
    model: nn.Module,
    sizes: Sequence[tuple[int, int]],
    device: str,
    backend: str = "eager",
    batch: int = 1,
    min_runs: int = MIN_RUNS,
    min_seconds: float = MIN_SECONDS,
    warmup_seconds: float = WARMUP_SECONDS,
    seed: int = 0,
    *,
    precision: str | None = None,
    timed: nn.Module | None = None,
    images: Sequence[Tensor] | None = None,
    calibration: Sequence[Tensor] | None = None,
    float_layers: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Count and time a network at each input size; the model itself is unchanged.

    The timed network's logits are checked against those of `model` in float32, run by PyTorch on the model's device.

    Args:
        model: Maps images (N, 3, H, W), float32, to logits (N, classes, H, W). Its parameters and multiply-adds count.
        sizes: Heights and widths in pixels, multiples of 8.
        device: `auto`, `cpu` or `cuda`.
        backend: A name in `BACKENDS`.
        batch: Images per run, N.
        min_runs, min_seconds, warmup_seconds: See `measure`.
        seed: Seed of the random images.
        precision: One of the backend's; its first one if None.
        timed: A network that computes the same and is timed instead of `model`.
        images: Batch (N, 3, H, W) to run on for each size; standard normal values if None.
        calibration: Images (K, 3, H, W) for each size from which int8 ranges are calibrated.
        float_layers: Layers that stay in float32 in int8; see `deploy/quantize.py`.

    Returns:
        One record of JSON values per size. Latencies are in ms per batch, `fps` in images per second, `macs` per
        image. `peak_memory_mb` is the memory of a run on the device, including weights, in 10⁶ bytes.

    Raises:
        UserError: The size, batch, device, backend or precision is invalid; the logits are not finite or not those of
            `model`; or GPU memory is too small.
    """
    target = resolve_device(device)
    chosen = backend_type(backend, precision)
    if batch < 1:
        raise UserError(f"expected a batch of at least 1 image, found {batch}; correct the profile settings")
    if not sizes:
        raise UserError("expected at least one input size to profile, found none; add one such as [512, 1024]")
    for size in sizes:
        check_input_size(size)

    records = []
    for number, (height, width) in enumerate(sizes):
        if images is not None:
            batch_images = images[number]
        else:  # distributed like normalized pixels; drawn on the CPU, so identical for every device
            generator = torch.Generator().manual_seed(seed)
            batch_images = torch.randn(batch, 3, height, width, generator=generator)  # (N, 3, H, W)
        counts = {
            "size": [height, width],
            "batch": batch,
            "params": count_parameters(model),
            "macs": count_macs(model, (height, width)),
        }
        try:
            with arithmetic(precision or chosen.precisions[0]):
                expected = _reference_logits(model, batch_images)
                memory = Memory(target)  # created before the backend, so that its weights count
                runner = create_backend(backend, timed or model, target, precision)
                if runner.precision == "int8" and calibration is not None:
                    runner.calibrate(calibration[number], float_layers)
                runner.prepare(batch_images)
                logits = runner.run()
                runner.synchronize()
                _check_logits(logits, batch_images)
                what = f"the graph of backend {backend} at {height}×{width}"
                agreement = check_logits(logits, expected, runner.precision, what)
                settings = {"batch": batch, "min_runs": min_runs, "min_seconds": min_seconds}
                timings = time_backend(runner, batch_images, warmup_seconds=warmup_seconds, **settings)
                memory.measure_peak(runner.run, runner.synchronize)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"{target} has too little free memory for a batch of {batch} at {height}×{width}; "
                "profile a smaller batch or size, or free the device"
            ) from error
        circumstances = environment(target)
        circumstances["versions"] |= package_versions(runner.packages)
        records.append(
            {
                **counts,
                **latencies(timings),
                "peak_memory_mb": memory.peak_mb,
                **agreement,
                **circumstances,
                "backend": backend,
                "precision": runner.precision,
            }
        )
        del runner, logits  # frees their memory before the next size
    return records


def time_backend(backend: Backend, images: Tensor, **settings: Any) -> tuple[Timing, Timing | None]:
    """Time a prepared backend on its batch; on a GPU also with copies of images from and logits to the host.

    Args:
        images: The batch (N, 3, H, W) on the host.
        settings: Arguments of `measure`.
    """
    without = measure(backend.run, backend.synchronize, **settings)
    if backend.device.type != "cuda" or not hasattr(backend, "images"):
        return without, None
    host = images.to("cpu", backend.images.dtype).pin_memory()

    def step() -> None:
        backend.load(host)
        backend.run().to("cpu")

    return without, measure(step, backend.synchronize, **settings)


def latencies(timings: tuple[Timing, Timing | None]) -> dict[str, Any]:
    """Convert the result of `time_backend` to fields of a record; those with copies are None without copies."""
    timing, copied = timings
    return {
        "latency_ms_p50": timing.p50,
        "latency_ms_p95": timing.p95,
        "latency_ms_p99": timing.p99,
        "latency_ms_mean": timing.mean,
        "fps": timing.fps,
        "runs": timing.runs,
        "warmup_runs": timing.warmup_runs,
        "settled": timing.settled,
        "latency_with_copies_ms_p50": copied.p50 if copied else None,
        "latency_with_copies_ms_p95": copied.p95 if copied else None,
        "latency_with_copies_ms_p99": copied.p99 if copied else None,
    }


@torch.inference_mode()
def _reference_logits(model: nn.Module, images: Tensor) -> Any:
    """Compute the network's logits in float32 on its own device, as the reference for every graph."""
    network = copy.deepcopy(model).float().eval()
    parameter = next(network.parameters(), torch.empty(0))
    return network(images.to(parameter.device, torch.float32))


def _check_logits(logits: Any, images: Tensor) -> None:
    """Raise `UserError` unless `logits` are finite logits for `images` (N, 3, H, W)."""
    height, width = images.shape[-2:]
    if not isinstance(logits, Tensor) or logits.shape[:1] != images.shape[:1]:
        found = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(
            f"expected the model to return logits of {len(images)} images, found {found}; "
            "wrap it so that it returns one tensor"
        )
    if not torch.isfinite(logits).all():
        raise UserError(
            f"the model returned logits that are not finite at {height}×{width}; "
            "check its weights and normalization statistics"
        )
