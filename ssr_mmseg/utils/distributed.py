"""Data-parallel processes: what `torchrun` started, as one place to ask and to exchange through.

Without `torchrun` there is one process, and nothing here communicates.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from ssr_mmseg.utils.errors import UserError


@contextmanager
def group(device: torch.device) -> Iterator[None]:
    """Within the block the processes that `torchrun` started are connected: by NCCL on GPUs, else by gloo.

    Raises:
        UserError: there are more processes than GPUs on this machine.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise UserError(
                f"torchrun started process {local + 1} on a machine with {torch.cuda.device_count()} usable GPUs; "
                "expected one process per GPU, lower --nproc_per_node"
            )
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def count() -> int:
    """Number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if count() > 1 else 0


def is_first() -> bool:
    """Whether this is the process that writes."""
    return rank() == 0


def share_of(batch_size: int) -> int:
    """Images per process of a batch of `batch_size` images over all of them.

    Raises:
        UserError: it does not divide.
    """
    if batch_size % count():
        raise UserError(
            f"batch_size is {batch_size} for {count()} processes together, expected a multiple of their number; "
            "change batch_size, or start as many processes as divide it"
        )
    return batch_size // count()


def mean(values: Tensor) -> Tensor:
    """Mean of a tensor over the processes, the same bits in all of them."""
    if count() == 1:
        return values
    total = values.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total / count()


def gather(values: Tensor) -> Tensor:
    """The tensors of all processes, (processes, *shape), in their order."""
    if count() == 1:
        return values.unsqueeze(0)
    parts = [torch.empty_like(values) for _ in range(count())]
    dist.all_gather(parts, values.contiguous())
    return torch.stack(parts)


def any_of(fact: bool, device: torch.device | str = "cpu") -> bool:
    """Whether `fact` holds in any process."""
    return fact if count() == 1 else bool(mean(torch.tensor(float(fact), device=device)) > 0)


def same_as_first(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors by those of the first process."""
    if count() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)


def wait() -> None:
    """Return once all processes have come here."""
    if count() > 1:
        dist.barrier()


@contextmanager
def first_ahead() -> Iterator[None]:
    """The block runs in the first process, then in the others: they find what it left."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


@torch.no_grad()
def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, all of them in one message."""
    if count() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    averages = mean(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, average in zip(gradients, averages.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(average.view(gradient.shape))
