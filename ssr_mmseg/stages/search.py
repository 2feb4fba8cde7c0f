"""The stages `search` (0) and `shrink` (1 … K): one training of the supernet, compacted between the stages."""

from mmengine import dist
from mmengine.runner import Runner

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import DIMENSIONS, GATES
from ssr_mmseg.architecture.structure import structure_to_json, surviving_structure
from ssr_mmseg.costs.base import Cost
from ssr_mmseg.costs.macs_formulas import expected_macs
from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.experiment.cost import search_cost
from ssr_mmseg.experiment.earlier_results import load_search_state, state_origin
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.jobs.progress import progress_path
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.search.compaction import compact_optimizer, compact_weights
from ssr_mmseg.search.step import architecture_state, get_architecture, is_architecture
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.stage_table import search_stage
from ssr_mmseg.training.checkpoint.origin import KEY
from ssr_mmseg.training.checkpoint.runner_state import capture
from ssr_mmseg.training.checkpoint.safe_load import state_needed
from ssr_mmseg.training.checkpoint.state_file import save_state
from ssr_mmseg.training.checkpoint.work_lock import claim
from ssr_mmseg.training.history import History
from ssr_mmseg.training.hooks.state_hook import checkpoints_of
from ssr_mmseg.utils import distributed, hashing
from ssr_mmseg.utils.devices import peak_memory_gb
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

CLOCKS = {"seconds": 0.0, "waited": 0.0}  # when a stage begins


def search(config: dict, dataset: str, seed: int, stage: int = 0) -> None:
    """Run one stage of the search and write its state and its metrics.

    Args:
        config: A completed experiment configuration.
        stage: 0 for the first stage, on the whole supernet; k ≥ 1 compacts the supernet of stage k − 1 and continues.

    Raises:
        UserError: There is no such stage, or the one before has not been run.
    """
    experiment = Experiment(config, dataset, seed)
    options = experiment.settings["search"]
    if not 0 <= stage <= options["shrink_stages"]:
        raise UserError(
            f"shrinking stage {stage} is not configured: search.shrink_stages is {options['shrink_stages']}; "
            "choose another stage or increase it"
        )
    experiment.supernet(None)  # a mistake in the mmengine config is reported before anything is written
    experiment.limit_threads("search")
    with distributed.process_group(experiment.device):
        _search(experiment, config, stage)


def _search(experiment: Experiment, config: dict, stage: int) -> None:
    dataset, seed = experiment.dataset, experiment.seed
    before = load_search_state(config, dataset, seed, stage - 1) if stage else None
    name = f"shrink{stage}" if stage else "search"
    cost = search_cost(config, dataset)
    # identified by its content, like the data: a search begun with another latency table is not resumed
    made_from = settings.made_from(config, "search", dataset, seed)  # at the start: a file may change meanwhile
    identity = made_from["identity"]
    if cost.digest:
        identity = hashing.identity([identity, cost.digest])
    work = experiment.work_folder(name, identity)
    length = experiment.search_length
    with state_needed("the state of the stage before"):
        structure = None if before is None else compacted_structure(experiment, before)
    if dist.is_main_process():
        claim(work)
    progress = progress_path(config, search_stage(stage).job_name(dataset=dataset, seed=seed, stage=stage))
    runner = experiment.search_runner(structure, length.end(stage), length.epochs, work, progress)
    if length.note():
        runner.logger.info(f"the search has {length.note()}")
    checkpoints = checkpoints_of(runner)
    with distributed.main_process_first():  # it writes the state that the others read
        start = checkpoints.load(runner.logger.warning) if before else None
        if before and start is None:
            start = compacted_state(before, runner)
            checkpoints.save(start)
    architecture = get_architecture(runner.model)
    if before and start and before["decided"]:
        runner.model.load_state_dict(start["model"])
        final = {**start, "decided": True}
        history: list[dict] = []
        seconds, wait_share = 0.0, 0.0
    else:
        runner.train()
        loop = runner.train_loop
        final = {**capture(runner, loop.iter), "decided": architecture.decided}
        history = runner.message_hub.get_info("history", [])
        seconds, wait_share = loop.seconds, loop.data_wait_share
    if not dist.is_main_process():
        return
    final["structure"] = structure_to_json(runner.model.backbone.structure)
    final[KEY] = state_origin(made_from["identity"], dataset, seed, stage)

    peak_gb = peak_memory_gb()
    loader = experiment.evaluation_loader("val", "search")
    classes = experiment.manifest["classes"]
    relaxed = evaluate_model(runner.model, loader, classes)
    with architecture.one_hot():
        one_hot = evaluate_model(runner.model, loader, classes)
        one_hot_macs = rounded_macs(architecture, experiment)
        one_hot_cost = expected_cost(architecture, cost)
    relaxed_cost = expected_cost(architecture, cost)
    metrics = {
        "stage": stage,
        "epochs": len(history),
        "hours": seconds / 3600,
        "peak_gb": peak_gb,
        "data_wait_share": wait_share,
        "processes": dist.get_world_size(),
        "relaxed_miou": relaxed["miou"],
        "one_hot_miou": one_hot["miou"],
        "gates_decided": architecture.gates_decided(),
        "groups": architecture.groups(),
        "options_alive": architecture.options_alive(),
        "dimensions_alive": dimensions_alive(architecture),
        "entropy": architecture.entropy(),
        "expected_macs": rounded_macs(architecture, experiment),
        "cost_ratio": relaxed_cost / cost.reference,
        "one_hot_macs": one_hot_macs,
        "cost": {
            "unit": cost.unit,
            "target": cost.target,
            "expected": relaxed_cost,
            "one_hot": one_hot_cost,
            "table": cost.digest or None,
        },
        "parameters": sum(p.numel() for p in runner.model.parameters()),
        "history": history,
        "made_from": made_from,
        "provenance": provenance(),
    }
    target = paths.state_path(config, dataset, seed, stage)
    save_state(target, final)
    write_json(paths.stage_metrics_path(config, dataset, seed, stage), metrics)
    experiment.close_work(work, target.parent)


