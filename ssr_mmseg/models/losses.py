"""Loss of a training from scratch: cross-entropy with label smoothing on the hardest pixels (OHEM)."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from mmengine import dist
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor, nn

from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.utils import distributed


@MODELS.register_module()
class HardPixelCrossEntropy(nn.Module):
    """Class-weighted cross-entropy, averaged over the hard pixels of a batch.

    With ℓᵢ the loss of pixel i, wᵢ the weight of its class and K the set of hard pixels,

        L = Σ_K ℓᵢ / Σ_K wᵢ,   ℓᵢ = −(1 − ε) wᵢ ln pᵢ − (ε / C) Σ_c w_c ln p_c.

    K contains the pixels whose label has a probability below `threshold`, and at least the hardest share `keep` of all
    pixels (OHEM; Shrivastava et al., 2016). mmseg's samplers find the same K by masks of variable size, which
    synchronize with the GPU several times a step.

    Args:
        class_weight: One weight per class; 1 by default.
        label_smoothing: ε.
        keep: Smallest share of the pixels in K; 1 for all pixels.
        threshold: Probability from which a pixel counts as easy.
        loss_weight: Factor of the whole loss.
        loss_name: Name in the logs; it must start with `loss`.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        class_weight: list[float] | None = None,
        label_smoothing: float = 0.0,
        keep: float = 1.0,
        threshold: float = 0.7,
        loss_weight: float = 1.0,
        loss_name: str = "loss_ce",
    ) -> None:
        super().__init__()
        self.register_buffer("class_weight", torch.tensor(class_weight) if class_weight else None, persistent=False)
        self.label_smoothing, self.keep, self.threshold = label_smoothing, keep, threshold
        self.loss_weight, self.loss_name = loss_weight, loss_name

    def forward(
        self, logits: Tensor, labels: Tensor, weight: Tensor | None = None, ignore_index: int = IGNORED, **_
    ) -> Tensor:
        """Compute the loss: (B, classes, H, W) and (B, H, W) → a scalar.

        Args:
            weight: Further weights of the pixels, (B, H, W).
        """
        logs = F.log_softmax(logits.float().contiguous(), dim=1)  # ln p; channels-last would be copied at every use
        loss = self._losses(logs, labels, ignore_index)
        counts = (labels != ignore_index).to(loss)
        if weight is not None:
            loss, counts = loss * weight, counts * weight
        if self.keep < 1:
            counts = counts * self._hard(logs, labels, ignore_index)
        weights = counts
        if self.class_weight is not None:
            weights = counts * self.class_weight[labels.clamp(0, len(self.class_weight) - 1)]
        return self.loss_weight * (loss * (counts > 0)).sum() / distributed.mean(weights.sum()).clamp_min(1e-6)

    def _losses(self, logs: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """Return ℓᵢ from ln p, 0 where ignored: (B, classes, H, W) and (B, H, W) → (B, H, W)."""
        loss = F.nll_loss(logs, labels, self.class_weight, ignore_index=ignore_index, reduction="none")
        if not self.label_smoothing:
            return loss
        weighted = logs if self.class_weight is None else logs * self.class_weight.view(-1, 1, 1)
        uniform = -weighted.sum(dim=1).masked_fill(labels == ignore_index, 0)
        return (1 - self.label_smoothing) * loss + self.label_smoothing / logs.shape[1] * uniform

    @torch.no_grad()
    def _hard(self, logs: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
        """Return the mask of K, boolean, (B, H, W)."""
        difficulty = F.nll_loss(logs, labels, ignore_index=ignore_index, reduction="none")  # −ln p, 0 if ignored
        count = max(1, round(self.keep * difficulty.numel()))
        return difficulty >= largest(difficulty.flatten(), count).clamp_max(-math.log(self.threshold))


def largest(values: Tensor, rank: int) -> Tensor:
    """Return the value with `rank` from the top, the largest having 1: (N,) → a scalar."""
    if values.is_cuda:
        return values.sort(descending=True).values[rank - 1]  # faster there than `kthvalue`
    return values.kthvalue(len(values) - rank + 1).values


def mean_over_processes(loss: nn.Module, labels: Tensor, ignore_index: int) -> dict[str, Any]:
    """Return the keyword arguments with which mmseg's cross-entropy averages over the pixels of all processes.

    The loss divides by the summed class weights of the labeled pixels. Each process must divide by the mean of these
    sums, so that the mean of their losses is the loss of the whole batch. Empty for one process or for another loss.
    """
    if dist.get_world_size() == 1 or not isinstance(loss, CrossEntropyLoss) or loss.class_weight is None:
        return {}
    weights = torch.tensor(loss.class_weight, dtype=torch.double, device=labels.device)
    return {"avg_factor": distributed.mean(weights[labels[labels != ignore_index]].sum())}
