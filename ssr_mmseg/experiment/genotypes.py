"""Genotypes of networks: searched, chosen by a selector, or published."""

from pathlib import Path

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.settings import paths, project_files


def genotype_for(config: dict, network: str, dataset: str, seed: int) -> Genotype | None:
    """Read the genotype of a network; None for a baseline, which has none.

    Raises:
        UserError: The network is unknown, or its genotype has not been made yet.
    """
    file = genotype_file(config, network, dataset, seed)
    return None if file is None else Genotype.read(file)


def genotype_file(config: dict, network: str, dataset: str, seed: int) -> Path | None:
    """Return the path of the genotype of a network; None for a baseline, which has none.

    Raises:
        UserError: The network is unknown.
    """
    kind = project_files.network_kind(network)
    if kind == "baseline":
        return None
    if kind == "published":
        return project_files.defining_file(network)
    pattern = paths.GENOTYPE if kind == "searched" else paths.SELECTED
    return paths.result_path(config, pattern, dataset=dataset, seed=seed, network=network)
