"""A fake GPU for finding synchronizations: the meta device, whose tensors have no values.

Reading a value, which would synchronize with a real GPU, fails on it. The modes below reject the other operations that
would synchronize, and operands on two devices.
"""

import itertools
import sys
from collections.abc import Callable, Iterator
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
from ssr_mmseg.training.hooks.history_hook import HistoryHook
from ssr_mmseg.training.hooks.progress_hook import ProgressHook

DEVICE = torch.device("meta")
FACTORIES = (torch.tensor, torch.asarray, torch.as_tensor, torch.Tensor.new_tensor)


class OneDevice(TorchDispatchMode):
    """Reject blocking copies to the device, and operands on two devices, except scalars."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)]
        on_device = any(tensor.device == DEVICE for tensor in tensors)
        copied = func is torch.ops.aten._to_copy.default and kwargs.get("device") == DEVICE and not on_device
        assert not copied or kwargs.get("non_blocking"), "a copy to the device synchronizes"
        elsewhere = [tensor for tensor in tensors if tensor.device != DEVICE and tensor.dim()]
        assert not (on_device and elsewhere), f"{func} has operands on two devices"
        if on_device and func is torch.ops.aten.batch_norm_update_stats.default:  # has no meta kernel
            return tuple(args[0].new_empty(args[0].shape[1], dtype=torch.float32) for _ in range(2))
        if on_device and func is torch.ops.aten.grid_sampler_2d.default:  # its meta kernel mixes devices
            return args[0].new_empty((*args[0].shape[:2], *args[1].shape[1:3]))
        return func(*args, **kwargs)


class NoHostData(TorchFunctionMode):
    """Reject device tensors created from Python numbers and indexing by lists: both copy and synchronize."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.__getitem__:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            assert result.device != DEVICE or not any(isinstance(part, list) for part in index), "an index synchronizes"
        source = args[1] if func is torch.Tensor.new_tensor else next(iter(args), None)
        assert func not in FACTORIES or result.device != DEVICE or torch.is_tensor(source), (
            "a tensor of numbers synchronizes"
        )
        return result


@contextmanager
def no_synchronization() -> Iterator[None]:
    """Reject every operation in the block that would synchronize with the device."""
    with ExitStack() as stack:
        stack.enter_context(OneDevice())
        stack.enter_context(NoHostData())
        yield


@pytest.fixture
def fake_gpu(monkeypatch) -> None:
    """Make experiments use the device, without bfloat16 and without progress records, which may synchronize."""
    monkeypatch.setattr(experiment, "resolve_device", lambda name: DEVICE)
    monkeypatch.setattr("mmengine.runner.runner.get_device", lambda: DEVICE)
    # read from the network once, before the first step
    monkeypatch.setattr("ssr_mmseg.training.data.loaders.mean_color", lambda preprocessor: (0.0, 0.0, 0.0))
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)
    optimizers = sys.modules[torch.optim.Optimizer.__module__]
    monkeypatch.setattr(optimizers, "_get_fused_kernels_supported_devices", lambda: [DEVICE.type])
    monkeypatch.setattr(ProgressHook, "_report", lambda *arguments, **options: None)


def begin(runner: Runner) -> Any:
    """Return the loop of a runner before its first iteration: mmengine's `Runner.train` without loading weights."""
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
    runner.model.train()
    runner.call_hook("before_run")
    runner.call_hook("before_train")
    runner.call_hook("before_train_epoch")
    return runner.train_loop


def steps(loop: Any, number: int) -> dict[str, list[Tensor]]:
    """Run iterations on the batches of the first epoch and return the loss terms that `HistoryHook` noted, by name."""
    batches = itertools.chain.from_iterable(loop.batches(0) for _ in range(number))
    with no_synchronization():
        for index in range(number):
            loop.run_iter(index, next(batches))
    (history,) = (hook.history for hook in loop.runner.hooks if isinstance(hook, HistoryHook))
    return {name: [terms[name] for *_, terms in history.unread] for name in history.unread[0][-1]}


class OnDeviceOnly(TorchDispatchMode):
    """Reject every operation on a tensor of the host, which a CUDA graph would not record or record by its value."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if torch.is_tensor(leaf)]
        assert all(tensor.device == DEVICE for tensor in tensors), f"{func} uses a tensor of the host"
        return result


class StrictRecorder:
    """A recorder that rejects what a CUDA graph cannot record; replays do nothing, as there are no values."""

    def __init__(self) -> None:
        self.records = self.replays = 0

    def warm_up(self, function: Callable[[], Any]) -> Any:
        return function()

    def record(self, function: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        with OnDeviceOnly():
            result = function()
        self.records += 1

        def replay() -> None:
            self.replays += 1

        return result, replay

    def forget(self) -> None:
        pass
