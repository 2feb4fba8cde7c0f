"""The zero-one loss of FairDARTS, for comparison with SSR."""

import torch
from torch import Tensor

from ssr_mmseg.search.regularizers.base import REGULARIZERS, Regularizer, mean_over_groups


@REGULARIZERS.register_module(name=["ZeroOne", "zero_one"])
class ZeroOne(Regularizer):
    """−(1/n) Σ_alive (σ(αₖ) − ½)², averaged over the groups, n the number of survivors.

    0 where all αₖ = 0, −¼ where every σ(αₖ) is 0 or 1. Each option is driven independently, so several options of a
    group may end at 1: nothing favors a single survivor. At α = 0, where a search starts, its gradient is 0.

    Source: FairDARTS' L₀₋₁ (Chu et al., ECCV 2020, arXiv 1911.12126), which earlier searches in the public code of SSR
    used as the negative mean squared error between σ(α) and ½.
    """

    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        count = alive.sum(dim=-1).clamp_min(1).to(alpha.dtype)
        distances = torch.where(alive, alpha, 0.0).sigmoid() - 0.5  # 0 for dead options
        return mean_over_groups(-distances.square().sum(dim=-1) / count, alive)
