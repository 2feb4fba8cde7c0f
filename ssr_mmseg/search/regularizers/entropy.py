"""Entropy minimization, the usual way to sharpen a relaxed choice, for comparison with SSR."""

import torch
from torch import Tensor

from ssr_mmseg.search.regularizers.base import REGULARIZERS, Regularizer, mean_over_groups


@REGULARIZERS.register_module(name=["Entropy", "entropy"])
class Entropy(Regularizer):
    """H = −Σ_alive pₖ ln pₖ = ln n − KL(p ‖ uniform) in nats, averaged over the groups, n the number of survivors.

    ln n for a uniform group and 0, its minimum, for a decided one. It is not divided by ln n, which would raise the
    loss of a group whenever an option leaves it. SSR is the divergence in the other direction and has no minimum: its
    push on a dying option does not fade.
    """

    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        # p = 1 for dead options and p > 0 for vanishing survivors, so that terms and gradients are finite
        p = torch.where(alive, probabilities, 1.0).clamp_min(torch.finfo(probabilities.dtype).tiny)
        return mean_over_groups(-(p * p.log()).sum(dim=-1), alive)
