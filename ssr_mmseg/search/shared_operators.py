"""Share weights among the operators of a block while a supernet is trained by single paths.

A path trains one of a block's operators. With weights of its own, each of 8 operators gets an eighth of the steps, and
the gates later prefer those that happened to learn faster. With shared ones all are equally well trained, and differ in
what is searched: dilation and resolution. Source of the idea: weights shared among kernels, Cai et al., "Once-for-All",
ICLR 2020, arXiv 1908.09791, section 3.3.
"""

from collections.abc import Iterable
from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ssr_mmseg.models.supernet import SuperBlock


@torch.no_grad()
def share_operators(backbone: nn.Module, optimizer: Optimizer, trained: Iterable[int]) -> None:
    """Copy the trained operator of each block to the block's other operators, with the state of its optimizer.

    Args:
        backbone: A supernet with its whole space: the operators of a block have equal shapes.
        optimizer: The optimizer of its weights.
        trained: Index of the trained operator of each block, (blocks,).
    """
    sources: list[Tensor] = []
    targets: list[Tensor] = []
    blocks = [module for module in backbone.modules() if isinstance(module, SuperBlock)]
    for block, option in zip(blocks, trained, strict=True):
        source = block.operators[str(int(option))]
        for target in block.operators.values():
            if target is not source:
                for a, b in zip(_tensors(source), _tensors(target), strict=True):
                    sources.append(a)
                    targets.append(b)
                    _share_state(optimizer, a, b, sources, targets)
    torch._foreach_copy_(targets, sources)


def _tensors(operator: nn.Module) -> chain[Tensor]:
    return chain(operator.parameters(), operator.buffers())


def _share_state(optimizer: Optimizer, a: Tensor, b: Tensor, sources: list[Tensor], targets: list[Tensor]) -> None:
    """Add the optimizer's state of `a` and `b` to the tensors to copy; that of `b` is created if it has none."""
    if a not in optimizer.state:
        return
    state = optimizer.state[a]
    if b not in optimizer.state:
        optimizer.state[b] = {name: torch.empty_like(value) for name, value in state.items()}
    sources.extend(state.values())
    targets.extend(optimizer.state[b][name] for name in state)
