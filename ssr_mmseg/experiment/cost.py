"""What a dataset's search is asked to keep: the cost that the configuration names, with the files that it needs."""

from ssr_mmseg import settings
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.base import Cost
from ssr_mmseg.costs.latency_table.table import LatencyTable, check_device
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.profiling import environment
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError


def cost_arguments(config: dict, dataset: str) -> dict:
    """Arguments of `build_cost` but the space, as JSON values.

    Args:
        config: A completed configuration.
        dataset: Name of a prepared dataset, of a member of a family or of a cell of the ablation.

    Raises:
        UserError: the dataset has several targets, or a latency table is missing or was made on another device.
    """
    members = settings.members(config, dataset)
    if members != [dataset]:
        raise UserError(f"dataset {dataset} has a search for each target; name one of: {', '.join(members)}")
    own = settings.for_dataset(config, dataset)
    table = settings.latency_table_path(config, dataset)
    if table is not None and not own["latency"]["table"]:
        if not table.is_file():
            raise UserError(f"{table} is missing; make it with: snakemake --cores all {table}")
        check_device(LatencyTable.read(table), environment(resolve_device(own["device"]))["device"], str(table))
    return {
        "cost": own["search"]["cost"],
        "classes": len(read_manifest(settings.manifest_path(config, dataset))["classes"]),
        "size": list(own["dataset"]["size"]),
        "table": None if table is None else str(table),
    }


def search_cost(config: dict, dataset: str) -> Cost:
    """The cost and its target.

    Raises:
        UserError: as `cost_arguments` and `build_cost` do.
    """
    space = SearchSpace.from_settings(settings.for_dataset(config, dataset)["search"])
    return build_cost(space=space, **cost_arguments(config, dataset))
