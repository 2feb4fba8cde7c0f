"""The space of networks: its dimensions, their options, and how many networks there are. No torch here.

Method §3: two stages of residual blocks; each block chooses one of dilation × resolution operators, the operator a
mid and an out width; each stage chooses its depth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssr_mmseg.utils.errors import UserError

STEM_CHANNELS = 16  # after the first reduction block, at 1/2 of the input
DIMENSIONS = ("depth", "dilation", "resolution", "mid_width", "out_width")
GATES = ("depth", "operator", "mid_width", "out_width")  # dilation × resolution share one gate group


@dataclass(frozen=True)
class StageSpace:
    """A chain of up to `blocks` blocks whose widths are `channels` and the multiples of `width_step` below it."""

    blocks: int
    channels: int
    width_step: int


@dataclass(frozen=True)
class SearchSpace:
    """All networks that a search chooses from.

    Args:
        stages: Stage 1 at 1/4 and stage 2 at 1/8 of the input.
        dilations: Dilations of the candidate operators.
        resolutions: Pooling factors of the candidate operators; 1 must be among them.
        width_options: Options per width group.
        searched: The dimensions that are searched. One that is not is fixed at full depth, full width,
            the first dilation, or resolution 1.

    Raises:
        UserError: a width would not be positive, or a dimension is unknown.
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
                    f"below {stage.channels} channels reach zero; take fewer or smaller steps"
                )
            if stage.channels <= inputs:
                raise UserError(
                    f"stage {number} of the search space has {stage.channels} channels, expected more than the "
                    f"{inputs} before it, since a reduction block adds channels"
                )
            inputs = stage.channels
        unknown = set(self.searched) - set(DIMENSIONS)
        if unknown:
            raise UserError(f"unknown search dimension {', '.join(sorted(unknown))}; known: {', '.join(DIMENSIONS)}")

    @classmethod
    def from_settings(cls, search: dict) -> "SearchSpace":
        """Build the space from the `search` section of an experiment configuration."""
        space = search["space"]
        return cls(
            stages=tuple(StageSpace(**stage) for stage in space["stages"]),
            dilations=tuple(space["dilations"]),
            resolutions=tuple(space["resolutions"]),
            width_options=space["width_options"],
            searched=tuple(search["dimensions"]),
        )

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
        blocks, operators = len(self.blocks), len(self.operators)
        if gate == "depth":
            return len(self.stages), max(stage.blocks for stage in self.stages)
        if gate == "operator":
            return blocks, operators
        return blocks, operators, self.width_options

    def allowed(self, gate: str) -> np.ndarray:
        """Options that the search may choose, as booleans of `gate_shape`: one per group if it is not searched."""
        allowed = np.zeros(self.gate_shape(gate), dtype=bool)
        if gate == "depth":
            for index, stage in enumerate(self.stages):
                allowed[index, 0 if "depth" in self.searched else stage.blocks - 1 : stage.blocks] = True
        elif gate == "operator":
            for option, (dilation, resolution) in enumerate(self.operators):
                dilation_allowed = "dilation" in self.searched or dilation == self.dilations[0]
                resolution_allowed = "resolution" in self.searched or resolution == 1
                allowed[:, option] = dilation_allowed and resolution_allowed
            return allowed
        else:
            allowed[..., 0 if gate in self.searched else -1 :] = True
            operators = self.allowed("operator")
            allowed &= operators[:, :, None]
        return allowed

    def log10_size(self, gates: Sequence[str] = GATES) -> float:
        """log10 of the product of the options of all groups of `gates`: the paper's way to count.

        The paper counts `("mid_width", "out_width")` of 17 blocks: 9^(20·17) ≈ 2.77·10^324.
        """
        return math.fsum(
            math.log10(count) for gate in gates for count in self.allowed(gate).sum(axis=-1).ravel() if count > 1
        )

    def log10_networks(self) -> float:
        """log10 of the number of distinct derived networks: choices of dropped blocks and operators do not count."""
        choices = {gate: self.allowed(gate).sum(axis=-1) for gate in GATES}
        per_block = (choices["mid_width"] * choices["out_width"]).sum(axis=-1)  # (blocks,)
        total, first = 1, 0  # Python integers: these numbers have hundreds of digits
        for index, stage in enumerate(self.stages):
            chain, networks = 1, 0
            for position in range(stage.blocks):
                chain *= int(per_block[first + position])
                networks += chain if self.allowed("depth")[index, position] else 0
            total *= networks
            first += stage.blocks
        return math.log10(total)

    def describe(self) -> dict:
        """Size of the space and number of gate groups and options per gate, ready for JSON."""
        return {
            "log10_size": round(self.log10_size(), 2),
            "log10_width_choices": round(self.log10_size(("mid_width", "out_width")), 2),
            "log10_networks": round(self.log10_networks(), 2),
            "gate_groups": {
                gate: {"groups": math.prod(self.gate_shape(gate)[:-1]), "options": self.gate_shape(gate)[-1]}
                for gate in GATES
            },
        }