def expected_cost(architecture: ArchitectureParameters, cost: Cost) -> float:
    """Return the expected cost under the gates, in the unit of the cost."""
    probabilities = {gate: p.detach().double() for gate, p in architecture.probabilities().items()}
    return float(cost.expected(probabilities))


def rounded_macs(architecture: ArchitectureParameters, experiment: Experiment) -> int:
    """Return the expected multiply-adds of the derived network with the search head, rounded."""
    probabilities = {gate: p.detach().double() for gate, p in architecture.probabilities().items()}
    return round(float(expected_macs(architecture.space, probabilities, experiment.classes, experiment.size)))


def dimensions_alive(architecture: ArchitectureParameters) -> dict[str, int]:
    """Count the survivors of each dimension over all groups; a dilation survives with any operator of its block."""
    space = architecture.space
    grid = architecture.alive["operator"].reshape(-1, len(space.resolutions), len(space.dilations))
    operators = {"dilation": int(grid.any(dim=1).sum()), "resolution": int(grid.any(dim=2).sum())}
    counts = architecture.options_alive() | operators
    return {dimension: counts[dimension] for dimension in DIMENSIONS}


def compacted_structure(experiment: Experiment, state: dict) -> list:
    """Return the structure of the survivors in a stage's state, as a JSON value."""
    gates = architecture_state(state["model"])
    alive = {gate: gates[f"alive_{gate}"].numpy() for gate in GATES}
    return structure_to_json(surviving_structure(experiment.space, alive))


@state_needed("the state of the stage before")
def compacted_state(state: dict, runner: Runner) -> dict:
    """Return the first state of a stage: the last state of the stage before, cut to the runner's smaller supernet.

    Raises:
        UserError: The state belongs to another supernet.
    """
    named = dict(runner.model.named_parameters())
    parts = {
        "weights": {name: p for name, p in named.items() if not is_architecture(name)},
        "architecture": {name: p for name, p in named.items() if is_architecture(name)},
    }
    optimizers = {
        part: compact_optimizer(state["optimizers"][part], state["parameters"][part], parameters)
        for part, parameters in parts.items()
    }
    return {
        **state,
        "model": compact_weights(state["model"], runner.model),
        "optimizers": optimizers,
        "parameters": {part: list(parameters) for part, parameters in parts.items()},
        "hooks": {**state["hooks"], "HistoryHook": History().state()},
        **CLOCKS,
    }
