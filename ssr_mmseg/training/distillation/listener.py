"""Add terms to the loss of a segmentor that need its logits and features."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmseg.models import BaseSegmentor
from torch import Tensor, nn

from ssr_mmseg.training.distillation.divergences import affinity_difference, channelwise_divergence
from ssr_mmseg.utils.errors import UserError


class Listener:
    """Listen to the training steps of a segmentor, until `close`.

    Parameters, buffers and their names stay as they are: methods of the model are replaced.

    Args:
        model: An encoder-decoder of mmseg with one decode head.
        terms: Called at the end of each forward pass of a training step with the batch's images, (B, 3, H, W), and its
            data samples; returns terms of the loss by name.

    Attributes:
        logits: The outputs of the decode head that have a channel per class, (B, classes, h, w) each.
        feature: The last feature of the backbone, (B, C, h, w).

    Raises:
        UserError: The model has no decode head, or several.
    """

    logits: list[Tensor]
    feature: Tensor

    def __init__(self, model: BaseSegmentor, terms: Callable[[Tensor, list], dict[str, Tensor]]) -> None:
        head: Any = getattr(model, "decode_head", None)
        if not hasattr(head, "loss_by_feat"):
            raise UserError(
                f"retrain.distill: {type(model).__name__} has not exactly one decode head, so it can neither teach nor "
                "learn; leave that network out, or set retrain.distill to null"
            )
        self.head, self.model = head, model
        self.plain: list[tuple[nn.Module, str]] = []
        loss, extract, compare = model.loss, model.extract_feat, head.loss_by_feat

        def extract_feat(inputs: Tensor) -> Any:
            features = extract(inputs)
            self.feature = last(features)
            return features

        def loss_by_feat(seg_logits: Any, *arguments: Any, **options: Any) -> dict[str, Tensor]:
            outputs = seg_logits if isinstance(seg_logits, list | tuple) else [seg_logits]
            self.logits = [logits for logits in outputs if logits.shape[1] == head.out_channels]
            return compare(seg_logits, *arguments, **options)

        def whole_loss(inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
            losses = loss(inputs, data_samples)
            return {**losses, **terms(inputs, data_samples)}

        for module, name, method in (
            (model, "extract_feat", extract_feat),
            (head, "loss_by_feat", loss_by_feat),
            (model, "loss", whole_loss),
        ):
            self.plain.append((module, name))
            setattr(module, name, method)

    def close(self) -> None:
        """Restore the methods of the classes."""
        for module, name in self.plain:
            delattr(module, name)
        self.plain.clear()


def last(features: Any) -> Tensor:
    """Return the last feature of a backbone, which may have one or several."""
    return features[-1] if isinstance(features, list | tuple) else features


class Distillation:
    """The terms by which a network learns from another.

    Args:
        logits: Weight of the channel-wise divergence of the logits.
        temperature: Its temperature.
        features: Weight of the difference of the affinities in the last feature of the backbone.
    """

    def __init__(self, logits: float, temperature: float, features: float) -> None:
        self.logits, self.temperature, self.features = logits, temperature, features

    def terms(self, student: Listener, logits: Sequence[Tensor], feature: Tensor) -> dict[str, Tensor]:
        """Return the terms of the student's loss by name; those of weight 0 are left out.

        Args:
            student: Listens to the student, after its forward pass.
            logits: The teacher's logits: one for all outputs of the student's head, or one for each.
            feature: The last feature of the teacher's backbone.
        """
        found = {}
        if self.logits:
            pairs = zip(student.logits, itertools.cycle(logits), strict=False)
            divergences = [channelwise_divergence(ours, theirs.detach(), self.temperature) for ours, theirs in pairs]
            found["distill.loss_logits"] = self.logits * torch.stack(divergences).mean()
        if self.features:
            found["distill.loss_features"] = self.features * affinity_difference(student.feature, feature.detach())
        return found
