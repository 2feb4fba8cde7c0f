"""Precisions that networks are timed in, and how float32 arithmetic is switched between full precision and TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def arithmetic(precision: str) -> Iterator[None]:
    """Compute float32 in full, or round the factors of products to TF32 if that is what `precision` says.

    By default cuDNN rounds. It may choose its fastest algorithm for the size by trial; the warm-up pays for it.
    """
    tf32 = precision == "tf32"
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=tf32):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
