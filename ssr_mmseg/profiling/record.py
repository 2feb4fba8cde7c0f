"""Profile a network: one record of cost, latency and circumstances per input size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ssr_mmseg.devices import resolve_device
from ssr_mmseg.errors import UserError
from ssr_mmseg.profiling.backend import BACKENDS, Backend
from ssr_mmseg.profiling.machine import environment
from ssr_mmseg.profiling.macs import count_macs, count_parameters
from ssr_mmseg.profiling.protocol import MIN_RUNS, MIN_SECONDS, WARMUP_SECONDS, measure

STRIDE = 8  # the networks compute at 1/8 of the input, so a size must divide by it


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
) -> list[dict[str, Any]]:
    """Count and time a network at each input size; the model itself stays as it is.

    Args:
        model: maps images (N, 3, H, W), float32, to logits.
        sizes: heights and widths in pixels, multiples of 8.
        device: `auto`, `cpu` or `cuda`.
        backend: a name in `BACKENDS`.
        batch: images per run, N.
        min_runs, min_seconds, warmup_seconds: see `measure`.
        seed: of the random images.

    Returns:
        One record of JSON values per size. Latencies are in ms per batch, `fps` in images per second, `macs` per
        image. `peak_memory_mb` is what a run needs on the GPU, weights included, in 10⁶ bytes; None on the CPU.

    Raises:
        UserError: a bad size, batch, device or backend; logits that are not finite; not enough GPU memory.
    """
    target = resolve_device(device)
    if backend not in BACKENDS:
        raise UserError(f"unknown profiling backend {backend!r}; choose one of: {', '.join(sorted(BACKENDS))}")
    if batch < 1:
        raise UserError(f"expected a batch of at least 1 image, found {batch}; correct the profile settings")
    if not sizes:
        raise UserError("expected at least one input size to profile, found none; add one such as [512, 1024]")
    for size in sizes:
        _check_size(size)

    records = []
    for height, width in sizes:
        # Standard normal values, as normalized pixels are; drawn on the CPU, so the same for every device.
        images = torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(seed))  # (N, 3, H, W)
        counts = {
            "size": [height, width],
            "batch": batch,
            "params": count_parameters(model),
            "macs": count_macs(model, (height, width)),
        }
        try:
            with _strict_fp32():
                timed = _time(BACKENDS[backend], model, images, target, min_runs, min_seconds, warmup_seconds)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"{target} has too little free memory for a batch of {batch} at {height}×{width}; "
                "profile a smaller batch or size, or free the device"
            ) from error
        records.append({**counts, **timed, **environment(target), "backend": backend})
    return records


def _time(
    backend_type: type[Backend],
    model: nn.Module,
    images: Tensor,
    device: torch.device,
    min_runs: int,
    min_seconds: float,
    warmup_seconds: float,
) -> dict[str, Any]:
    """Time `model` on `images` (N, 3, H, W); the backend, and with it its memory, is gone afterwards."""
    cuda = device.type == "cuda"
    held = torch.cuda.memory_allocated(device) if cuda else 0  # what the caller keeps there
    backend = backend_type(model, device)
    backend.prepare(images)
    _check_logits(backend.run(), images)
    timing = measure(
        backend.run,
        backend.synchronise,
        batch=images.shape[0],
        min_runs=min_runs,
        min_seconds=min_seconds,
        warmup_seconds=warmup_seconds,
    )
    peak = None
    if cuda:  # a run of its own: the first ones also hold what cuDNN tries out
        torch.cuda.reset_peak_memory_stats(device)
        backend.run()
        backend.synchronise()
        peak = (torch.cuda.max_memory_allocated(device) - held) / 1e6
    return {
        "latency_ms_p50": timing.p50,
        "latency_ms_p95": timing.p95,
        "latency_ms_p99": timing.p99,
        "latency_ms_mean": timing.mean,
        "fps": timing.fps,
        "runs": timing.runs,
        "warmup_runs": timing.warmup_runs,
        "settled": timing.settled,
        "precision": backend.precision,
        "peak_memory_mb": peak,
    }


@contextmanager
def _strict_fp32() -> Iterator[None]:
    """Compute float32 in full: by default cuDNN rounds the factors of a convolution to TF32.

    cuDNN may choose its fastest algorithm for the size by trial; the warm-up pays for it.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _check_size(size: Sequence[int]) -> None:
    """Refuse a size that is not two positive multiples of `STRIDE`."""
    if len(size) != 2 or any(type(side) is not int or side <= 0 or side % STRIDE for side in size):
        raise UserError(
            f"expected an input size of height and width, both positive multiples of {STRIDE}, found {list(size)}; "
            "correct the sizes to profile"
        )


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
