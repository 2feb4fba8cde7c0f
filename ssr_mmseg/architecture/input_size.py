"""Input sizes that the networks accept: multiples of the stride of stage 2, and not too many pixels."""

from collections.abc import Sequence

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.limits import MAX_SIDE, pixels_problem

STRIDE = 8  # stage 2 computes at 1/8 of the input


def check_input_size(size: Sequence[int], least: int = STRIDE) -> None:
    """Check that `size` is a height and a width, both multiples of `STRIDE` from `least` to `MAX_SIDE` pixels.

    Raises:
        UserError: It is not, or an image of that size has too many pixels.
    """
    valid = len(size) == 2 and all(type(side) is int and side >= least and side % STRIDE == 0 for side in size)
    if not valid:
        shown = "x".join(map(str, size))
        bound = f" of at least {least}" if least > STRIDE else ""
        raise UserError(
            f"input size {shown}: expected a height and a width that are positive multiples of {STRIDE}{bound}; "
            "choose another size"
        )
    if max(size) > MAX_SIDE:
        raise UserError(
            f"input size {'x'.join(map(str, size))}: expected sides of at most {MAX_SIDE}; choose another size"
        )
    if problem := pixels_problem(*size):
        raise UserError(f"input size: expected {problem}; choose a smaller one")
