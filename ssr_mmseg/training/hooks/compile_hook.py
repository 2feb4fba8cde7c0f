"""Hooks that make the same training faster: memory layout and compilation."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from torch import nn

from ssr_mmseg.utils.devices import check_compiler


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Store the weights of convolutions channels-last, as tensor cores and CPUs like them."""

    priority = "VERY_HIGH"  # before the state is restored into the model

    def before_train(self, runner: Any) -> None:
        runner.model.to(memory_format=torch.channels_last)


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile the forward pass of parts of the model, and with it their backward pass, by `torch.compile`.

    Only training uses it: an evaluation has other shapes. The parameters stay where they are, so that states on disk
    are the same with and without it. Results agree to rounding, not to the bit; a training must be resumed with the
    setting that it began with.

    Args:
        parts: Names of the modules.
        devices: Types of device to compile on; elsewhere the hook does nothing.
        options: Further arguments of `torch.compile`, such as `mode`.

    Raises:
        UserError: the training begins on a machine without the compiler that `torch.compile` calls.
    """

    def __init__(
        self, parts: Sequence[str] = ("backbone", "decode_head"), devices: Sequence[str] = ("cuda",), **options: Any
    ) -> None:
        self.parts, self.devices, self.options = parts, devices, options
        self.compiled: list[nn.Module] = []

    def before_train(self, runner: Any) -> None:
        kind = next(runner.model.parameters()).device.type
        if kind not in self.devices:
            return
        if self.options.get("backend", "inductor") == "inductor":
            check_compiler(kind, "the schedule's CompileHook, which may be left out,")
        for name in self.parts:
            module = runner.model.get_submodule(name)
            module.forward = _while_training(module, module.forward, self.options)
            self.compiled.append(module)

    def after_train(self, runner: Any) -> None:
        for module in self.compiled:
            del module.forward  # the class's own is behind it
        self.compiled.clear()


def _while_training(module: nn.Module, plain: Callable, options: dict) -> Callable:
    compiled = torch.compile(plain, dynamic=False, **options)

    def forward(*arguments: Any, **keywords: Any) -> Any:
        return (compiled if module.training else plain)(*arguments, **keywords)

    return forward
