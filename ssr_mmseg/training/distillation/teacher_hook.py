"""Hook by which a network learns from a trained teacher, besides the labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from mmseg.models import BaseSegmentor
from mmseg.registry import HOOKS, MODELS
from torch import Tensor

from ssr_mmseg.training.checkpoint.fitting import load_into
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.training.distillation.listener import Distillation, Listener, last
from ssr_mmseg.training.hooks.any_loop import bare_model
from ssr_mmseg.utils.errors import UserError


@HOOKS.register_module()
class TeacherHook(Hook):
    """Add to the loss how far the network is from a teacher, which sees the same augmented images.

    The teacher is evaluated, not trained, and no part of the model: its weights are in no checkpoint.

    Args:
        model: Model config of the teacher.
        weights: Its weights, the file of an earlier training.
        logits, temperature, features: See `Distillation`.

    Raises:
        UserError: At the start of the training, if the weights are not those of the model, or teacher and network have
            other classes or another normalization of the images.
    """

    priority = "VERY_LOW"  # after the weights have their memory layout

    def __init__(
        self, model: dict[str, Any], weights: str, logits: float = 3.0, temperature: float = 4.0, features: float = 0.0
    ) -> None:
        self.model, self.weights = model, weights
        self.distillation = Distillation(logits, temperature, features)
        self.listener: Listener | None = None

    def before_train(self, runner: Any) -> None:
        student = bare_model(runner)
        teacher = build_teacher(self.model, Path(self.weights))
        check_same_task(student, teacher, self.weights)
        teacher.to(next(student.parameters()).device, memory_format=torch.channels_last)

        def terms(inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
            with torch.no_grad():
                features = teacher.extract_feat(inputs)
                logits = teacher.decode_head.forward(features)
            return self.distillation.terms(listener, [logits], last(features))

        self.listener = listener = Listener(student, terms)

    def after_train(self, runner: Any) -> None:
        if self.listener is not None:
            self.listener.close()
        self.listener = None


def build_teacher(model: Mapping[str, Any], weights: Path) -> BaseSegmentor:
    """Build a segmentor with trained weights, on the CPU, in eval mode, without gradients.

    Raises:
        UserError: The file is missing or damaged, or has other weights than the model.
    """
    teacher = MODELS.build({key: value for key, value in model.items() if key not in ("pretrained", "init_cfg")})
    load_into(teacher, load_weights(weights), weights, "the teacher", "train the teacher again")
    return teacher.eval().requires_grad_(False)


def check_same_task(student: BaseSegmentor, teacher: BaseSegmentor, weights: str) -> None:
    """Refuse a teacher that has other classes, or sees images of another normalization.

    Raises:
        UserError: It does.
    """
    if student.decode_head.num_classes != teacher.decode_head.num_classes:
        raise UserError(
            f"the teacher of {weights} has {teacher.decode_head.num_classes} classes, the network "
            f"{student.decode_head.num_classes}; name a teacher of the same data"
        )
    for name in ("mean", "std", "_channel_conversion"):
        ours, theirs = (_plain(getattr(model.data_preprocessor, name, None)) for model in (student, teacher))
        if ours != theirs:
            raise UserError(
                f"the teacher of {weights} takes images with {name.strip('_')} {theirs}, the network with {ours}; "
                "give both models the same data_preprocessor"
            )


def _plain(value: Any) -> Any:
    return value.flatten().tolist() if isinstance(value, Tensor) else value
