"""Multiply-adds of the derived network with the search head; the target is a share of the reference cost."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.base import COSTS, Cost
from ssr_mmseg.costs.macs_formulas import expected_macs, genotype_macs, reference_macs


@COSTS.register_module(name="macs")
class Macs(Cost):
    """`{type: macs, target: t}`: t times the multiply-adds of the space's full chain (method §5)."""

    unit = "multiply-adds"

    def __init__(
        self,
        target: float,
        space: SearchSpace,
        classes: int,
        size: tuple[int, int],
        table: Path | str | None = None,
        hold: float | None = None,
    ) -> None:
        super().__init__(space, hold)
        self.classes = classes
        self.size = size
        self.reference = reference_macs(space, classes, size)
        self.target = target * self.reference

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        return expected_macs(self.space, probabilities, self.classes, self.size)

    def of(self, genotype: Genotype) -> float:
        return genotype_macs(genotype, self.classes, self.size, "search")
