"""Beta-Decay of β-DARTS, for comparison with SSR."""

import torch
from torch import Tensor

from ssr_mmseg.search.regularizers.base import REGULARIZERS, Regularizer, mean_over_groups


@REGULARIZERS.register_module(name=["BetaDecay", "beta_decay"])
class BetaDecay(Regularizer):
    """L_Beta = ln Σ_alive exp(αₖ), a smooth maximum of the survivors' α, averaged over the groups.

    Its gradient is softmax(α): the larger an α, the more it decays, so that no option runs away early. It is meant to
    improve the search, as SSR is, but keeps groups undecided for longer. The original increases its weight linearly
    with the epochs; here the weight is constant, as for all regularizers.

    Source: Ye et al., "β-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", CVPR 2022,
    arXiv 2203.01665, the definition of L_Beta.
    """

    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        exists = alive.any(dim=-1, keepdim=True)
        # zeros for a removed group: with −∞ its logarithm and gradient would be NaN
        dead = torch.where(exists, -torch.inf, 0.0).to(alpha.dtype)
        return mean_over_groups(torch.where(alive, alpha, dead).logsumexp(dim=-1), alive)
