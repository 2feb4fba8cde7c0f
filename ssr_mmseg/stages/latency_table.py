"""The command `latency-table`: measure a search space's latency table on this device, or resume measuring it."""

import sys
from pathlib import Path

import torch

from ssr_mmseg import settings
from ssr_mmseg.architecture.input_size import STRIDE, check_input_size
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table.measure import fill, list_parts
from ssr_mmseg.costs.latency_table.predictor import LatencyModel
from ssr_mmseg.costs.latency_table.table import EARLIER_HEAD, LatencyTable, difference
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.experiment.cfg_options import read_named_config
from ssr_mmseg.experiment.config_check.check import check_config
from ssr_mmseg.profiling import environment
from ssr_mmseg.profiling.backends.base import alignment, backend_type
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.named_configs import DERIVED, NamedConfig
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.threads import check_threads


def latency_table(
    config: dict, dataset: str, out: Path | None = None, classes: int | None = None, size: tuple[int, int] | None = None
) -> LatencyTable:
    """Write the latency table of a dataset's search, measuring the parts that it lacks.

    An interrupted measurement is kept next to `out` as `<name>.partial.json` and resumed by the next call. A table
    measured under other circumstances is measured again.

    Args:
        config: A completed configuration; its section `latency` gives the settings of the measurement.
        dataset: Name of the dataset.
        out: The table's file; by default the one that the search reads.
        classes: Number of classes; by default the prepared dataset's.
        size: Height and width of the input; by default the dataset's.

    Raises:
        UserError: The dataset is not prepared, the device, backend or precision is not available, there are fewer
            cores than threads, or the table would have too many parts.
    """
    dataset_settings = settings.for_dataset(config, dataset)
    size = size or tuple(dataset_settings["dataset"]["size"])
    check_input_size(size, least=4 * STRIDE)  # a pooled operator of stage 2 sees 1/16 of it
    if classes is None:
        classes = len(read_manifest(settings.manifest_path(config, dataset))["classes"])
    options = dataset_settings["latency"]
    if options["threads"]:
        check_threads(options["threads"], "latency.threads, or --threads")
        torch.set_num_threads(options["threads"])
    device = resolve_device(dataset_settings["device"])
    backend_type(options["backend"], options["precision"])  # refuse an unknown name before measuring
    key = circumstances(options, device, classes, size, head_widths(dataset_settings["retrain"]))
    path = Path(out or paths.result_path(config, paths.LATENCY_TABLE, dataset=dataset))
    partial = path.with_suffix(".partial.json")
    space = SearchSpace.from_settings(dataset_settings["search"])
    table = LatencyTable(key, options["points"], options["networks"])
    for earlier in (path, partial):
        if earlier.is_file():
            reuse_entries(table, LatencyTable.read(earlier), earlier)
    if any(part.name(size) not in table.entries for part in list_parts(space, table)):
        with arithmetic(options["precision"]):
            fill(table, space, device, lambda grown: grown.write(partial), _print_progress)
    LatencyModel(space, table)  # raises before the table is written if it is incomplete
    table.write(path, settings.made_from(config, "latency_table", dataset) if out is None else None)
    partial.unlink(missing_ok=True)
    return table


def head_widths(retrain: dict) -> dict[str, int]:
    """Return the widths of the head of derived networks in the config that the section `retrain` names."""
    named = NamedConfig("retrain", retrain["config"], DERIVED)
    check_config(named)
    head = read_named_config(named)["model"]["decode_head"]
    return {name: head.get(name, width) for name, width in EARLIER_HEAD.items()}


def circumstances(
    options: dict, device: torch.device, classes: int, size: tuple[int, int], head: dict[str, int]
) -> dict:
    """Return the circumstances for which a table is valid, its `key`.

    Args:
        options: The section `latency` of the configuration.
        device: Device to measure on.
        classes: Number of classes.
        size: Height and width of the input.
        head: Widths of the networks' head.
    """
    machine, graph = environment(device), backend_type(options["backend"]).default_graph
    return {
        "device": machine["device"],
        "backend": options["backend"],
        "precision": options["precision"],
        "graph": graph,
        "align": alignment(options["backend"], options["precision"]) if graph == "deployed" else 1,
        "head": head,
        "threads": machine["threads"],
        "size": list(size),
        "classes": classes,
        "rounds": options["rounds"],
        "versions": machine["versions"],
    }


def reuse_entries(table: LatencyTable, earlier: LatencyTable, path: Path) -> None:
    """Copy the entries of an earlier table if it was measured under the same circumstances; print a line if not."""
    changed = difference(earlier.key, table.key)
    if changed:
        print(f"{path} was measured with {changed}: measuring again", file=sys.stderr)
        return
    table.entries |= earlier.entries
    table.reference_ms = earlier.reference_ms


def _print_progress(done: int, total: int) -> None:
    print(f"latency-table: {done} of {total} parts", file=sys.stderr, flush=True)
