"""A pretended GPU: the meta device, whose tensors have no values. Reading one, for which a GPU would make the CPU wait,
fails there; what would wait without reading is refused by the modes below, and so are operands on two devices."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from mmengine.runner import Runner
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssr_mmseg.experiment import experiment
from ssr_mmseg.training.hooks.progress_hook import ProgressHook

DEVICE = torch.device("meta")
MAKERS = (torch.tensor, torch.asarray, torch.as_tensor, torch.Tensor.new_tensor)


class OneDevice(TorchDispatchMode):
    """Refuse copies that wait, and operands on two devices but for numbers."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)]
        there = any(tensor.device == DEVICE for tensor in tensors)
        moved = func is torch.ops.aten._to_copy.default and kwargs.get("device") == DEVICE and not there
        assert not moved or kwargs.get("non_blocking"), "a copy to the device waits"
        beside = [tensor for tensor in tensors if tensor.device != DEVICE and tensor.dim()]
        assert not (there and beside), f"{func} has operands on two devices"
        if there and func is torch.ops.aten.batch_norm_update_stats.default:  # has no form without values
            return tuple(args[0].new_empty(args[0].shape[1], dtype=torch.float32) for _ in range(2))
        if there and func is torch.ops.aten.grid_sampler_2d.default:  # its form without values mixes devices
            return args[0].new_empty((*args[0].shape[:2], *args[1].shape[1:3]))
        return func(*args, **kwargs)


class NothingMade(TorchFunctionMode):
    """Refuse tensors made of Python numbers, and lists as indices: their way to the device waits as a copy does."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func is torch.Tensor.__getitem__:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            assert made.device != DEVICE or not any(isinstance(part, list) for part in index), "an index waits"
        source = args[1] if func is torch.Tensor.new_tensor else next(iter(args), None)
        assert func not in MAKERS or made.device != DEVICE or torch.is_tensor(source), "a tensor made of numbers waits"
        return made


@contextmanager
def unread() -> Iterator[None]:
    """Within the block nothing may wait for the device."""
    with ExitStack() as stack:
        stack.enter_context(OneDevice())
        stack.enter_context(NothingMade())
        yield


@pytest.fixture
def pretended(monkeypatch) -> None:
    """Experiments take the device for theirs. It knows no bfloat16, and telling progress is what may wait."""
    monkeypatch.setattr(experiment, "resolve_device", lambda name: DEVICE)
    monkeypatch.setattr("mmengine.runner.runner.get_device", lambda: DEVICE)
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)
    optimizers = sys.modules[torch.optim.Optimizer.__module__]
    monkeypatch.setattr(optimizers, "_get_fused_kernels_supported_devices", lambda: [DEVICE.type])
    monkeypatch.setattr(ProgressHook, "_tell", lambda *arguments, **options: None)


def begin(runner: Runner) -> Any:
    """The loop of a runner that is ready for its first iteration: mmengine's `train`, but for reading the weights."""
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner.model.train()
    runner.call_hook("before_train")
    runner.call_hook("before_train_epoch")
    return runner.train_loop


def steps(loop: Any, number: int) -> dict[str, list[Tensor]]:
    """What the loop notes in its first iterations, with their data, unread."""
    batches = iter(loop.batches(0))
    with unread():
        for index in range(number):
            loop.run_iter(index, next(batches))
    return {name: [terms[name] for _, terms in loop._unread] for name in loop._unread[0][1]}
