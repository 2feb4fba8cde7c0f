"""The reference's released supernet, adapted to any device and current torch, for comparison with ours.

Its files are imported from an edited temporary copy of a clone: device calls become a choice of device, and byte masks
become booleans, as current torch requires. What it computes is unchanged.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from reference_clone import copy_files
from torch import Tensor

FILES = ("erfnet_search3.py", "operations2.py", "genotypes2.py")
BLOCKS, OPERATORS, WIDTHS = 13, 10, 9
CLASSES = 20
TARGET, FULL = 0.6, 11.16  # of its cost loss: target share, and full cost in 10⁹ multiply-adds


def load_module(clone: Path, device: str) -> Any:
    """Import the module that defines the supernet.

    Raises:
        UserError: `clone` is not a clone of the reference.
    """
    with copy_files(clone, FILES) as folder:
        for name in FILES:
            text = (folder / name).read_text(encoding="utf-8")
            text = text.replace(".cuda()", f".to({device!r})").replace("dtype=torch.uint8", "dtype=torch.bool")
            (folder / name).write_text(text, encoding="utf-8")
        sys.path.insert(0, str(folder))
        try:
            return importlib.import_module(Path(FILES[0]).stem)
        finally:
            sys.path.remove(str(folder))


class ReferenceStep:
    """One iteration of the reference's search, as in its training script.

    In both phases gradients flow to weights and architecture parameters, and each optimizer updates its own. The
    losses are those of its script: cross entropy, the regularizer on three groups of gates, and the cost.

    Args:
        clone: A clone of the reference's repository.
        device: `cpu` or `cuda`.
    """

    def __init__(self, clone: Path, device: str) -> None:
        module = load_module(clone, device)
        alive = torch.ones(BLOCKS, OPERATORS, WIDTHS, dtype=torch.bool)
        self.model = module.Encoder_search(
            CLASSES, alive[..., 0].tolist(), switch_cell_c=alive.tolist(), switch_cell_cc=alive.tolist()
        )
        self.model.to(device).train()
        self.alphas = self.model.arch_parameters()
        self.class_weights = torch.ones(CLASSES, device=device)
        self.weights_optimizer = torch.optim.Adam(self.model.weight_parameters(), 3e-4, weight_decay=1e-4)
        self.architecture_optimizer = torch.optim.Adam(self.alphas, 2e-3, weight_decay=1e-3)

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Make a weight step and an architecture step on images (B, 3, H, W) and labels (B, H/8, W/8)."""
        logits, _ = self.model(images)
        self.weights_optimizer.zero_grad()
        self._cross_entropy(logits, labels).backward()
        self.weights_optimizer.step()

        self.architecture_optimizer.zero_grad()
        logits, cost = self.model(images)
        loss = 100 * self._cross_entropy(logits, labels) + (cost / FULL - TARGET) ** 2
        for weight, alpha in zip((30, 15, 15), self.alphas, strict=True):
            loss = loss + weight * _regularizer(alpha)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.alphas, 5)
        self.architecture_optimizer.step()

    def _cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.nll_loss(F.log_softmax(logits, dim=1), labels, self.class_weights)


def _regularizer(alpha: Tensor) -> Tensor:
    scores = alpha.sigmoid()
    logarithms = (scores / scores.sum(dim=-1, keepdim=True)).log()
    return (logarithms.mean(dim=-1) + torch.tensor(float(alpha.shape[-1])).log()).mean()
