"""Data-parallel training under `torchrun`: what `mmengine.dist` lacks.

Without `torchrun` there is one process, and nothing here communicates.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed
from mmengine import dist
from torch import Tensor

from ssr_mmseg.utils.errors import UserError


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Connect the processes that `torchrun` started for the length of the block: by NCCL on GPUs, otherwise by gloo.

    Not mmengine's `init_dist`, which needs a GPU and changes how child processes start.

    Raises:
        UserError: There are more processes than GPUs on this machine.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_distributed():
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
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


@contextmanager
def main_process_first() -> Iterator[None]:
    """Run the block in the main process, then in the others, which can rely on the files that it leaves."""
    if not dist.is_main_process():
        dist.barrier()
    yield
    if dist.is_main_process():
        dist.barrier()


def images_per_process(batch_size: int) -> int:
    """Return this process's part of a batch of `batch_size` images over all processes.

    Raises:
        UserError: The batch size is not a multiple of the number of processes.
    """
    count = dist.get_world_size()
    if batch_size % count:
        raise UserError(
            f"batch_size is {batch_size} for {count} processes together, expected a multiple of their number; "
            "change batch_size, or start a number of processes that divides it"
        )
    return batch_size // count


def mean(values: Tensor) -> Tensor:
    """Return the mean of a tensor over the processes, the same bits in all of them."""
    if dist.get_world_size() == 1:
        return values
    total = values.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total / dist.get_world_size()


def any_process(condition: bool, device: torch.device | str = "cpu") -> bool:
    """Return whether `condition` holds in any process."""
    if dist.get_world_size() == 1:
        return condition
    return bool(mean(torch.tensor(float(condition), device=device)) > 0)


@torch.no_grad()
def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, all of them in one message."""
    if dist.get_world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    averages = mean(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, average in zip(gradients, averages.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(average.view(gradient.shape))
