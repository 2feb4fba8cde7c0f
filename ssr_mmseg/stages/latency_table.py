"""The command `latency-table`: measure the operators of a search space on this device, or go on where it stopped."""

import sys
from pathlib import Path

import torch

from ssr_mmseg import settings
from ssr_mmseg.architecture.input_size import check_input_size
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.measure import fill, parts_of
from ssr_mmseg.costs.latency_table.predictor import LatencyModel
from ssr_mmseg.costs.latency_table.table import LatencyTable, difference
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.profiling import environment
from ssr_mmseg.profiling.backends.base import alignment, backend_type
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.devices import resolve_device


def latency_table(
    config: dict, dataset: str, out: Path | None = None, classes: int | None = None, size: tuple[int, int] | None = None
) -> LatencyTable:
    """Write the latency table of a dataset's search; measure what it does not hold yet.

    An interrupted measurement stays beside `out` as `<name>.partial.json`, and the next call goes on with it. A table
    that was made in other circumstances is made anew.

    Args:
        config: A completed configuration; its section `latency` says how to measure.
        out: The table; by default where the search looks for it.
        classes: Number of classes; by default the prepared dataset's.
        size: Height and width of the input; by default the dataset's.

    Raises:
        UserError: the dataset is not prepared, or the device, backend or precision is not to be had.
    """
    own = settings.for_dataset(config, dataset)
    size = size or tuple(own["dataset"]["size"])
    check_input_size(size)
    if classes is None:
        classes = len(read_manifest(settings.manifest_path(config, dataset))["classes"])
    options = own["latency"]
    if options["threads"]:
        torch.set_num_threads(options["threads"])
    device = resolve_device(own["device"])
    backend_type(options["backend"], options["precision"])  # refuses an unknown name before anything is measured
    key = circumstances(options, device, classes, size)
    path = Path(out or paths.LATENCY_TABLE.format(dataset=dataset))
    partial = path.with_suffix(".partial.json")
    space = SearchSpace.from_settings(own["search"])
    table = LatencyTable(key, options["points"], options["networks"])
    for kept in (path, partial):
        if kept.is_file():
            take_over(table, LatencyTable.read(kept), kept)
    if any(part.name(size) not in table.entries for part in parts_of(space, table)):
        with arithmetic(options["precision"]):
            fill(table, space, device, lambda grown: grown.write(partial), _tell)
    LatencyModel(space, table)  # raises before anything is written, if the figures make no model
    table.write(path)
    partial.unlink(missing_ok=True)
    return table


def circumstances(options: dict, device: torch.device, classes: int, size: tuple[int, int]) -> dict:
    """All that the figures of a table hold for.

    Args:
        options: The section `latency` of the configuration.
    """
    here, graph = environment(device), backend_type(options["backend"]).default_graph
    return {
        "device": here["device"],
        "backend": options["backend"],
        "precision": options["precision"],
        "graph": graph,
        "align": alignment(options["backend"], options["precision"]) if graph == "deployed" else 1,
        "threads": here["threads"],
        "size": list(size),
        "classes": classes,
        "rounds": options["rounds"],
        "versions": here["versions"],
    }


def take_over(table: LatencyTable, earlier: LatencyTable, path: Path) -> None:
    """Give a new table the figures of an earlier one if they hold for it; say so if they do not."""
    changed = difference(earlier.key, table.key)
    if changed:
        print(f"{path} holds for {changed}: measuring anew", file=sys.stderr)
        return
    table.entries |= earlier.entries
    table.reference_ms = earlier.reference_ms


def _tell(done: int, total: int) -> None:
    print(f"latency-table: {done} of {total} parts", file=sys.stderr, flush=True)
