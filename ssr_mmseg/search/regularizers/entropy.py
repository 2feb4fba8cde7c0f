"""Entropy minimisation: the usual way to sharpen a relaxed choice, to compare with SSR."""

import torch
from torch import Tensor

from ssr_mmseg.search.regularizers.base import Regularizer, mean_over_groups


class Entropy(Regularizer):
    """H = −Σ_alive pₖ ln pₖ = ln n − KL(p ‖ uniform) in nats, averaged over the groups, n the number of survivors.

    ln n for a uniform group and 0 for a decided one, the least there is. It is not divided by ln n: that would raise
    the loss of a group whenever an option leaves it. SSR is the divergence taken the other way round, and has no least
    value: there the push on a dying option does not fade.
    """

    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        # dead options get p = 1, whose term and gradient are finite; so are a vanishing survivor's
        p = torch.where(alive, probabilities, 1.0).clamp_min(torch.finfo(probabilities.dtype).tiny)
        return mean_over_groups(-(p * p.log()).sum(dim=-1), alive)
