"""Stage `select`: choose a network to compare the searched one with, of the same space and about the same cost."""

import os
from functools import partial

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.experiment.candidates import candidate_training, load_trained_supernet
from ssr_mmseg.experiment.cost import NetworkCost
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.jobs.finished_work import mark_finished
from ssr_mmseg.jobs.progress import progress_path
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.search.selection.candidates import Candidates
from ssr_mmseg.search.selectors import SELECTORS, SelectionTask
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.project_files import selection
from ssr_mmseg.settings.scenario import supernet_scenario
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.training.checkpoint.work_lock import claim, release
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json
from ssr_mmseg.utils.registry import build


def select(config: dict, dataset: str, seed: int, network: str) -> None:
    """Write the genotype that a selector chooses for the cost of the searched one, and a record of the selection.

    The cost is that of `NetworkCost`. An interrupted selection continues with the candidates that it has measured.

    Args:
        config: A completed experiment configuration.
        network: Name of a selector, or `NAME_N` for its N-th draw.

    Raises:
        UserError: There is no such selector, an argument of it is wrong, or a stage before has not been run.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError("select runs in one process; give it one GPU: --set-resources select:gpu=1")
    choice = selection(network)
    if choice is None:
        known = ", ".join(sorted(SELECTORS.module_dict))
        raise UserError(f"network {network} is not one that a selector chooses; the selectors are: {known}")
    name, draw = choice
    selector = build(SELECTORS, {**config["selectors"].get(name, {}), "type": name}, "selector")
    experiment = Experiment(config, dataset, seed)
    searched = Genotype.read(paths.result_path(config, paths.GENOTYPE, dataset=dataset, seed=seed))
    cost = NetworkCost(config, dataset)
    made_from = settings.made_from(config, "select", dataset, seed, network)
    work = experiment.work_folder(f"select-{network}", made_from["identity"])
    claim(work)
    candidates = Candidates(work / "candidates.jsonl")
    progress = progress_path(config, STAGES["select"].job_name(dataset=dataset, seed=seed, network=network))
    supernet = selector.supernet and supernet_scenario(dataset, selector.supernet)
    task = SelectionTask(
        space=SearchSpace.from_settings(experiment.settings["search"]),
        target=cost.of(searched),
        measure=cost.of,
        seed=seed,
        draw=draw,
        budget=search_seconds(config, dataset, seed),
        train=candidate_training(config, dataset, seed, network, progress),
        load_supernet=partial(load_trained_supernet, config, supernet, seed),
        candidates=candidates,
    )
    genotype = selector.select(task)
    files = {
        key: paths.result_path(config, pattern, dataset=dataset, seed=seed, network=network)
        for key, pattern in STAGES["select"].outputs.items()
    }
    record = {
        "network": network,
        "selector": name,
        "arguments": config["selectors"].get(name, {}),
        "seed": seed,
        "draw": draw,
        "unit": cost.unit,
        "target": task.target,
        "cost": cost.of(genotype),
        "macs": cost.macs(genotype),
        "hours": candidates.seconds / 3600,
        "supernet": selector.supernet,
        "supernet_hours": search_seconds(config, supernet, seed) / 3600 if supernet else 0.0,
        "candidates": candidates.history,
        "made_from": made_from,
        "provenance": provenance(),
    }
    write_json(files["record"], record)
    genotype.write(files["genotype"])
    mark_finished(work)
    release(work)


def search_seconds(config: dict, dataset: str, seed: int) -> float:
    """Return the training time of all stages of a search.

    Raises:
        UserError: The metrics of a stage are missing.
    """
    stages = settings.for_dataset(config, dataset)["search"]["shrink_stages"] + 1
    return sum(
        3600 * Result(paths.stage_metrics_path(config, dataset, seed, stage))["hours"] for stage in range(stages)
    )
