"""The sections `latency` and `profile`: measured times, of the parts of a search space and of whole networks."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ssr_mmseg.settings.models.base import FilePath, Label, Section, Size, UniqueList, optional
from ssr_mmseg.utils import limits


class Latency(Section):
    """Measurement of the latency table that the cost `latency` needs; ignored by other costs."""

    backend: Label = Field(description="What runs the networks: a backend of `ssr_mmseg/profiling/backends/`.")
    precision: Label = Field(description="Arithmetic; must be one that the backend offers.")
    threads: Annotated[int, Field(ge=1, le=limits.MAX_THREADS)] | None = Field(
        description="Number of CPU threads; null: as many as the job has."
    )
    points: int = Field(
        ge=2,
        le=limits.MAX_POINTS,
        description="Number of widths to measure per group, from the smallest to the largest; those between are "
        "interpolated.",
    )
    networks: int = Field(
        ge=0, le=1000, description="Number of whole random networks to measure, to fit the prediction to."
    )
    rounds: int = Field(ge=3, le=limits.MAX_ROUNDS, description="Runs of each part; the table has their median.")
    table: FilePath | None = Field(
        description="A table made elsewhere, to search for that device; null: measure one on this device."
    )


class Backend(Section):
    """A backend with its options."""

    name: Label = Field(description="Name of the backend; docs/profiling.md lists them.")
    precision: Literal["fp32", "tf32", "bf16", "fp16", "int8"] = Field(
        default="fp32", description="Arithmetic; must be one that the backend offers."
    )
    graph: Literal["trained", "folded", "deployed"] = optional(
        "The network as `trained`, with batch normalization `folded`, or rewritten as it is `deployed`. "
        "Left out: `trained` for `eager` and `channels_last`, `deployed` for others.",
    )


def _backend_tag(value: Any) -> str:
    return "<mapping>" if isinstance(value, dict) else "<name>"


class Profile(Section):
    """Timing of the networks."""

    sizes: UniqueList[Size] = Field(
        max_length=1000,
        description="Input sizes to time in addition to the dataset's own, in pixels; each is a row of the table.",
    )
    runs: int = Field(
        ge=1,
        le=1_000_000,
        description="Timed runs. Timing ends after this many runs or after `seconds`, whichever is first.",
    )
    batches: UniqueList[Annotated[int, Field(ge=1, le=limits.MAX_BATCH)]] = Field(
        min_length=1, description="Batch sizes to time, in images per run; each is a row of the table."
    )
    backends: UniqueList[
        Annotated[
            Annotated[Label, Tag("<name>")] | Annotated[Backend, Tag("<mapping>")],
            Discriminator(_backend_tag),
        ]
    ] = Field(
        min_length=1,
        description="What runs the networks, by name or as a mapping; each is a row of the table, and the first one is "
        "shown in the report.",
    )
    weights: Literal["initial", "trained"] = Field(
        description="`initial`: do not wait for the training, because time hardly depends on the weights. `trained`: "
        "wait for it, compare logits on frames of val with the evaluated weights, and measure the mIoU of bf16, fp16 "
        "and int8."
    )
    calibration: int = Field(ge=1, le=10_000, description="Number of training images from which int8 takes its ranges.")
    tolerance: float = Field(
        ge=0,
        le=100,
        description="Points of mIoU that int8 may lose on as many training images. If it loses more, the layers that "
        "are most sensitive to it stay in float32, as few as suffice.",
    )
    seconds: float = Field(gt=0, le=86_400, description="Time limit of the timed runs, in seconds: see `runs`.")
