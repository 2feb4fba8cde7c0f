"""Where a row's genotype comes from."""

from ssr_mmseg import definitions, layout
from ssr_mmseg.genotype import Genotype


def genotype_for(network: str, dataset: str, seed: int) -> Genotype | None:
    """The genotype of a network: searched, random or published; None for a baseline, which has none.

    Raises:
        UserError: the network is unknown, or its genotype has not been made yet.
    """
    kind = definitions.network_kind(network)
    if kind == "baseline":
        return None
    if kind == "published":
        return Genotype.read(definitions.defining_file(network))
    pattern = layout.GENOTYPE if kind == "searched" else layout.RANDOM_GENOTYPE
    return Genotype.read(pattern.format(dataset=dataset, seed=seed))
