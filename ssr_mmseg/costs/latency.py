"""Latency of the derived network on the device of a latency table; the target is in milliseconds."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ssr_mmseg.architecture.genotype import Genotype, genotype_of
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.base import Cost, reference_choice
from ssr_mmseg.costs.latency_table.predictor import LatencyModel
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.utils.errors import UserError


class Latency(Cost):
    """`{kind: latency, target_ms: t}`: t milliseconds per image, predicted from a table."""

    unit = "ms"

    def __init__(
        self, cost: dict, space: SearchSpace, classes: int, size: tuple[int, int], table: Path | str | None = None
    ) -> None:
        if table is None:
            raise UserError("a search for a latency needs a latency table; make one with ssr-mmseg latency-table")
        read = LatencyTable.read(Path(table))
        for name, wanted in (("size", list(size)), ("classes", classes)):
            if read.key[name] != wanted:
                raise UserError(
                    f"{table} was measured for {name} {read.key[name]}, not {wanted}; "
                    "make one with ssr-mmseg latency-table"
                )
        self.space = space
        self.model = LatencyModel(space, read)
        self.digest = read.digest
        self.target = cost["target_ms"]
        self.reference = self.of(genotype_of(space, reference_choice(space)))

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        return self.model.expected(probabilities)

    def of(self, genotype: Genotype) -> float:
        return self.model.of(genotype)
