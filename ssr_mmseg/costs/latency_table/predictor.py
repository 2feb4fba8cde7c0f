"""Predicted latency of a network: its frame and its blocks, from a table, with factors fitted to whole networks.

    latency = T + Σ_stages [ F(end width) + s · (Σ_blocks t(block) − t(the block that T + F holds)) ]

T is the measured latency of the smallest network, with one block per stage at full width. F is the difference that
another end width of the stage makes; as a small difference of large times, it is fitted by a straight line that never
falls with the width. Blocks between measured widths are interpolated linearly in each width. Blocks are measured in a
chain of equal ones and can be faster or slower within a network, where memory, caches and fusion differ: the factor s
of each stage is fitted to measured random networks by non-negative least squares of the relative error.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype, find_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.parts import (
    BlockPart,
    Part,
    check_extent,
    knots,
    measured_operators,
    pairs,
    random_parts,
    smallest_network,
)
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.deploy.conv_rewrites import round_up
from ssr_mmseg.utils.errors import UserError

PRIOR = (0.02 / 0.5) ** 2  # ridge towards factors of 1: times have an error of 2 %, factors a prior error of 1/2


class LatencyModel:
    """Latency in ms of one image through any network of a space.

    Args:
        space: The space that the table was made for.
        table: The measured parts.

    Attributes:
        whole: T of the module's formula.
        ends: F, per stage, (widths,).
        blocks: t, per stage, (operators, inputs, mids, outputs); NaN for operators that were not measured.
        held: t of the block that T + F includes, per stage, (widths,).
        factors: s, per stage.

    Raises:
        UserError: The table lacks a part of the space, or the space has too many.
    """

    def __init__(self, space: SearchSpace, table: LatencyTable) -> None:
        check_extent(space, table.points)
        self.space = space
        self.table = table
        self.stages = range(len(space.stages))
        full = [stage.channels for stage in space.stages]
        self.whole = self._time(smallest_network(space, full))
        self.ends, self.blocks = [], []
        for stage in self.stages:
            widths = knots(space, "out_width", stage, table.points)
            changed = ([width if index == stage else full[index] for index in self.stages] for width in widths)
            times = [self._time(smallest_network(space, ends)) - self.whole for ends in changed]
            offsets = self._run_at(space.widths(stage)) - self._run_at([full[stage]])
            measured = self._run_at(widths) - self._run_at([full[stage]])
            self.ends.append(_slope(measured, np.array(times)) * offsets)
            self.blocks.append(self._blocks(stage))
        self.held = [blocks[measured_operators(space)[0], -1, -1] for blocks in self.blocks]
        self.factors = self._fit_factors()
        self._cache: dict[tuple, dict[str, Tensor]] = {}

    def of(self, genotype: Genotype) -> float:
        """Predict the latency of a network in ms.

        Raises:
            UserError: The network is not in the space.
        """
        frame, blocks = self._terms(genotype)
        return float(frame + self.factors @ blocks)

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """Return the mean predicted latency of networks drawn from the gates, in ms, a scalar with gradients.

        Options of different groups are drawn independently, so the mean latency of a block is the sum over all its
        widths and operators, each weighted by the product of its probabilities.

        Args:
            probabilities: Probabilities of the gates from `ArchitectureParameters.probabilities`.
        """
        total = probabilities["operator"].new_full((), self.whole)
        first = 0
        for index in self.stages:
            tables = self._tensors(index, total)
            rows = slice(first, first + self.space.stages[index].blocks)
            first = rows.stop
            p_depth = probabilities["depth"][index, : rows.stop - rows.start]
            p_operator, p_mid, p_out = (probabilities[gate][rows] for gate in ("operator", "mid_width", "out_width"))
            p_end = torch.einsum("no,now->nw", p_operator, p_out)  # (blocks, widths)
            p_input = torch.cat([tables["full"].unsqueeze(0), p_end[:-1]])
            blocks = torch.einsum("ni,no,nom,now,oimw->n", p_input, p_operator, p_mid, p_out, tables["blocks"])
            reached = p_depth.flip(0).cumsum(0).flip(0)  # (blocks,): probability that the depth includes the block
            total = total + (reached * blocks).sum() + (p_depth @ p_end) @ tables["ends"]
        return total

    def _terms(self, genotype: Genotype) -> tuple[float, np.ndarray]:
        """Return T + ΣF of a network and, per stage, the sum that its factor multiplies."""
        choice = find_choice(self.space, genotype)
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
                    f"the latency table lacks operators of stage {index + 1} of the network, because they are not "
                    "searched; create a table with dilation and resolution in search.dimensions"
                )
            frame += float(self.ends[index][inputs])
            sums.append(total - self.held[index][inputs])
            first += self.space.stages[index].blocks
        return frame, np.array(sums)

    def _fit_factors(self) -> np.ndarray:
        """Fit the factors that minimize the squared relative errors of the table's whole networks."""
        rows, targets = [], []
        for part in random_parts(self.space, self.table.networks, seed=0):
            time = self._time(part)
            frame, blocks = self._terms(part.genotype)
            rows.append(blocks / time)
            targets.append((time - frame) / time)
        prior = np.sqrt(PRIOR) * np.eye(len(self.stages))
        from scipy.optimize import nnls  # here, because every training imports this module

        return nnls(np.vstack([*rows, prior]), np.append(targets, prior.sum(axis=0)))[0]

    def _blocks(self, stage: int) -> np.ndarray:
        """Return the latencies of a stage's blocks interpolated to all widths: (operators, inputs, mids, outputs)."""
        space, points = self.space, self.table.points
        ends = sorted({narrow for narrow, _ in pairs(space, stage, points)})
        mids = knots(space, "mid_width", stage, points)
        widths = self._run_at(space.widths(stage))
        by_end, by_mid = (_interpolation_weights(widths, self._run_at(values)) for values in (ends, mids))
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
        """Return the padded widths that run for `widths`, so that predictions have the same steps as the device."""
        return np.array([round_up(width, self.table.key["align"]) for width in widths])

    def _time(self, part: Part) -> float:
        height, width = self.table.key["size"]
        name = part.name((height, width))
        if name not in self.table.entries:
            raise UserError(
                f"the latency table lacks {name!r}: it is unfinished or for another search space; "
                "run ssr-mmseg latency-table with this configuration"
            )
        return self.table.entries[name]

    def _tensors(self, stage: int, like: Tensor) -> dict[str, Tensor]:
        """Return a stage's `blocks` and `ends` with its factor, and its one-hot `full` width, like `like`."""
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
    """Return the least-squares slope of a line through the origin, or 0 if it is negative."""
    return max(0.0, float(offsets @ times) / max(1.0, float(offsets @ offsets)))


def _interpolation_weights(widths: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return the weights (widths, measured) that interpolate linearly from the measured widths to all."""
    return np.stack([np.interp(widths, measured, row) for row in np.eye(len(measured))], axis=1)
