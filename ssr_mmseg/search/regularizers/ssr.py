"""Solution Space Regularization, the paper's loss (method §5)."""

import torch
from torch import Tensor

from ssr_mmseg.search.regularizers.base import REGULARIZERS, Regularizer, mean_over_groups

SMALLEST = 1e-12  # keeps the logarithm of a survivor finite until it is removed


@REGULARIZERS.register_module(name=["SSR", "ssr"])
class SSR(Regularizer):
    """SSR = (1/n) Σ_alive ln pₖ + ln n = −KL(uniform ‖ p), averaged over the groups, n the number of survivors.

    0 for a uniform group and for a decided one; it falls without bound as any survivor's p goes to 0, so that
    minimizing it drives options out. A removed option no longer counts in the sum or in n.
    """

    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        count = alive.sum(dim=-1).clamp_min(1).to(probabilities.dtype)
        # p = 1 for dead options before the logarithm: a `where` after it would still pass NaN gradients
        logarithms = torch.where(alive, probabilities, 1.0).clamp_min(SMALLEST).log()
        return mean_over_groups(logarithms.sum(dim=-1) / count + count.log(), alive)
