"""Agreement of two graphs' logits: relative error, share of equal labels, and the tolerance of each precision."""

import torch
from torch import Tensor

from ssr_mmseg.utils.errors import UserError

# Largest relative error of the logits, see `logits_error`, that each may cause in a network of some twenty layers: a
# few times its rounding (2⁻²⁴, 2⁻¹¹, 2⁻⁹, 2⁻¹¹). int8 is judged by its mIoU; its bound only finds broken graphs.
TOLERANCES = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2, "fp16": 1e-2, "int8": 0.5}


def tolerance(precision: str) -> float:
    """Largest relative error that `precision` may cause; one that is not known must be as good as fp32."""
    return TOLERANCES.get(precision, TOLERANCES["fp32"])


def logits_error(logits: Tensor, expected: Tensor) -> float:
    """‖logits − expected‖ / ‖expected − mean‖: the error relative to the spread of the logits, a pure number.

    Shapes: both (N, classes, H, W).
    """
    wanted = expected.double()
    spread = torch.linalg.vector_norm(wanted - wanted.mean())
    return float(torch.linalg.vector_norm(logits.double() - wanted) / spread.clamp_min(torch.finfo(torch.double).tiny))


def label_agreement(logits: Tensor, expected: Tensor) -> float:
    """Share of the pixels whose most probable class is the same. Shapes: both (N, classes, H, W)."""
    return float((logits.argmax(dim=1) == expected.argmax(dim=1)).double().mean())


def check_logits(logits: Tensor, expected: Tensor, precision: str, what: str) -> dict[str, float]:
    """Compare the logits of a timed or exported graph with those of the network that it stands for.

    Args:
        logits: of the graph, (N, classes, H, W).
        expected: of the network in float32, likewise.
        precision: of the graph.
        what: names the graph in the message.

    Returns:
        `logits_error`, `logits_tolerance` and `label_agreement`.

    Raises:
        UserError: another shape, or a relative error above the tolerance.
    """
    if logits.shape != expected.shape:
        raise UserError(
            f"{what} returns logits of shape {tuple(logits.shape)}, expected {tuple(expected.shape)} as the network "
            "itself does; it is another graph, so its time means nothing"
        )
    logits, expected = logits.float().cpu(), expected.float().cpu()
    error, bound = logits_error(logits, expected), tolerance(precision)
    if not error <= bound:
        raise UserError(
            f"{what} differs from the network: relative error {error:.2g} of the logits, expected at most {bound:g} "
            f"for {precision}; use another backend or precision"
        )
    return {
        "logits_error": error,
        "logits_tolerance": bound,
        "label_agreement": label_agreement(logits, expected),
    }
