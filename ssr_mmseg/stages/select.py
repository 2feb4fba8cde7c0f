"""Stage `select`: choose a network to compare the searched one with, of the same space and about the same cost."""

from pathlib import Path

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.experiment.cost import search_cost
from ssr_mmseg.search.selectors import SELECTORS, SelectionTask
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.project_files import selection
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.registry import registered


def select(config: dict, dataset: str, seed: int, network: str) -> None:
    """Write the genotype that a selector chooses for the cost of the searched one.

    The cost is that of the search, except that multiply-adds are those of the derived network with its own head.

    Args:
        config: A completed experiment configuration.
        network: Name of a selector, or `NAME_N` for its N-th draw.

    Raises:
        UserError: There is no such selector, the dataset has not been prepared, or the search has not ended.
    """
    options = settings.for_dataset(config, dataset)
    choice = selection(network)
    if choice is None:
        known = ", ".join(sorted(SELECTORS.module_dict))
        raise UserError(f"network {network} is not one that a selector chooses; the selectors are: {known}")
    name, draw = choice
    manifest = read_manifest(settings.manifest_path(config, dataset))
    classes, size = len(manifest["classes"]), tuple(options["dataset"]["size"])
    searched = Genotype.read(paths.GENOTYPE.format(dataset=dataset, seed=seed))

    def macs(genotype: Genotype) -> float:
        return genotype_macs(genotype, classes, size)

    measure = macs if options["search"]["cost"]["type"] == "macs" else search_cost(config, dataset).of
    space = SearchSpace.from_settings(options["search"])
    task = SelectionTask(space, measure(searched), measure, seed, draw)
    genotype = registered(SELECTORS, name, "selector")().select(task)
    genotype.write(Path(paths.SELECTED.format(dataset=dataset, seed=seed, network=network)))
