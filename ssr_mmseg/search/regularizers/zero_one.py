"""The zero-one loss, to compare with SSR."""

import torch
from torch import Tensor

from ssr_mmseg.search.regularizers.base import Regularizer, mean_over_groups


class ZeroOne(Regularizer):
    """−(1/n) Σ_alive (σ(αₖ) − ½)², averaged over the groups, n the number of survivors.

    From 0 where all αₖ = 0 down to −¼ where every σ(αₖ) is 0 or 1. Each option is driven for itself, so that several of
    a group may end at 1: nothing asks for a single survivor. At α = 0, where a search starts, its gradient is 0.

    Source: FairDARTS' L₀₋₁ (Chu et al., ECCV 2020, arXiv 1911.12126), which the public code of SSR used in its earlier
    searches as the negative mean squared error of σ(α) to ½.
    """

    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        count = alive.sum(dim=-1).clamp_min(1).to(alpha.dtype)
        distances = torch.where(alive, alpha, 0.0).sigmoid() - 0.5  # 0 for dead options
        return mean_over_groups(-distances.square().sum(dim=-1) / count, alive)
