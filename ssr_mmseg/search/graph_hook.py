"""Hook that records the steps of a search as CUDA graphs, for speed alone."""

from logging import Logger
from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from torch import nn

from ssr_mmseg.search.step import TwoPhaseStep
from ssr_mmseg.training.loop import model_device
from ssr_mmseg.training.recorded_step import CudaRecorder, RecordedTrainStep, Recorder


@HOOKS.register_module()
class GraphHook(Hook):
    """Record forward and backward pass of both phases of a search as CUDA graphs and replay them.

    The same kernels run in the same order as without this hook, so values and saved states are the same. Each phase is
    recorded in the second step of a run, and again when an operator or a depth has been removed. If that fails, the
    steps are eager, after one warning. On a CPU and with several processes the hook does nothing.
    """

    priority = "LOW"  # after the hooks that change the layout of the weights or restore them

    def before_train(self, runner: Any) -> None:
        self.apply(runner.train_loop.step, runner.logger)

    def apply(self, step: TwoPhaseStep, logger: Logger) -> None:
        """Make a step record its passes, or log why it does not."""
        recorder = recorder_for(model_device(step.model))
        if recorder is None:
            logger.info("GraphHook does nothing: CUDA graphs need one process and a GPU")
            return
        step.train = RecordedTrainStep(recorder, BakedValues(step.model), logger)


def recorder_for(device: torch.device) -> Recorder | None:
    """Return what records steps on a device, or None if they cannot be recorded."""
    return CudaRecorder(device) if device.type == "cuda" and dist.get_world_size() == 1 else None


class BakedValues:
    """What a recorded pass of a search depends on besides the shape of its batches, for `RecordedTrainStep`.

    That is which blocks and operators are computed, whether the gates have a temperature, the mode of the model, and
    where its parameters are. The surviving widths, the loss weights, the temperature and all other values are read from
    tensors.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.parameters: list[nn.Parameter] = list(model.parameters())

    def __call__(self) -> tuple:
        places = [parameter.data_ptr() for parameter in self.parameters]
        backbone = self.model.backbone
        return self.model.training, backbone.computed(), backbone.architecture.tempered, places
