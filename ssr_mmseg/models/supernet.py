"""Supernet: all networks of the search space at once, weighted by the gates (method §2–4)."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import DIMENSIONS, STEM_CHANNELS, SearchSpace
from ssr_mmseg.architecture.structure import BlockStructure, Structure, structure_from_json, surviving_structure
from ssr_mmseg.models.batch_norm import per_channel
from ssr_mmseg.models.mixed_operator import add_mixture
from ssr_mmseg.models.operators import (
    DROPOUT,
    CandidateOperator,
    ReductionBlock,
    draw_noise,
    fit_channels,
    upsample_feature,
)


class SuperBlock(nn.Module):
    """Weighted sum of a block's candidate operators:

        y = ReLU( Σₒ pₒ Mₒ ⊙ (fₒ(x) + x) ),   Mₒ = Σₖ qₒₖ · maskₖ.

    It is computed as one weighted sum per resolution, one upsampling of the pooled sum (bilinear interpolation is
    linear), and one mask on the residual. Dead operators, whose p is 0, are not computed.
    """

    def __init__(self, space: SearchSpace, structure: BlockStructure, dropout: float) -> None:
        super().__init__()
        self.outputs = structure.outputs
        self.options = {  # options by resolution
            resolution: [option for option in structure.mids if space.operators[option][1] == resolution]
            for resolution in space.resolutions
        }
        self.operators = nn.ModuleDict(
            {
                str(option): CandidateOperator(
                    structure.inputs, mid, structure.outputs, space.operators[option][0], dropout
                )
                for option, mid in structure.mids.items()
            }
        )

    def forward(self, x: Tensor, p: Tensor, alive: Sequence[bool], mid_masks: Tensor, out_masks: Tensor) -> Tensor:
        """Compute the block, (B, inputs, H, W) → (B, outputs, H, W).

        Args:
            x: Input.
            p: Operator probabilities, (operators,), 0 for dead operators.
            alive: Whether each operator survives.
            mid_masks: Expected masks of the mid channels, (operators, C).
            out_masks: Expected masks of the out channels, (operators, C).
        """
        out_scales = p.unsqueeze(-1) * _first(out_masks, self.outputs)  # (operators, outputs)
        mid_rows, out_rows = mid_masks.unbind(), out_scales.unbind()  # indexing with a list would synchronize
        # drawn in option order, independent of the order of evaluation below
        computed = [k for k in map(int, self.operators) if alive[k]]
        noises = dict(zip(computed, draw_noise([self._operator(k) for k in computed], len(x), x), strict=True))
        total = fit_channels(x, self.outputs) * per_channel(out_scales.sum(dim=0), x)
        # coarse operators first: the fine ones are added to their upsampled sum
        for resolution in sorted(self.options, reverse=True):
            options = [option for option in self.options[resolution] if alive[option]]
            if not options:
                continue
            operators = [self._operator(option) for option in options]
            mid_scales = [_first(mid_rows[k], o.mid) for k, o in zip(options, operators, strict=True)]
            weights = mid_scales, [out_rows[k] for k in options], [noises[k] for k in options]
            if resolution == 1:
                total = add_mixture(total, x, operators, *weights)
            else:
                pooled = F.max_pool2d(x, resolution)
                zeros = torch.zeros_like(fit_channels(pooled, self.outputs))
                coarse = add_mixture(zeros, pooled, operators, *weights)
                total = total + upsample_feature(coarse, x.shape[2:])
        return F.relu_(total)

    def _operator(self, option: int) -> CandidateOperator:
        return cast(CandidateOperator, self.operators[str(option)])


def _first(values: Tensor, channels: int) -> Tensor:
    """Return the first of the channels (…, C); a slice of all of them would be copied in the backward pass."""
    return values if values.shape[-1] == channels else values[..., :channels]


@MODELS.register_module()
class SSRSupernet(BaseModule):
    """Backbone that contains the whole search space.

    Shapes: (B, 3, H, W) → features at 1/2 (16 channels), 1/4 and 1/8. The latter two have their stage's channels, with
    zeros beyond the chosen width. H and W must be multiples of 8.

    Args:
        space: The search space, as `SearchSpace.from_dict` takes it.
        dimensions: What is searched; all dimensions by default.
        gate: How architecture parameters become probabilities: sigmoid or softmax.
        structure: The materialized structure, as written by `structure_to_json`; the whole space by default.
        init_cfg: mmengine's initialization, such as `dict(type="Pretrained", checkpoint=PATH)`.
    """

    def __init__(
        self,
        space: dict,
        dimensions: Sequence[str] = DIMENSIONS,
        gate: str = "sigmoid",
        structure: list | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.space = SearchSpace.from_dict(space, dimensions)
        self.architecture = ArchitectureParameters(self.space, gate)
        if structure is None:
            alive = {gate: value.numpy() for gate, value in self.architecture.alive.items()}
            self.structure: Structure = surviving_structure(self.space, alive)
        else:
            self.structure = structure_from_json(structure)
        channels = [stage.channels for stage in self.space.stages]
        self.stem = ReductionBlock(3, STEM_CHANNELS)
        self.reductions = nn.ModuleList(
            ReductionBlock(a, b) for a, b in zip([STEM_CHANNELS, *channels[:-1]], channels, strict=True)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(SuperBlock(self.space, block, DROPOUT[index]) for block in blocks)
            for index, blocks in enumerate(self.structure)
        )
        for index, stage in enumerate(self.space.stages):
            # (options, C): row k is the 0/1 prefix mask of the k-th width
            widths = torch.tensor(self.space.widths(index)).unsqueeze(-1)
            masks = (torch.arange(stage.channels) < widths).float()
            self.register_buffer(f"masks_{index}", masks, persistent=False)
        self.to(memory_format=torch.channels_last)  # 20 % faster on CPUs, and the fastest layout for tensor cores

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        images = images.contiguous(memory_format=torch.channels_last)
        gates = self.architecture.probabilities()
        alive = self.architecture.survivors()
        features = [self.stem(images)]
        first = 0
        for index, stage in enumerate(self.space.stages):
            x = self.reductions[index](features[-1])
            features.append(self._run_stage(index, first, x, gates, alive))
            first += stage.blocks
        return tuple(features)

    def computed(self) -> tuple[list, list]:
        """Return the surviving depths and operators, which decide what the forward pass computes.

        The surviving widths do not: they only change values on the device.
        """
        alive = self.architecture.survivors()
        return alive["depth"], alive["operator"]

    def _run_stage(self, index: int, first: int, x: Tensor, gates: Mapping[str, Tensor], alive: dict) -> Tensor:
        """Compute Σₖ pₖ·hₖ over the surviving depths k of a stage, padded to the stage's channels."""
        channels = self.space.stages[index].channels
        masks = getattr(self, f"masks_{index}")
        survivors = [k for k, survives in enumerate(alive["depth"][index]) if survives]
        # as tuples, because the backward pass of an index writes a whole tensor of zeros, and then adds it
        p_depth = gates["depth"][index].unbind()
        blocks = cast(nn.ModuleList, self.stages[index])
        rows = slice(first, first + survivors[-1] + 1)
        # (blocks, operators, C) each
        mid_masks, out_masks = ((gates[gate][rows] @ masks).unbind() for gate in ("mid_width", "out_width"))
        p_operator = gates["operator"][rows].unbind()
        output: Tensor | None = None
        for k in range(survivors[-1] + 1):
            number = first + k
            x = blocks[k](
                x,
                p_operator[k],
                alive["operator"][number],
                mid_masks[k],
                out_masks[k],
            )
            if k in survivors:
                feature = fit_channels(x, channels)
                if output is None:
                    output = feature if len(survivors) == 1 else p_depth[k] * feature
                else:
                    output = torch.addcmul(output, p_depth[k], feature)
        assert output is not None  # a depth group always has a survivor
        return output
