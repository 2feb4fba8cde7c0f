"""Stage `rank`: score random networks by the weights that they inherit from each kind of trained supernet."""

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype, find_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.experiment.candidates import load_trained_supernet
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.ranking import ranked_networks
from ssr_mmseg.settings.scenario import supernet_scenario
from ssr_mmseg.settings.selector_supernets import KINDS
from ssr_mmseg.utils.files import write_json


def rank(config: dict, dataset: str, seed: int) -> None:
    """Write the mIoU on val of the random networks of `contest.ranking` in the supernet of each kind, in percent.

    Raises:
        UserError: A network has not been selected or a supernet has not been trained yet.
    """
    space = SearchSpace.from_settings(settings.for_dataset(config, dataset)["search"])
    choices = {
        network: find_choice(
            space, Genotype.read(paths.result_path(config, paths.SELECTED, dataset=dataset, seed=seed, network=network))
        )
        for network in ranked_networks(config)
    }
    scores: dict[str, dict[str, float]] = {}
    for kind in KINDS:
        supernet = load_trained_supernet(config, supernet_scenario(dataset, kind), seed)
        scores[kind] = {network: supernet.score_network(choice) for network, choice in choices.items()}
    record = {
        "dataset": dataset,
        "seed": seed,
        "scores": scores,
        "made_from": settings.made_from(config, "rank", dataset, seed),
        "provenance": provenance(),
    }
    write_json(paths.result_path(config, paths.RANK, dataset=dataset, seed=seed), record)
