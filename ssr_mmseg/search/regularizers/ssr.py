"""Solution Space Regularization, the paper's loss (method §5)."""

import torch
from torch import Tensor

from ssr_mmseg.search.regularizers.base import Regularizer, mean_over_groups

SMALLEST = 1e-12  # a survivor below it is about to be removed; its logarithm must stay finite until then


class SSR(Regularizer):
    """SSR = (1/n) Σ_alive ln pₖ + ln n = −KL(uniform ‖ p), averaged over the groups, n the number of survivors.

    0 for a uniform group and for a decided one; it falls without bound as any survivor's p goes to 0, so that
    minimising it drives options out, and a removed option leaves both the sum and n.
    """

    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        count = alive.sum(dim=-1).clamp_min(1).to(probabilities.dtype)
        # dead options get p = 1 before the logarithm: a `where` behind it would still pass NaN gradients
        logarithms = torch.where(alive, probabilities, 1.0).clamp_min(SMALLEST).log()
        return mean_over_groups(logarithms.sum(dim=-1) / count + count.log(), alive)
