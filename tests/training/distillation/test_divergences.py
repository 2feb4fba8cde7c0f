"""The terms by which a network learns from a teacher equal their definitions."""

import math

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ssr_mmseg.training.distillation.divergences import affinity_difference, channelwise_divergence


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return 3 * torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.5, 8.0))
def test_the_channelwise_divergence_equals_naive_loops(seed, temperature):
    student, teacher = drawn(seed, 2, 3, 4, 5), drawn(seed + 1, 2, 3, 4, 5)
    total = 0.0
    for image in range(2):
        for channel in range(3):
            ours, theirs = (
                [math.exp(float(value) / temperature) for value in logits[image, channel].flatten()]
                for logits in (student, teacher)
            )
            p, q = ([value / sum(values) for value in values] for values in (theirs, ours))
            total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    expected = temperature**2 * total / (2 * 3)
    assert math.isclose(float(channelwise_divergence(student, teacher, temperature)), expected, rel_tol=1e-4)


def test_a_network_that_equals_its_teacher_has_nothing_to_learn():
    logits = drawn(0, 2, 3, 6, 7)
    assert float(channelwise_divergence(logits, logits + 2, 4.0)) < 1e-6, "a constant per channel changes no softmax"
    assert float(affinity_difference(drawn(1, 2, 5, 8, 8), 2 * drawn(1, 2, 5, 8, 8))) < 1e-9, "a cosine has no scale"


def test_the_affinity_difference_equals_naive_loops():
    student, teacher = drawn(0, 2, 5, 3, 4), drawn(1, 2, 7, 3, 4)
    differences = []
    for image in range(2):
        for i in range(12):
            for j in range(12):
                ours, theirs = (
                    float(F.cosine_similarity(f[image].flatten(1)[:, i], f[image].flatten(1)[:, j], dim=0))
                    for f in (student, teacher)
                )
                differences.append((ours - theirs) ** 2)
    expected = sum(differences) / len(differences)
    assert math.isclose(float(affinity_difference(student, teacher)), expected, rel_tol=1e-4)


def test_maps_of_other_sizes_are_resized():
    student, teacher = drawn(0, 1, 3, 8, 8), drawn(1, 1, 3, 4, 4)
    resized = F.interpolate(teacher, size=(8, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(
        channelwise_divergence(student, teacher, 4.0), channelwise_divergence(student, resized, 4.0)
    )
    assert torch.isfinite(affinity_difference(drawn(2, 1, 3, 40, 24), drawn(3, 1, 9, 20, 12)))
