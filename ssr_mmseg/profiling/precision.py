"""Precisions in which networks are timed, and the switch between full float32 and TF32 arithmetic."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Compute float32 products in full precision, or in TF32 if `precision` is `tf32`.

    cuDNN's own default is TF32. cuDNN also benchmarks its algorithms for the input size, during the warm-up.
    """
    tf32 = precision == "tf32"
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=tf32):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
