"""The section `recommend`: which of the trained networks to ship."""

from typing import Annotated, Literal

from pydantic import Field

from ssr_mmseg.settings.models.base import Section


class Recommend(Section):
    """The recommendation of one network, `snakemake results/recommended/card.md`; docs/fit.md has its rule."""

    latency_ms: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        description="Milliseconds per image that the recommended network may take, at the dataset's size. null: any."
    )
    backend: Literal["onnxruntime", "openvino", "tensorrt"] = Field(
        description="What runs the exported files when they are timed. `onnxruntime` uses the GPU if `device` does."
    )
    license: Annotated[str, Field(max_length=200)] | None = Field(
        description="License of the data, for the card. null: not given."
    )
