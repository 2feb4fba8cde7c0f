"""The section `ablation`: searches that differ in regularizer, shrinking, searched dimensions and variant."""

from typing import Annotated

from pydantic import Field

from ssr_mmseg.settings.models.base import Dimension, Mapping, Name, Section, Seeds, UniqueList, optional


class AblationBlock(Section):
    """All combinations of the values in it."""

    regularizer: UniqueList[Name] = Field(min_length=1, description="Values of `search.regularizer`.")
    shrink: UniqueList[bool] = Field(min_length=1, description="Values of `search.shrink`.")
    dimensions: UniqueList[Name] = Field(min_length=1, description="Names from the ablation's `dimensions`.")
    variants: UniqueList[Name] = optional(
        "Names from the ablation's `variants`. Left out: the combinations as they are. The tests compare a variant "
        "with the same combination without one, which needs another block.",
        min_length=1,
    )


class Ablation(Section):
    """An ablation study: one search per combination and seed, compared in `results/ablation.csv`."""

    dataset: Name = Field(description="The configured dataset on which all of them search.")
    seeds: Seeds = Field(
        description="Every combination is searched with each seed, and the tests pair by seed. Intervals and t-tests "
        "need at least two seeds, Wilcoxon's test six."
    )
    search: Mapping = Field(description="Changes to that dataset's `search`, the same for all combinations.")
    retrain: bool = Field(
        description="Whether to retrain and evaluate what each search finds, for the column `retrained_miou`."
    )
    dimensions: dict[Name, Annotated[UniqueList[Dimension], Field(min_length=1)]] = Field(
        min_length=1, max_length=100, description="A name for each set of searched dimensions."
    )
    variants: dict[Name, Mapping] = optional(
        "A name for each set of changes to `search`, which are made after all others. The columns `regularizer`, "
        "`shrink` and `dimensions` of a variant are those of the combination that it changes.",
        max_length=100,
    )
    blocks: list[AblationBlock] = Field(
        min_length=1,
        max_length=100,
        description="Each block means all combinations of its values. A combination in several blocks is searched "
        "once.",
    )
