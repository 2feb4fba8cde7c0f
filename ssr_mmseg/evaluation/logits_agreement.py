"""Agreement of two graphs' logits: relative error, share of equal labels, and the tolerance of each precision."""

import torch
from torch import Tensor

from ssr_mmseg.utils.errors import UserError

# Largest relative error of the logits (see `logits_error`) allowed for each precision in a network of about twenty
# layers: a few times its rounding error (2⁻²⁴, 2⁻¹¹, 2⁻⁹, 2⁻¹¹). int8 is judged by its mIoU; its bound only detects
# broken graphs.
TOLERANCES = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2, "fp16": 1e-2, "int8": 0.5}


def tolerance(precision: str) -> float:
    """Return the largest relative error allowed for `precision`; that of fp32 for an unknown one."""
    return TOLERANCES.get(precision, TOLERANCES["fp32"])


def logits_error(logits: Tensor, expected: Tensor) -> float:
    """Return ‖logits − expected‖ / ‖expected − mean‖, the error relative to the spread of the logits.

    Shapes: both (N, classes, H, W).
    """
    expected = expected.double()
    spread = torch.linalg.vector_norm(expected - expected.mean())
    return float(
        torch.linalg.vector_norm(logits.double() - expected) / spread.clamp_min(torch.finfo(torch.double).tiny)
    )


def label_agreement(logits: Tensor, expected: Tensor) -> float:
    """Return the share of pixels with the same most probable class. Shapes: both (N, classes, H, W)."""
    return float((logits.argmax(dim=1) == expected.argmax(dim=1)).double().mean())


def check_logits(logits: Tensor, expected: Tensor, precision: str, name: str) -> dict[str, float]:
    """Check that a timed or exported graph gives the logits of the network that it was made from.

    Args:
        logits: Logits of the graph, (N, classes, H, W).
        expected: Logits of the network in float32, of the same shape.
        precision: Precision of the graph.
        name: Name of the graph for the message.

    Returns:
        `logits_error`, `logits_tolerance` and `label_agreement`.

    Raises:
        UserError: The shapes differ, or the relative error exceeds the tolerance.
    """
    if logits.shape != expected.shape:
        raise UserError(
            f"{name} returns logits of shape {tuple(logits.shape)}, expected {tuple(expected.shape)}, those of the "
            "network; it is a different graph, so use another backend"
        )
    logits, expected = logits.float().cpu(), expected.float().cpu()
    error, bound = logits_error(logits, expected), tolerance(precision)
    if not error <= bound:
        raise UserError(
            f"{name} differs from the network: relative error {error:.2g} of the logits, expected at most {bound:g} "
            f"for {precision}; use another backend or precision"
        )
    return {
        "logits_error": error,
        "logits_tolerance": bound,
        "label_agreement": label_agreement(logits, expected),
    }
