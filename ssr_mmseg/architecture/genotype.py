"""Genotypes: the discrete networks that discretization yields, that retraining builds and that people share."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssr_mmseg.architecture.search_space import GATES, MAX_WEIGHTS, STEM_CHANNELS, SearchSpace
from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_text

FORMAT = "ssr-genotype-1"
MAX_BYTES = 2**20  # limit on a genotype file; one with 512 blocks has 30 kB

Choice = Mapping[str, np.ndarray]  # gate → index of the chosen option per group, shape (*groups,)


@dataclass(frozen=True)
class Block:
    """One block: its operator (dilation and resolution), and its mid and out widths in channels."""

    dilation: int
    resolution: int
    mid: int
    out: int


@dataclass(frozen=True)
class Stage:
    """One stage: its first block has `channels` inputs, every other block the out width of the block before it."""

    channels: int
    blocks: tuple[Block, ...]

    @property
    def weights(self) -> int:
        """Number of weights of the blocks' convolutions, without biases."""
        inputs = (self.channels, *(block.out for block in self.blocks))
        return sum(3 * block.mid * (width + block.out) for width, block in zip(inputs, self.blocks, strict=False))


@dataclass(frozen=True)
class Genotype:
    """A network of the search space, as two stages of blocks.

    Example:
        >>> Genotype.read("config/genotypes/paper_cityscapes.json").stages[0].blocks[1].out
        52
    """

    stages: tuple[Stage, ...]
    comment: str = ""

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the features after the stem and each stage, at 1/2, 1/4 and 1/8 of the input."""
        return (STEM_CHANNELS, *(stage.blocks[-1].out for stage in self.stages))

    @classmethod
    def from_dict(cls, value: Any, origin: str = "genotype") -> "Genotype":
        """Validate parsed JSON against `schemas/genotype.schema.json` and build the genotype.

        Raises:
            UserError: The value does not fit the schema, a block is wider than its stage, or the network is too large.
        """
        error = json_schema.violation(value, "genotype")
        if error is not None:
            raise UserError(f"{origin} is not a genotype: {json_schema.describe(error)}")
        stages = tuple(
            Stage(stage["channels"], tuple(Block(**block) for block in stage["blocks"])) for stage in value["stages"]
        )
        for number, stage in enumerate(stages, start=1):
            for position, block in enumerate(stage.blocks, start=1):
                widest = max(block.mid, block.out)
                if widest > stage.channels:
                    raise UserError(
                        f"{origin} is not a genotype: block {position} of stage {number} has a width of {widest}, "
                        f"expected at most the stage's {stage.channels} channels"
                    )
        if stages[1].channels <= stages[0].channels:
            raise UserError(
                f"{origin} is not a genotype: stage 2 has {stages[1].channels} channels, "
                f"expected more than the {stages[0].channels} of stage 1"
            )
        weights = sum(stage.weights for stage in stages)
        if weights > MAX_WEIGHTS:
            raise UserError(
                f"{origin} is not a genotype: its blocks have {weights} weights, expected at most {MAX_WEIGHTS}"
            )
        return cls(stages, value.get("comment", ""))

    @classmethod
    def read(cls, path: str | Path) -> "Genotype":
        """Read and validate the genotype in a file."""
        return cls.from_dict(read_json(Path(path), MAX_BYTES), str(path))

    def to_dict(self) -> dict:
        """Return the JSON value of the genotype, the inverse of `from_dict`."""
        stages = [{"channels": stage.channels, "blocks": [asdict(b) for b in stage.blocks]} for stage in self.stages]
        return {"format": FORMAT, **({"comment": self.comment} if self.comment else {}), "stages": stages}

    def write(self, path: Path) -> None:
        """Write the genotype with one line per block, so that a line diff compares two genotypes."""
        lines = ["{", f'  "format": {json.dumps(FORMAT)},']
        if self.comment:
            lines.append(f'  "comment": {json.dumps(self.comment)},')
        stages = []
        for stage in self.stages:
            blocks = ",\n".join(f"      {json.dumps(asdict(block))}" for block in stage.blocks)
            stages.append(f'    {{"channels": {stage.channels}, "blocks": [\n{blocks}\n    ]}}')
        write_text(path, "\n".join([*lines, '  "stages": [', ",\n".join(stages), "  ]", "}"]) + "\n")


def build_genotype(space: SearchSpace, choice: Choice, comment: str = "") -> Genotype:
    """Return the genotype of a choice; the choices of dropped blocks and unused operators are ignored."""
    stages, first = [], 0
    for index, stage in enumerate(space.stages):
        widths, blocks = space.widths(index), []
        for number in range(first, first + int(choice["depth"][index]) + 1):
            option = int(choice["operator"][number])
            dilation, resolution = space.operators[option]
            mid = widths[int(choice["mid_width"][number, option])]
            out = widths[int(choice["out_width"][number, option])]
            blocks.append(Block(dilation, resolution, mid, out))
        stages.append(Stage(stage.channels, tuple(blocks)))
        first += stage.blocks
    return Genotype(tuple(stages), comment)


def find_choice(space: SearchSpace, genotype: Genotype) -> dict[str, np.ndarray]:
    """Return the choice that yields `genotype`; groups that do not matter get their last option.

    Raises:
        UserError: The genotype is not in the space.
    """
    choice = last_options(space)
    first = 0
    for index, (stage_space, stage) in enumerate(zip(space.stages, genotype.stages, strict=True)):
        if stage.channels != stage_space.channels or len(stage.blocks) > stage_space.blocks:
            raise UserError(
                f"genotype is not in the space: stage {index + 1} has {len(stage.blocks)} blocks of {stage.channels} "
                f"channels, expected at most {stage_space.blocks} of {stage_space.channels}"
            )
        choice["depth"][index] = len(stage.blocks) - 1
        widths = space.widths(index)
        for number, block in enumerate(stage.blocks, start=first):
            operator = (block.dilation, block.resolution)
            if operator not in space.operators or block.mid not in widths or block.out not in widths:
                raise UserError(f"genotype is not in the space: stage {index + 1} has no options for {block}")
            option = space.operators.index(operator)
            choice["operator"][number] = option
            choice["mid_width"][number, option] = widths.index(block.mid)
            choice["out_width"][number, option] = widths.index(block.out)
        first += stage_space.blocks
    return choice


def last_options(space: SearchSpace) -> dict[str, np.ndarray]:
    """Return the choice of the last option of every group."""
    return {gate: np.full(space.gate_shape(gate)[:-1], space.gate_shape(gate)[-1] - 1) for gate in GATES}


def reference_choice(space: SearchSpace) -> dict[str, np.ndarray]:
    """Return the choice of every block at full width, with the first dilation and resolution 1."""
    choice = last_options(space)
    choice["operator"][:] = space.operators.index((space.dilations[0], 1))
    choice["depth"][:] = [stage.blocks - 1 for stage in space.stages]
    return choice


def random_choice(space: SearchSpace, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw one allowed option per group, uniformly and independently."""
    choice = {}
    for gate in GATES:
        allowed = space.allowed(gate)
        scores = np.where(allowed, generator.random(allowed.shape), -1.0)
        choice[gate] = scores.argmax(axis=-1)
    return choice
