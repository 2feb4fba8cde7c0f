"""Profile a network: one record of cost, latency and circumstances per input size."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ssr_mmseg.architecture.input_size import check_input_size
from ssr_mmseg.evaluation.logits_agreement import check_logits
from ssr_mmseg.profiling.backends.base import Backend, backend_type, create
from ssr_mmseg.profiling.machine import environment, memory_of, package_versions
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
) -> list[dict[str, Any]]:
    """Count and time a network at each input size; the model itself stays as it is.

    The logits of what is timed are compared with those of `model` run by PyTorch in float32 where `model` lies.

    Args:
        model: maps images (N, 3, H, W), float32, to logits (N, classes, H, W); parameters and multiply-adds are its.
        sizes: heights and widths in pixels, multiples of 8.
        device: `auto`, `cpu` or `cuda`.
        backend: a name in `BACKENDS`.
        batch: images per run, N.
        min_runs, min_seconds, warmup_seconds: see `measure`.
        seed: of the random images.
        precision: one of the backend's; its first if None.
        timed: a network that computes the same and is timed in the place of `model`.
        images: for each size the batch (N, 3, H, W) to run on; standard normal values if None.
        calibration: for each size images (K, 3, H, W) that int8 takes its ranges from.

    Returns:
        One record of JSON values per size. Latencies are in ms per batch, `fps` in images per second, `macs` per
        image. `peak_memory_mb` is what a run needs on the device, weights included, in 10⁶ bytes.

    Raises:
        UserError: a bad size, batch, device, backend or precision; logits that are not finite or not those of
            `model`; not enough GPU memory.
    """
    target = resolve_device(device)
    kind = backend_type(backend, precision)
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
        else:  # as normalized pixels are; drawn on the CPU, so the same for every device
            generator = torch.Generator().manual_seed(seed)
            batch_images = torch.randn(batch, 3, height, width, generator=generator)  # (N, 3, H, W)
        counts = {
            "size": [height, width],
            "batch": batch,
            "params": count_parameters(model),
            "macs": count_macs(model, (height, width)),
        }
        try:
            with arithmetic(precision or kind.precision):
                expected = _logits_of(model, batch_images)
                with memory_of(target) as memory:  # from before the backend: its weights count
                    runner = create(backend, timed or model, target, precision)
                    if runner.precision == "int8" and calibration is not None:
                        runner.calibrate(calibration[number])
                    runner.prepare(batch_images)
                    logits = runner.run()
                    runner.synchronise()
                    _check_logits(logits, batch_images)
                    what = f"the graph of backend {backend} at {height}×{width}"
                    checked = check_logits(logits, expected, runner.precision, what)
                    settings = {"batch": batch, "min_runs": min_runs, "min_seconds": min_seconds}
                    timings = time_backend(runner, batch_images, warmup_seconds=warmup_seconds, **settings)
                    memory.peak_of(runner.run, runner.synchronise)
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
                **checked,
                **circumstances,
                "backend": backend,
                "precision": runner.precision,
            }
        )
        del runner, logits  # and with it its memory
    return records


def time_backend(backend: Backend, images: Tensor, **settings: Any) -> tuple[Timing, Timing | None]:
    """Time a prepared backend on its batch; on a GPU also with the copies of images and logits from and to the host.

    Args:
        images: the batch (N, 3, H, W) on the host.
        settings: of `measure`.
    """
    without = measure(backend.run, backend.synchronise, **settings)
    if backend.device.type != "cuda" or not hasattr(backend, "images"):
        return without, None
    host = images.to("cpu", backend.images.dtype).pin_memory()

    def step() -> None:
        backend.load(host)
        backend.run().to("cpu")

    return without, measure(step, backend.synchronise, **settings)


def latencies(timings: tuple[Timing, Timing | None]) -> dict[str, Any]:
    """The fields of a record that `time_backend` found; those with copies are None where nothing is copied."""
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
def _logits_of(model: nn.Module, images: Tensor) -> Any:
    """What the network itself says, in float32 on the device that it lies on: the measure of every graph."""
    network = copy.deepcopy(model).float().eval()
    parameter = next(network.parameters(), torch.empty(0))
    return network(images.to(parameter.device, torch.float32))


def _check_logits(logits: Any, images: Tensor) -> None:
    """Refuse what a network for `images` (N, 3, H, W) should not return: its time would mean nothing."""
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
