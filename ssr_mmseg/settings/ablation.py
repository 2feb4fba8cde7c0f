"""The ablation's plan: searches that differ in regularizer, shrinking and searched dimensions, one cell each.

A cell stands where a dataset's name stands: the stages and rules of any search run it too. It reads the data of the
ablation's dataset and lays its own values over that dataset's search. Light, because the workflow imports it.
"""

import itertools
from dataclasses import dataclass

from ssr_mmseg.settings.cache import remembered
from ssr_mmseg.utils.errors import UserError


@dataclass(frozen=True)
class Cell:
    """One combination: whose data it reads, its values on the three axes, and its changes to the dataset's search."""

    dataset: str
    regularizer: str
    shrink: bool
    dimensions: str  # the name that the configuration gives to a set of searched dimensions
    search: dict

    @property
    def name(self) -> str:
        """What stands in a dataset's place: its slash keeps it apart from any dataset's name."""
        return f"ablation/{self.regularizer}-{'shrink' if self.shrink else 'keep'}-{self.dimensions}"


@remembered
def cells(config: dict) -> dict[str, Cell]:
    """Cells of the configured ablation by name, each once, in the order of its blocks; none without an ablation.

    A block names values for each axis and stands for all their combinations.

    Raises:
        UserError: the ablation names a dataset or a set of dimensions that is not configured.
    """
    section = config.get("ablation")
    if section is None:
        return {}
    if section["dataset"] not in config["datasets"]:
        known = ", ".join(config["datasets"])
        raise UserError(f"ablation.dataset: {section['dataset']} is not configured; configured are: {known}")
    found = {}
    for block in section["blocks"]:
        for regularizer, shrink, dimensions in itertools.product(
            block["regularizer"], block["shrink"], block["dimensions"]
        ):
            if dimensions not in section["dimensions"]:
                known = ", ".join(section["dimensions"])
                raise UserError(f"ablation.blocks: dimensions {dimensions} are not configured; configured are: {known}")
            axes = {"regularizer": regularizer, "shrink": shrink, "dimensions": section["dimensions"][dimensions]}
            cell = Cell(section["dataset"], regularizer, shrink, dimensions, {**section["search"], **axes})
            found[cell.name] = cell
    return found


def cells_or_error(config: dict) -> dict[str, Cell]:
    """The cells of an ablation that was asked for.

    Raises:
        UserError: the configuration plans none.
    """
    found = cells(config)
    if not found:
        raise UserError("the configuration has no section ablation; add one as in config/config.yaml")
    return found
