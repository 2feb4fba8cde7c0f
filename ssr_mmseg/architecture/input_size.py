"""Input sizes that networks of the space accept: height and width, multiples of the stride of stage 2."""

from collections.abc import Sequence

from ssr_mmseg.utils.errors import UserError

STRIDE = 8  # stage 2 computes at 1/8 of the input


def check_input_size(size: Sequence[int], least: int = STRIDE) -> None:
    """Raise `UserError` unless `size` is a height and a width, multiples of `STRIDE` of at least `least` pixels."""
    sound = len(size) == 2 and all(type(side) is int and side >= least and side % STRIDE == 0 for side in size)
    if not sound:
        found = "x".join(map(str, size))
        bound = f" of at least {least}" if least > STRIDE else ""
        raise UserError(
            f"input size {found}: expected a height and a width that are positive multiples of {STRIDE}{bound}; "
            "choose another size"
        )
