"""A trained supernet, whose networks are scored with the weights that they inherit."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from mmengine.model import BaseModel
from torch import nn

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.search.step import get_architecture


class TrainedSupernet:
    """A segmentor whose backbone is a trained supernet.

    Args:
        model: The segmentor.
        scoring: Batches of labeled images, all of one size.
        calibration: Batches of training images, for the statistics of the batch normalizations.
        classes: Class names.
        seconds: Training time of the supernet.
    """

    def __init__(
        self,
        model: BaseModel,
        scoring: Iterable[Any],
        calibration: Iterable[Any],
        classes: list[str],
        seconds: float,
    ) -> None:
        self.model, self.scoring, self.calibration = model, scoring, calibration
        self.classes, self.seconds = classes, seconds

    @property
    def architecture(self) -> ArchitectureParameters:
        """The gates of the supernet."""
        return get_architecture(self.model)

    def score(self) -> float:
        """Return the mIoU of the supernet as its gates are, in percent."""
        return evaluate_model(self.model, self.scoring, self.classes)["miou"]

    def score_network(self, choice: Mapping[str, np.ndarray]) -> float:
        """Return the mIoU of one network with inherited weights and statistics of its own, in percent.

        Args:
            choice: The network's options; see `find_choice`.
        """
        with self.architecture.one_hot(choice):
            self.calibrate()
            return self.score()

    @torch.no_grad()
    def calibrate(self) -> None:
        """Measure the statistics of all batch normalizations for the gates as they are.

        Those of the training are averages over other networks (Guo et al. 2020, arXiv 1904.00420, section 3.2).
        """
        self.model.eval()  # no dropout
        norms = [m for m in self.model.modules() if isinstance(m, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.train()
        for number, batch in enumerate(self.calibration, start=1):
            for norm in norms:
                norm.momentum = 1 / number  # the plain mean over the batches
            self.model.test_step(batch)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.model.eval()
