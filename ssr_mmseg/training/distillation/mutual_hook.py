"""Hook by which a network learns from a second copy of itself, which learns from it: deep mutual learning."""

import copy
from collections import defaultdict
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper
from mmseg.models import BaseSegmentor
from mmseg.registry import HOOKS, MODELS
from torch import Tensor

from ssr_mmseg.training.checkpoint.fitting import mismatch
from ssr_mmseg.training.checkpoint.state_checks import check_optimizer
from ssr_mmseg.training.distillation.listener import Distillation, Listener
from ssr_mmseg.training.hooks.any_loop import bare_model
from ssr_mmseg.training.step import update

OTHER_SEED = 2**31 - 1  # xor with the seed of the training: that of the other copy's initial weights


@HOOKS.register_module()
class MutualHook(Hook):
    """Train a second copy of the network on the same batches; each learns from the labels and from the other's logits.

    The copies differ in their initial weights and dropout. The second one is dropped at the end. This is deep mutual
    learning (Zhang et al., CVPR 2018, arXiv 1706.00384) with the channel-wise divergence. A step takes twice the time.

    Args:
        model: Model config of the network.
        logits, temperature, features: See `Distillation`.
    """

    priority = "VERY_LOW"  # after the weights have their memory layout

    def __init__(
        self, model: dict[str, Any], logits: float = 3.0, temperature: float = 4.0, features: float = 0.0
    ) -> None:
        self.model = model
        self.distillation = Distillation(logits, temperature, features)
        self.listeners: list[Listener] = []

    def before_train(self, runner: Any) -> None:
        ours = bare_model(runner)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed((runner.seed or 0) ^ OTHER_SEED)
            self.peer: BaseSegmentor = MODELS.build(self.model)
            self.peer.init_weights()
        self.peer.to(next(ours.parameters()).device, memory_format=torch.channels_last).train()
        self.wrapper = copied_wrapper(runner.optim_wrapper, ours, self.peer)

        def our_terms(inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
            self.loss, _ = self.peer.parse_losses(self.peer.loss(inputs, data_samples))
            return self.distillation.terms(first, second.logits, second.feature)

        def peer_terms(inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
            return self.distillation.terms(second, first.logits, first.feature)

        first, second = Listener(ours, our_terms), Listener(self.peer, peer_terms)
        self.listeners = [first, second]

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        for group, scheduled in zip(self.wrapper.param_groups, runner.optim_wrapper.param_groups, strict=True):
            group.update({key: value for key, value in scheduled.items() if key != "params"})
        self.wrapper.backward(self.wrapper.scale_loss(self.loss))
        update(self.wrapper)

    def after_train(self, runner: Any) -> None:
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()

    def training_state(self) -> dict[str, Any]:
        """Return weights and optimizer of the second copy, for the saved state."""
        return {"model": self.peer.state_dict(), "optimizer": self.wrapper.state_dict()}

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Restore a saved second copy.

        Raises:
            ValueError: It is of another network.
        """
        if problem := mismatch(state["model"], self.peer.state_dict()):
            raise ValueError(f"a second copy whose {problem}")
        check_optimizer(self.wrapper.optimizer, state["optimizer"])
        self.peer.load_state_dict(state["model"])
        self.wrapper.load_state_dict(state["optimizer"])


def copied_wrapper(wrapper: OptimWrapper, model: BaseSegmentor, other: BaseSegmentor) -> OptimWrapper:
    """Return an optimizer with the settings of another and no state, for the parameters of the same names."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    parameters = dict(other.named_parameters())
    optimizer = copy.copy(wrapper.optimizer)
    optimizer.state = defaultdict(dict)
    optimizer.param_groups = [
        {**group, "params": [parameters[names[id(parameter)]] for parameter in group["params"]]}
        for group in wrapper.optimizer.param_groups
    ]
    copied = copy.copy(wrapper)
    vars(copied).pop("step", None)  # a scheduler has replaced it by one of the other wrapper, to count the steps
    copied.optimizer = optimizer
    return copied
