"""The sections `retrain` and `evaluate`."""

from pydantic import Field

from ssr_mmseg.settings.models.base import FilePath, Name, Section
from ssr_mmseg.settings.teachers import DEFAULTS
from ssr_mmseg.utils.limits import MAX_EPOCHS, MAX_STEPS, MAX_TRAINING_BATCH


class Distill(Section):
    """What networks learn from a teacher, besides the labels: its logits and features on the same augmented images."""

    teacher: Name = Field(
        description="Network that teaches all others: a published one, a baseline, `searched` or one of a selector. It "
        "is trained by the same recipe without a teacher, whether or not it is among `networks`. `mutual`: each "
        "network learns from a second copy of itself that is trained at the same time, and the other way round.",
    )
    logits: float = Field(
        default=DEFAULTS["logits"],
        ge=0,
        le=1000,
        description="Weight of the channel-wise divergence of the logits (CWD).",
    )
    temperature: float = Field(
        default=DEFAULTS["temperature"],
        gt=0,
        le=1000,
        description="Temperature of that divergence; the higher, the more places of an image count.",
    )
    features: float = Field(
        default=DEFAULTS["features"],
        ge=0,
        le=1000,
        description="Weight of the difference between the similarities of all pairs of places in the last feature of "
        "the backbone (pair-wise distillation).",
    )


class Retrain(Section):
    """Training of the networks, the same for all, from scratch unless `weights` or `distill` says otherwise."""

    config: FilePath = Field(
        description="mmengine config of the training: optimizer, learning rate, pipelines, loss and hooks; its model "
        "is the derived network. `config/mmseg/ssrnet_cityscapes.py` is the paper's."
    )
    epochs: int = Field(ge=1, le=MAX_EPOCHS, description="Length of the training, in epochs.")
    min_steps: int = Field(
        ge=1,
        le=MAX_STEPS,
        description="Fewest steps of the training. If the epochs have fewer, because the training set is small, they "
        "are multiplied until they have as many.",
    )
    batch_size: int = Field(ge=2, le=MAX_TRAINING_BATCH, description="Images per step, over all GPUs together.")
    weights: FilePath | None = Field(
        default=None,
        description="Weights of an earlier result that each network starts from, to fine-tune it (see "
        "docs/pretrained.md). The path may contain `{network}`, `{dataset}` and `{seed}`, as in "
        "`results/streets/seed0/retrain/{network}/weights.pth`. `supernet`: the searched network starts from the "
        "weights that it has in the supernet at the end of the search, the others from scratch. null: start from "
        "scratch.",
    )
    distill: Distill | None = Field(
        default=None,
        description="Learning from a teacher that is trained on the same images (see docs/teachers.md). null: learn "
        "from the labels alone.",
    )


class Evaluate(Section):
    """Evaluation of the retrained networks."""

    frames: int = Field(
        ge=0,
        le=10_000,
        description="Images per split to draw with prediction and truth, in "
        "`results/<dataset>/seed<seed>/evaluate/<network>/predictions`.",
    )
    exported: bool = Field(
        description="Whether to export each network to `model.onnx` in the folder of its evaluation, as `ssr-mmseg "
        "export` does, and measure the accuracy of that file, the column `miou_exported` of the table, by what "
        "`predict` computes."
    )
