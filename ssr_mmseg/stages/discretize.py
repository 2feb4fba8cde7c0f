"""Stage `discretize`: turn the options that survived a search into a genotype."""

import torch

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import build_genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.experiment.cost import search_cost
from ssr_mmseg.experiment.earlier_results import load_search_state
from ssr_mmseg.search.cost_target import towards_target
from ssr_mmseg.search.step import architecture_state
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.cost_targets import hold_of
from ssr_mmseg.training.checkpoint.safe_load import state_needed
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json


def discretize(config: dict, dataset: str, seed: int) -> None:
    """Write the genotype of the last stage's survivors, and a report of the undecided groups.

    Raises:
        UserError: The state is not that of the last stage, or a gate group still has several survivors and
            `discretize.undecided` is `refuse`.
    """
    options = settings.for_dataset(config, dataset)
    stages = options["search"]["shrink_stages"]
    path = paths.state_path(config, dataset, seed, stages)
    state = load_search_state(config, dataset, seed, stages)
    space = SearchSpace.from_settings(options["search"])
    architecture = ArchitectureParameters(space, options["search"]["gate"])
    with state_needed(path):
        architecture.load_state_dict(architecture_state(state["model"]))
        if not all(bool(torch.isfinite(p).all()) for p in architecture.probabilities().values()):
            raise ValueError("probabilities that are not finite")
        if not bool(architecture.alive["depth"].any(dim=-1).all()):
            raise ValueError("a stage without any depth")
    undecided = undecided_groups(architecture)
    if undecided and options["discretize"]["undecided"] == "refuse":
        counts = ", ".join(f"{len(groups)} of {gate}" for gate, groups in undecided.items())
        raise UserError(
            f"dataset {dataset}, seed {seed}: some gate groups are undecided ({counts}); search for more epochs, "
            "increase the regularizer's weights, or set discretize.undecided to argmax"
        )
    choice = architecture.choice()
    held = hold_of(options["search"]["cost"]) is not None
    moved = towards_target(architecture, choice, search_cost(config, dataset)) if undecided and held else []
    genotype = build_genotype(space, choice, f"searched on {dataset}, seed {seed}")
    report = {
        "gates_decided": architecture.gates_decided(),
        "given_up": undecided,  # with the probability that taking the argmax gives up
        "moved": moved,  # undecided groups that took another survivor to reach the target
        "groups": architecture.groups(),
        "made_from": settings.made_from(config, "discretize", dataset, seed),
    }
    genotype.write(paths.result_path(config, paths.GENOTYPE, dataset=dataset, seed=seed))
    write_json(paths.result_path(config, paths.DISCRETIZATION, dataset=dataset, seed=seed), report)


@torch.no_grad()
def undecided_groups(architecture: ArchitectureParameters) -> dict[str, list[dict]]:
    """Return the groups with several survivors by gate: index, survivors, and the probability of all but the best."""
    result: dict[str, list[dict]] = {}
    probabilities = architecture.probabilities()
    for gate, alive in architecture.alive.items():
        counts = alive.sum(dim=-1)
        for index in torch.nonzero(counts > 1).tolist():
            p = probabilities[gate][tuple(index)]
            entry = {"group": index, "survivors": int(counts[tuple(index)]), "given_up": round(1 - float(p.max()), 6)}
            result.setdefault(gate, []).append(entry)
    return result
