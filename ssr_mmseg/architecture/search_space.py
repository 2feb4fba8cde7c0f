"""The search space: its gates, their options, and the number of networks. Must not import torch.

Method §3: two stages of residual blocks; each block chooses one of dilation × resolution operators, the operator a
mid and an out width; each stage chooses its depth.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssr_mmseg.utils.errors import UserError

STEM_CHANNELS = 16  # after the first reduction block, at 1/2 of the input
MAX_WEIGHTS = 250_000_000  # 1 GB: far above any real-time network, far below 512 blocks of 4096 channels
MAX_OPTIONS = 1_000_000  # of all gates: the paper's space has 3,252


@dataclass(frozen=True)
class Gate:
    """A kind of gate: groups of options, of which a network has one per group.

    Attributes:
        name: Name in the supernet's state and in results.
        dimensions: The search dimensions that it decides, as configurations name them.
        axes: Axes of its groups: `("stage",)`, `("block",)` or `("block", "operator")`.
        options: The options in a stage of a space, from the cheapest to the most expensive. The last one is taken if
            the gate is not searched. (The operators, of two dimensions, are an exception to both.)
        caption: Description for the report.
    """

    name: str
    dimensions: tuple[str, ...]
    axes: tuple[str, ...]
    options: Callable[["SearchSpace", int], Sequence[Any]]
    caption: str

    @property
    def title(self) -> str:
        """Name in the report."""
        return self.name.replace("_", " ")

    @property
    def parent(self) -> str | None:
        """The gate that its groups depend on: those of a block die with its depth, those of an operator with it."""
        return {"stage": None, "block": "depth", "operator": "operator"}[self.axes[-1]]


GATES = {
    gate.name: gate
    for gate in (
        Gate(
            name="depth",
            dimensions=("depth",),
            axes=("stage",),
            options=lambda space, stage: range(1, space.stages[stage].blocks + 1),
            caption="Number of blocks kept in each stage.",
        ),
        Gate(
            name="operator",
            dimensions=("dilation", "resolution"),
            axes=("block",),
            options=lambda space, stage: space.operators,
            caption="Dilation and resolution of each block (stage.block).",
        ),
        Gate(
            name="mid_width",
            dimensions=("mid_width",),
            axes=("block", "operator"),
            options=lambda space, stage: space.widths(stage),
            caption="Mid width of each block's most probable operator.",
        ),
        Gate(
            name="out_width",
            dimensions=("out_width",),
            axes=("block", "operator"),
            options=lambda space, stage: space.widths(stage),
            caption="Out width of each block's most probable operator.",
        ),
    )
}
DIMENSIONS = tuple(dimension for gate in GATES.values() for dimension in gate.dimensions)


def dependents(parent: str) -> list[str]:
    """Return the names of the gates whose groups depend on the gate `parent`."""
    return [gate.name for gate in GATES.values() if gate.parent == parent]


def searched_gates(dimensions: Collection[str]) -> list[str]:
    """Return the names of the gates that decide the given dimensions."""
    return [gate.name for gate in GATES.values() if set(gate.dimensions) & set(dimensions)]


@dataclass(frozen=True)
class StageSpace:
    """A chain of up to `blocks` blocks, with widths from `channels` downwards in steps of `width_step`."""

    blocks: int
    channels: int
    width_step: int


@dataclass(frozen=True)
class SearchSpace:
    """The networks that a search chooses from.

    Args:
        stages: Stage 1 at 1/4 and stage 2 at 1/8 of the input.
        dilations: Dilations of the candidate operators.
        resolutions: Pooling factors of the candidate operators; 1 must be among them.
        width_options: Options per width group.
        searched: The dimensions that are searched. The others are fixed at full depth, full width, the first
            dilation, and resolution 1.

    Raises:
        UserError: A width would not be positive, a stage would not be wider than the one before, a dimension is
            unknown, or the space is too large for a supernet.
    """

    stages: tuple[StageSpace, ...]
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    resolutions: tuple[int, ...] = (1, 2)
    width_options: int = 9
    searched: tuple[str, ...] = DIMENSIONS

    def __post_init__(self) -> None:
        inputs = STEM_CHANNELS
        for number, stage in enumerate(self.stages, start=1):
            if stage.channels - (self.width_options - 1) * stage.width_step < 1:
                raise UserError(
                    f"stage {number} of the search space: {self.width_options} widths in steps of {stage.width_step} "
                    f"below {stage.channels} channels reach zero; use fewer or smaller steps"
                )
            if stage.channels <= inputs:
                raise UserError(
                    f"stage {number} of the search space has {stage.channels} channels, expected more than the "
                    f"{inputs} before it, because a reduction block adds channels; use more"
                )
            inputs = stage.channels
        unknown = set(self.searched) - set(DIMENSIONS)
        if unknown:
            raise UserError(
                f"unknown search dimension {', '.join(sorted(unknown))}; choose from: {', '.join(DIMENSIONS)}"
            )
        self._check_extent()

    def _check_extent(self) -> None:
        """Refuse a space whose gates or whose supernet would not fit into memory; computes with numbers only."""
        options = sum(math.prod(self.gate_shape(gate)) for gate in GATES)
        # a candidate operator has a 3x1 and a 1x3 convolution, here of full width
        weights = len(self.operators) * sum(6 * stage.blocks * stage.channels**2 for stage in self.stages)
        for count, most, what in ((options, MAX_OPTIONS, "options"), (weights, MAX_WEIGHTS, "weights of operators")):
            if count > most:
                raise UserError(
                    f"the search space has {count} {what}, expected at most {most}; use fewer blocks, channels, "
                    "width_options, dilations or resolutions in search.space"
                )

    @classmethod
    def from_settings(cls, search: Mapping[str, Any]) -> "SearchSpace":
        """Build the space from the `search` section of an experiment configuration."""
        return cls.from_dict(search["space"], search["dimensions"])

    @classmethod
    def from_dict(cls, space: Mapping[str, Any], dimensions: Sequence[str] = DIMENSIONS) -> "SearchSpace":
        """Build the space from plain values: `stages`, and optionally `dilations`, `resolutions`, `width_options`."""
        values = {**space, "stages": tuple(StageSpace(**stage) for stage in space["stages"])}
        values |= {key: tuple(values[key]) for key in ("dilations", "resolutions") if key in values}
        return cls(**values, searched=tuple(dimensions))

    @property
    def operators(self) -> tuple[tuple[int, int], ...]:
        """(dilation, resolution) of each candidate operator, in the order of the operator gates."""
        return tuple((dilation, resolution) for resolution in self.resolutions for dilation in self.dilations)

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """(stage, position in the stage) of each block, in the order of the operator and width gates."""
        return tuple((index, position) for index, stage in enumerate(self.stages) for position in range(stage.blocks))

    def widths(self, stage: int) -> tuple[int, ...]:
        """Width options of a stage, ascending: C − step·(options − 1), …, C."""
        space = self.stages[stage]
        return tuple(space.channels - space.width_step * k for k in reversed(range(self.width_options)))

    def gate_shape(self, gate: str) -> tuple[int, ...]:
        """Shape (*groups, options) of a gate's architecture parameters."""
        lengths = {"stage": len(self.stages), "block": len(self.blocks), "operator": len(self.operators)}
        options = max(len(GATES[gate].options(self, stage)) for stage in range(len(self.stages)))
        return (*(lengths[axis] for axis in GATES[gate].axes), options)

    def group_stages(self, gate: str) -> list[int]:
        """Stage of each index on the first axis of a gate's groups."""
        return [stage for stage, _ in self.blocks] if GATES[gate].axes[0] == "block" else [*range(len(self.stages))]

    def allowed(self, gate: str) -> np.ndarray:
        """Return the options that the search may choose, booleans of `gate_shape`; without a search, one per group."""
        allowed = np.zeros(self.gate_shape(gate), dtype=bool)
        if gate == "operator":
            for option, (dilation, resolution) in enumerate(self.operators):
                dilation_allowed = "dilation" in self.searched or dilation == self.dilations[0]
                resolution_allowed = "resolution" in self.searched or resolution == 1
                allowed[:, option] = dilation_allowed and resolution_allowed
            return allowed
        for index, stage in enumerate(self.group_stages(gate)):
            count = len(GATES[gate].options(self, stage))
            allowed[index, ..., 0 if gate in self.searched else count - 1 : count] = True
        if GATES[gate].parent == "operator":
            allowed &= self.allowed("operator")[:, :, None]
        return allowed

    def log10_size(self, gates: Iterable[str] = GATES) -> float:
        """log10 of the product of the options of all groups of `gates`, as the paper counts.

        The paper counts the width gates of 17 blocks: 9^(20·17) ≈ 2.77·10^324.
        """
        return math.fsum(
            math.log10(count) for gate in gates for count in self.allowed(gate).sum(axis=-1).ravel() if count > 1
        )

    def log10_networks(self) -> float:
        """log10 of the number of distinct derived networks, without choices of dropped blocks and unused operators."""
        choices = {gate: self.allowed(gate).sum(axis=-1) for gate in GATES}
        per_operator = np.prod([choices[gate] for gate in dependents("operator")], axis=0)  # (blocks, operators)
        others = [choices[gate] for gate in dependents("depth") if gate != "operator"]
        per_block = np.prod([per_operator.sum(axis=-1), *others], axis=0)  # (blocks,)
        total, first = 1, 0  # Python integers, because these numbers have hundreds of digits
        for index, stage in enumerate(self.stages):
            chain, networks = 1, 0
            for position in range(stage.blocks):
                chain *= int(per_block[first + position])
                networks += chain if self.allowed("depth")[index, position] else 0
            total *= networks
            first += stage.blocks
        return math.log10(total)

    def describe(self) -> dict:
        """Return the size of the space, and the groups and options of each gate, as a JSON value."""
        return {
            "log10_size": round(self.log10_size(), 2),
            "log10_width_choices": round(self.log10_size(("mid_width", "out_width")), 2),
            "log10_networks": round(self.log10_networks(), 2),
            "gate_groups": {
                gate: {"groups": math.prod(self.gate_shape(gate)[:-1]), "options": self.gate_shape(gate)[-1]}
                for gate in GATES
            },
        }
