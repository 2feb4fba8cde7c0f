"""Agreement of a graph's logits with those of its network."""

import pytest
import torch

from ssr_mmseg.evaluation.logits_agreement import TOLERANCES, check_logits, label_agreement, logits_error, tolerance
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.utils.errors import UserError


def test_the_error_is_relative_to_the_spread_and_not_to_the_offset():
    expected = torch.randn(2, 3, 4, 5)
    noise = 0.01 * torch.randn(2, 3, 4, 5)
    error = logits_error(expected + noise, expected)
    assert error == pytest.approx(0.01, rel=0.5)
    assert logits_error(1000 * (expected + noise), 1000 * expected) == pytest.approx(error, rel=1e-3)
    assert logits_error(expected + noise + 50, expected + 50) == pytest.approx(error, rel=1e-2)
    assert logits_error(expected, expected) == 0


def test_agreement_is_the_share_of_equal_labels():
    expected = torch.tensor([[[[1.0, 2.0]], [[2.0, 1.0]]]])  # (1, 2, 1, 2)
    assert label_agreement(expected, expected) == 1
    assert label_agreement(expected.flip(1), expected) == 0
    assert label_agreement(torch.tensor([[[[9.0, 9.0]], [[0.0, 0.0]]]]), expected) == 0.5


def test_a_graph_within_the_tolerance_passes_and_one_beyond_fails():
    expected = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    close, far = expected * (1 + 0.5 * TOLERANCES["fp32"]), expected * (1 + 3 * TOLERANCES["fp32"])
    assert check_logits(close, expected, "fp32", "it")["logits_error"] < TOLERANCES["fp32"]
    with pytest.raises(UserError, match=r"it differs from the network: relative error .* at most 0\.0001 for fp32"):
        check_logits(far, expected, "fp32", "it")
    assert check_logits(far, expected, "bf16", "it")["logits_tolerance"] == TOLERANCES["bf16"]
    with pytest.raises(UserError, match="differs"):
        check_logits(expected * float("nan"), expected, "int8", "it")


def test_an_unknown_precision_has_the_tolerance_of_fp32():
    assert tolerance("fp64") == TOLERANCES["fp32"] == min(TOLERANCES.values())


@pytest.mark.parametrize(("precision", "rounded"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_tf32_is_enabled_for_tf32_alone(precision, rounded):
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with arithmetic(precision):
        assert torch.backends.cudnn.allow_tf32 is rounded
        assert torch.get_float32_matmul_precision() == ("high" if rounded else "highest")
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
