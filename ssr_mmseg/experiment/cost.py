"""Build the cost of a search from the configuration, the prepared dataset and the latency table."""

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.base import Cost
from ssr_mmseg.costs.latency_table.table import LatencyTable, check_device
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.experiment.mmseg_config import read_mmseg_config
from ssr_mmseg.profiling import environment
from ssr_mmseg.settings.scenario import searches
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError


def cost_arguments(config: dict, dataset: str) -> dict:
    """Return the arguments of `build_cost` except the space, as JSON values.

    Args:
        config: A completed configuration.
        dataset: Name of a scenario with one target, whose dataset is prepared.

    Raises:
        UserError: The dataset has several targets, or the latency table is missing or was measured on another device.
    """
    scenarios = searches(config, dataset)
    if scenarios != [dataset]:
        raise UserError(f"dataset {dataset} has a search for each target; name one of: {', '.join(scenarios)}")
    dataset_settings = settings.for_dataset(config, dataset)
    table = settings.latency_table_path(config, dataset)
    if table is not None and not dataset_settings["latency"]["table"]:
        if not table.is_file():
            raise UserError(f"{table} is missing; make it with: snakemake --cores all {table}")
        device = environment(resolve_device(dataset_settings["device"]))["device"]
        check_device(LatencyTable.read(table), device, str(table))
    return {
        "cost": dataset_settings["search"]["cost"],
        "classes": len(read_manifest(settings.manifest_path(config, dataset))["classes"]),
        "size": list(dataset_settings["dataset"]["size"]),
        "table": None if table is None else str(table),
    }


def search_cost(config: dict, dataset: str) -> Cost:
    """Build the cost of a search, with its target.

    Raises:
        UserError: See `cost_arguments` and `build_cost`.
    """
    space = SearchSpace.from_settings(settings.for_dataset(config, dataset)["search"])
    return build_cost(space=space, **cost_arguments(config, dataset))


class NetworkCost:
    """Cost of derived networks, by which selected networks are matched with the searched one.

    It is that of the search, except that multiply-adds are those of the derived network with its own head.

    Args:
        config: A completed configuration.
        dataset: Name of a scenario with one target, whose dataset is prepared.

    Attributes:
        unit: Unit of the cost.

    Raises:
        UserError: See `cost_arguments`.
    """

    def __init__(self, config: dict, dataset: str) -> None:
        options = settings.for_dataset(config, dataset)
        self.classes = len(read_manifest(settings.manifest_path(config, dataset))["classes"])
        self.size: tuple[int, int] = tuple(options["dataset"]["size"])
        head = read_mmseg_config(options["retrain"]["config"])["model"]["decode_head"]
        self.head = {key: head[key] for key in ("channels", "skip_channels", "branch_channels") if key in head}
        self._search = None if options["search"]["cost"]["type"] == "macs" else search_cost(config, dataset)
        self.unit = "multiply-adds" if self._search is None else self._search.unit

    def macs(self, genotype: Genotype) -> int:
        """Return the multiply-adds of a network with its aggregation head."""
        return genotype_macs(genotype, self.classes, self.size, "aggregation", **self.head)

    def of(self, genotype: Genotype) -> float:
        """Return the cost of a network, in `unit`."""
        return self.macs(genotype) if self._search is None else self._search.of(genotype)
