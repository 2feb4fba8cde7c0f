"""Latency of the derived network on the device of a latency table; the target is in milliseconds."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype, build_genotype, reference_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.base import COSTS, Cost
from ssr_mmseg.costs.latency_table.predictor import LatencyModel
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.utils.errors import UserError


@COSTS.register_module(name="latency")
class Latency(Cost):
    """`{type: latency, target_ms: t}`: t milliseconds per image, predicted from a table."""

    unit = "ms"

    def __init__(
        self,
        target_ms: float,
        space: SearchSpace,
        classes: int,
        size: tuple[int, int],
        table: Path | str | None = None,
        hold: float | None = None,
    ) -> None:
        super().__init__(space, hold)
        if table is None:
            raise UserError("the cost latency needs a latency table, found none; make one with ssr-mmseg latency-table")
        measured = LatencyTable.read(Path(table))
        for name, wanted in (("size", list(size)), ("classes", classes)):
            if measured.key[name] != wanted:
                raise UserError(
                    f"{table}: expected {name} {wanted}, found {measured.key[name]}; "
                    "make a table with ssr-mmseg latency-table"
                )
        self.model = LatencyModel(space, measured)
        self.digest = measured.digest
        self.target = target_ms
        self.reference = self.of(build_genotype(space, reference_choice(space)))

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        return self.model.expected(probabilities)

    def of(self, genotype: Genotype) -> float:
        return self.model.of(genotype)
