"""Errors of a readable state that is not the one that is needed."""

import pytest

from ssr_mmseg.training.checkpoint.safe_load import state_needed
from ssr_mmseg.utils.errors import UserError


@pytest.mark.parametrize(
    "error",
    [KeyError("model"), RuntimeError("size\nmismatch"), TypeError("no"), IndexError("0"), OverflowError("too large")],
)
def test_a_state_of_another_network_is_one_line(error):
    match = r"^a\.pth is not the state that this stage needs \([^\n]+\); delete it"
    with pytest.raises(UserError, match=match), state_needed("a.pth"):
        raise error


def test_a_user_error_is_passed_on_unchanged():
    with pytest.raises(UserError, match=r"^unchanged$"), state_needed("a.pth"):
        raise UserError("unchanged")
