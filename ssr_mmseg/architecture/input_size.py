"""Input sizes that the networks accept: height and width must be multiples of the stride of stage 2."""

from collections.abc import Sequence

from ssr_mmseg.utils.errors import UserError

STRIDE = 8  # stage 2 computes at 1/8 of the input


def check_input_size(size: Sequence[int], least: int = STRIDE) -> None:
    """Check that `size` is a height and a width, both multiples of `STRIDE` and at least `least` pixels.

    Raises:
        UserError: It is not.
    """
    valid = len(size) == 2 and all(type(side) is int and side >= least and side % STRIDE == 0 for side in size)
    if not valid:
        shown = "x".join(map(str, size))
        bound = f" of at least {least}" if least > STRIDE else ""
        raise UserError(
            f"input size {shown}: expected a height and a width that are positive multiples of {STRIDE}{bound}; "
            "choose another size"
        )
