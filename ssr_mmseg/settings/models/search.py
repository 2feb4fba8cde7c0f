"""The sections `search` and `discretize`: the space, its relaxation, the stages of a search and what ends it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from ssr_mmseg.settings.models.base import Dimension, FilePath, Mapping, Name, PluginSettings, Section, UniqueList
from ssr_mmseg.settings.models.costs import Cost
from ssr_mmseg.utils.limits import MAX_EPOCHS, MAX_STAGES, MAX_STEPS, MAX_TRAINING_BATCH


class SpaceStage(Section):
    """One of the two stages of the search space."""

    blocks: int = Field(ge=1, le=256, description="Largest depth: number of blocks.")
    channels: int = Field(ge=1, le=4096, description="Largest width, in channels.")
    width_step: int = Field(ge=1, le=4096, description="Distance between neighboring widths, in channels.")


def _check_one(resolutions: list[int]) -> list[int]:
    """Return `resolutions` if 1 is among them."""
    if 1 not in resolutions:
        raise PydanticCustomError("value", "value", {"place": []})
    return resolutions


class SearchSpace(Section):
    """The networks to choose from."""

    stages: list[SpaceStage] = Field(
        min_length=2, max_length=2, description="Stage 1 at 1/4 and stage 2 at 1/8 of the input's resolution."
    )
    dilations: UniqueList[Annotated[int, Field(ge=1, le=1024)]] = Field(
        min_length=1, max_length=64, description="Dilations of the candidate operators."
    )
    resolutions: Annotated[UniqueList[Annotated[int, Field(ge=1, le=2)]], AfterValidator(_check_one)] = Field(
        min_length=1,
        description="Pooling factors of the candidate operators; 1 must be among them.",
        json_schema_extra={"contains": {"const": 1}},
    )
    width_options: int = Field(
        ge=1,
        le=4096,
        description="Number of widths per group: `channels`, and the widths 1, 2, … times `width_step` below it.",
    )


class NamedRegularizer(PluginSettings):
    """A regularizer with arguments."""

    type: Name = Field(description="Name of the regularizer.")


def _regularizer_tag(value: Any) -> str:
    return "<mapping>" if isinstance(value, dict) else "<name>"


Regularizer = Annotated[
    Annotated[Name, Tag("<name>")] | Annotated[NamedRegularizer, Tag("<mapping>")], Discriminator(_regularizer_tag)
]


class Search(Section):
    """The differentiable search: what is searched, how, for how long, and the cost to end with."""

    space: SearchSpace = Field(description="The networks to choose from.")
    dimensions: UniqueList[Dimension] = Field(
        description="What is searched. A dimension left out is fixed at full depth, full width, the first dilation, or "
        "resolution 1."
    )
    config: FilePath = Field(
        description="mmengine config of the search: supernet, optimizers, learning rates, pipelines, loss weights and "
        "hooks. `config/mmseg/supernet_cityscapes.py` is the paper's."
    )
    cfg_options: Mapping = Field(
        description="Values laid over that config, by dotted key, as by `--cfg-options` of mmseg's tools: "
        "`{optim_wrapper.architecture.optimizer.lr: 0.3, train_cfg.objective.operator: 60}`. All but the last part of "
        "a key must exist in the config. A list is replaced as a whole; a number in a key is an index."
    )
    regularizer: Regularizer = Field(
        description="The loss that drives gate groups to one survivor: a class of `ssr_mmseg/search/regularizers/`, by "
        "name, or as a mapping of `type` and the arguments of the class."
    )
    gate: Literal["sigmoid", "softmax"] = Field(description="How architecture parameters become probabilities.")
    split: Literal["halves", "whole"] = Field(
        description="`halves`: weights and architecture parameters learn on disjoint halves of the training set. "
        "`whole`: both learn on all of it, which doubles the steps of an epoch."
    )
    epochs: int = Field(
        ge=1, le=MAX_EPOCHS, description="Epochs of the first stage, which starts with every option alive."
    )
    warmup: float = Field(
        ge=0,
        le=1,
        description="Share of the search's epochs, from its beginning, in which the gates stay as they are and every "
        "step trains the weights of one random network: gates that learn earlier follow weights that know nothing.",
    )
    shrink_stages: int = Field(
        ge=0,
        le=MAX_STAGES,
        description="Number of further stages, each on the supernet reduced to the surviving options.",
    )
    shrink_epochs: int = Field(ge=1, le=MAX_EPOCHS, description="Epochs of each of these stages.")
    min_steps: int = Field(
        ge=1,
        le=MAX_STEPS,
        description="Fewest steps of the whole search. If the epochs above have fewer, because the training set is "
        "small, all of them are multiplied by the same number until they have as many.",
    )
    shrink: bool = Field(description="Whether to remove dying options.")
    threshold: float = Field(
        gt=0, lt=1, description="An option dies when its probability is at most this share of its group's largest."
    )
    batch_size: int = Field(ge=2, le=MAX_TRAINING_BATCH, description="Images per step, over all GPUs together.")
    cost: Cost


class Discretize(Section):
    """The choice of a network from the gates that a search leaves."""

    undecided: Literal["refuse", "argmax"] = Field(
        description="What to do with a gate group that still has several options. `argmax`: take the most probable one "
        "and report the probability that this gives up. `refuse`: stop."
    )
