"""Predicted latency of a network: a frame and its blocks, looked up in a table and fitted to whole networks.

    latency = T + Σ_stages [ F(end width) + s · (Σ_blocks t(block) − t(the block that T + F holds)) ]

T is the measured latency of the smallest network, of one block per stage at full width; F is what another end width
of the stage adds to it. F is a small difference of large times: it is taken as a straight line that never falls with
the width. Block widths between the measured ones are interpolated, linearly in each width. Blocks are measured in a
chain of their like, and can be faster or slower within a network, where memory, caches and fusion differ: the factor
s of each stage is fitted to measured random networks, by non-negative least squares of the relative error.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype, choice_of
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.parts import (
    BlockPart,
    Part,
    knots,
    measured_operators,
    pairs,
    random_parts,
    smallest,
)
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.deploy.conv_rewrites import rounded
from ssr_mmseg.utils.errors import UserError

PRIOR = (0.02 / 0.5) ** 2  # ridge towards factors of 1: times are known to 2 %, factors beforehand to a half


class LatencyModel:
    """Latency in ms of one image through any network of a space.

    Args:
        space: The space that the table was made for.
        table: The measured parts.

    Attributes:
        whole: T of the module's formula.
        ends: F, per stage, (widths,).
        blocks: t, per stage, (operators, inputs, mids, outputs); NaN for operators that were not measured.
        held: t of the block that T + F holds, per stage, (widths,).
        factors: s, per stage.

    Raises:
        UserError: the table lacks a part of the space.
    """

    def __init__(self, space: SearchSpace, table: LatencyTable) -> None:
        self.space = space
        self.table = table
        self.stages = range(len(space.stages))
        full = [stage.channels for stage in space.stages]
        self.whole = self._time(smallest(space, full))
        self.ends, self.blocks = [], []
        for stage in self.stages:
            widths = knots(space, "out_width", stage, table.points)
            changed = ([width if index == stage else full[index] for index in self.stages] for width in widths)
            times = [self._time(smallest(space, ends)) - self.whole for ends in changed]
            offsets = self._run_at(space.widths(stage)) - self._run_at([full[stage]])
            measured = self._run_at(widths) - self._run_at([full[stage]])
            self.ends.append(_slope(measured, np.array(times)) * offsets)
            self.blocks.append(self._blocks(stage))
        self.held = [blocks[measured_operators(space)[0], -1, -1] for blocks in self.blocks]
        self.factors = self._fitted()
        self._cache: dict[tuple, dict[str, Tensor]] = {}

    def of(self, genotype: Genotype) -> float:
        """Predicted latency of a network, in ms.

        Raises:
            UserError: the network is not of the space.
        """
        frame, blocks = self._terms(genotype)
        return float(frame + self.factors @ blocks)

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Mean predicted latency of the networks drawn from the gates, in ms, a scalar with gradients.

        Options of different groups are drawn independently, so the mean of a block's latency is the sum over all its
        widths and operators, each with the product of its probabilities.

        Args:
            probabilities: Of the gates, as `ArchitectureParameters.probabilities` gives them.
        """
        total = probabilities["operator"].new_full((), self.whole)
        first = 0
        for index in self.stages:
            tables = self._tensors(index, total)
            rows = slice(first, first + self.space.stages[index].blocks)
            first = rows.stop
            p_depth = probabilities["depth"][index, : rows.stop - rows.start]
            p_operator, p_mid, p_out = (probabilities[gate][rows] for gate in ("operator", "mid_width", "out_width"))
            p_end = torch.einsum("no,now->nw", p_operator, p_out)  # (blocks, widths): of each block's output
            p_input = torch.cat([tables["full"].unsqueeze(0), p_end[:-1]])
            blocks = torch.einsum("ni,no,nom,now,oimw->n", p_input, p_operator, p_mid, p_out, tables["blocks"])
            reached = p_depth.flip(0).cumsum(0).flip(0)  # (blocks,): the probability that depth includes a block
            total = total + (reached * blocks).sum() + (p_depth @ p_end) @ tables["ends"]
        return total

    def _terms(self, genotype: Genotype) -> tuple[float, np.ndarray]:
        """T + ΣF of a network, and per stage the latency of its blocks beyond the one held, before the factors."""
        choice = choice_of(self.space, genotype)
        frame, sums, first = self.whole, [], 0
        for index in self.stages:
            inputs, total = -1, 0.0
            for number in range(first, first + int(choice["depth"][index]) + 1):
                option = choice["operator"][number]
                mid, out = (choice[gate][number, option] for gate in ("mid_width", "out_width"))
                total += float(self.blocks[index][option, inputs, mid, out])
                inputs = out
            if np.isnan(total):
                raise UserError(
                    f"the latency table lacks operators of stage {index + 1} of a network: they are not searched; "
                    "make a table with them in search.dimensions"
                )
            frame += float(self.ends[index][inputs])
            sums.append(total - self.held[index][inputs])
            first += self.space.stages[index].blocks
        return frame, np.array(sums)

    def _fitted(self) -> np.ndarray:
        """The factors that minimise the squared relative errors of the table's whole networks."""
        rows, targets = [], []
        for part in random_parts(self.space, self.table.networks, seed=0):
            time = self._time(part)
            frame, blocks = self._terms(part.genotype)
            rows.append(blocks / time)
            targets.append((time - frame) / time)
        prior = np.sqrt(PRIOR) * np.eye(len(self.stages))
        return nnls(np.vstack([*rows, prior]), np.append(targets, prior.sum(axis=0)))[0]

    def _blocks(self, stage: int) -> np.ndarray:
        """Latencies of a stage's blocks, interpolated to all widths: (operators, inputs, mids, outputs)."""
        space, points = self.space, self.table.points
        ends = sorted({narrow for narrow, _ in pairs(space, stage, points)})
        mids = knots(space, "mid_width", stage, points)
        widths = self._run_at(space.widths(stage))
        by_end, by_mid = (_hats(widths, self._run_at(values)) for values in (ends, mids))
        blocks = np.full((len(space.operators), *[space.width_options] * 3), np.nan)
        for option in measured_operators(space):
            measured = np.empty((len(ends), len(mids), len(ends)))
            for i, narrow in enumerate(ends):
                for j, wide in enumerate(ends[i:], start=i):
                    for k, mid in enumerate(mids):
                        time = self._time(BlockPart(stage, *space.operators[option], narrow, mid, wide))
                        measured[i, k, j] = measured[j, k, i] = time
            blocks[option] = np.einsum("ia,mb,oc,abc->imo", by_end, by_mid, by_end, measured)
        return blocks

    def _run_at(self, widths: Sequence[int]) -> np.ndarray:
        """The widths that run for these: padded, so that a model has steps where a device has them."""
        return np.array([rounded(width, self.table.key["align"]) for width in widths])

    def _time(self, part: Part) -> float:
        height, width = self.table.key["size"]
        name = part.name((height, width))
        if name not in self.table.entries:
            raise UserError(
                f"the latency table lacks {name!r}: it is unfinished or of another search space; "
                "run ssr-mmseg latency-table for this configuration"
            )
        return self.table.entries[name]

    def _tensors(self, stage: int, like: Tensor) -> dict[str, Tensor]:
        """A stage's `blocks` and `ends` with its factor, and its `full` input width, where and as `like` is."""
        key = (stage, like.device, like.dtype)
        if key not in self._cache:
            factor = self.factors[stage]
            values = {
                "blocks": np.nan_to_num(self.blocks[stage]) * factor,
                "ends": self.ends[stage] - self.held[stage] * factor,
                "full": np.eye(self.space.width_options)[-1],
            }
            self._cache[key] = {name: torch.as_tensor(value).to(like) for name, value in values.items()}
        return self._cache[key]


def _slope(offsets: np.ndarray, times: np.ndarray) -> float:
    """Slope of the line through the origin that is nearest to the times, or 0 if that one falls."""
    return max(0.0, float(offsets @ times) / max(1.0, float(offsets @ offsets)))


def _hats(widths: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Weights that interpolate from measured to all widths linearly, (widths, measured)."""
    return np.stack([np.interp(widths, measured, row) for row in np.eye(len(measured))], axis=1)
