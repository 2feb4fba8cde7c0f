"""The sections `retrain` and `evaluate`."""

from pydantic import Field

from ssr_mmseg.settings.models.base import FilePath, Section
from ssr_mmseg.utils.limits import MAX_EPOCHS, MAX_STEPS, MAX_TRAINING_BATCH


class Retrain(Section):
    """Training of the networks, the same for all, from scratch unless `weights` says otherwise."""

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
        "`results/streets/seed0/retrain/{network}/weights.pth`. null: start from scratch.",
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
