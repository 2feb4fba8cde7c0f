"""The interface of regularizers, which see tensors only and never name a dimension."""

from abc import ABC, abstractmethod

from mmengine.registry import Registry
from torch import Tensor, nn

REGULARIZERS = Registry("regularizer")


class Regularizer(nn.Module, ABC):
    """A loss on the groups of one gate; the last axis holds the options."""

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, alpha: Tensor, probabilities: Tensor, alive: Tensor) -> Tensor:
        """Return a scalar; groups without a survivor must not count.

        Args:
            alpha: Architecture parameters, (*groups, options).
            probabilities: Normalized over the survivors, 0 for dead options, (*groups, options).
            alive: Survivors, boolean, (*groups, options).
        """


def mean_over_groups(values: Tensor, alive: Tensor) -> Tensor:
    """Mean of `values` (*groups,) over the groups that have a survivor; 0 if none has."""
    exists = alive.any(dim=-1)
    return (values * exists).sum() / exists.sum().clamp_min(1)
