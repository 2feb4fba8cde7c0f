"""Hooks that compile a model and set its memory layout, for speed alone."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from torch import nn

from ssr_mmseg.training.hooks.any_loop import bare_model
from ssr_mmseg.utils.devices import check_compiler


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Store convolution weights channels-last, the layout that tensor cores and oneDNN run fastest."""

    priority = "VERY_HIGH"  # before the state is restored into the model

    def before_train(self, runner: Any) -> None:
        runner.model.to(memory_format=torch.channels_last)


@HOOKS.register_module()
class CompileHook(Hook):
    """Compile forward and backward pass of parts of the model with `torch.compile`.

    Only training is compiled, because evaluation has other shapes. Parameter names do not change, so saved states are
    the same with and without compilation. Results agree up to rounding, so a training must be resumed with the setting
    that it started with.

    Args:
        parts: Names of the modules.
        devices: Device types to compile on; on others the hook does nothing.
        options: Further arguments of `torch.compile`, such as `mode`.

    Raises:
        UserError: At the start of the training, if the compiler that `torch.compile` calls is not installed.
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
            check_compiler(kind, "the mmengine config's CompileHook, which may be left out,")
        for name in self.parts:
            module = bare_model(runner).get_submodule(name)
            module.forward = _while_training(module, module.forward, self.options)
            self.compiled.append(module)

    def after_train(self, runner: Any) -> None:
        for module in self.compiled:
            del module.forward  # restores the method of the class
        self.compiled.clear()


def _while_training(module: nn.Module, plain: Callable, options: dict) -> Callable:
    compiled = torch.compile(plain, dynamic=False, **options)

    def forward(*arguments: Any, **keywords: Any) -> Any:
        return (compiled if module.training else plain)(*arguments, **keywords)

    return forward
