"""How far a network is from its teacher, in logits and features."""

import torch.nn.functional as F
from torch import Tensor

from ssr_mmseg.models.operators import upsample

CELLS = 16  # longest side of the grid whose cells are compared in pairs


def channelwise_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return by how much the places differ that two maps of logits attend to, class by class.

    With φ the softmax over the N = H·W places of a channel's logits divided by T, y the student and y' the teacher,

        L = T² / C · Σ_c Σ_i φ(y'_c)ᵢ · ln(φ(y'_c)ᵢ / φ(y_c)ᵢ),

    averaged over the batch (channel-wise distillation, CWD; Shu et al., ICCV 2021, arXiv 2011.13256).

    Args:
        student: Logits, (B, C, H, W).
        teacher: Logits of the same classes, (B, C, h, w), which are resized to H × W.
        temperature: T; the higher, the more places count.
    """
    ours, theirs = (
        F.log_softmax(logits.float().flatten(2) / temperature, dim=2)  # (B, C, H·W)
        for logits in (student, fitted(teacher, student))
    )
    divergence = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=2)  # (B, C)
    return temperature**2 * divergence.mean()


def affinity_difference(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the mean squared difference of the similarities between all pairs of places.

    A similarity is the cosine between the features of two places, so the features may have any number of channels, and
    nothing is trained to match them (pair-wise distillation; Liu et al., CVPR 2019, arXiv 1903.04197). Places are the
    cells of a grid of at most 16 × 16, because there are H²·W² pairs.

    Args:
        student: Features, (B, C, H, W).
        teacher: Features, (B, c, h, w).
    """
    grid = min(student.shape[2], CELLS), min(student.shape[3], CELLS)
    ours, theirs = (_affinities(features.float(), grid) for features in (student, teacher))
    return F.mse_loss(ours, theirs)


def fitted(values: Tensor, like: Tensor) -> Tensor:
    """Return a map resized to the height and width of another: (B, C, h, w) → (B, C, H, W)."""
    return values if values.shape[2:] == like.shape[2:] else upsample(values, like.shape[2:])


def _affinities(features: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the cosines between the cells of a grid: (B, C, H, W) → (B, N, N)."""
    cells = F.normalize(F.adaptive_avg_pool2d(features, grid).flatten(2), dim=1)  # (B, C, N)
    return cells.mT @ cells
