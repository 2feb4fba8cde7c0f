"""Beta-Decay of β-DARTS, to compare with SSR."""

import torch
from torch import Tensor

from ssr_mmseg.search.regularizers.base import Regularizer, mean_over_groups


class BetaDecay(Regularizer):
    """L_Beta = ln Σ_alive exp(αₖ), a smooth maximum of the survivors' α, averaged over the groups.

    Its gradient is softmax(α): the larger an α, the more it decays, so that no option runs away early. It keeps a group
    undecided for longer and is a rival of SSR in what it does for the search, not in deciding gates. The original lets
    its weight grow linearly with the epochs; here the weight is constant, as that of all regularizers.

    Source: Ye et al., "β-DARTS: Beta-Decay Regularization for Differentiable Architecture Search", CVPR 2022,
    arXiv 2203.01665, the definition of L_Beta.
    """

    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        exists = alive.any(dim=-1, keepdim=True)
        # a removed group gets zeros instead of −∞, whose logarithm and gradient would be NaN
        dead = torch.where(exists, -torch.inf, 0.0).to(alpha.dtype)
        return mean_over_groups(torch.where(alive, alpha, dead).logsumexp(dim=-1), alive)
