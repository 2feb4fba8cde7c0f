"""Configs of the hooks by which a training starts from weights, and learns from a teacher, as `retrain` says."""

from pathlib import Path
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.experiment.earlier_results import state_origin
from ssr_mmseg.experiment.genotypes import genotype_file, genotype_for
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.start_weights import inherits
from ssr_mmseg.settings.teachers import MUTUAL, distillation, teacher_training
from ssr_mmseg.training.pretrained import named_checkpoints
from ssr_mmseg.utils.files import sha256

TEACHING = ("TeacherHook", "MutualHook")


def initial_weights_hook(experiment: Any, network: str, model: dict[str, Any], load_from: str | None) -> dict[str, Any]:
    """Return the config of the hook that loads, checks and records the weights that a network's training starts from.

    Args:
        experiment: The `Experiment` of the training.
        model: Model config of the network, which may name checkpoints.
        load_from: Checkpoint that mmengine's runner loads.
    """
    config, dataset, seed = experiment.config, experiment.dataset, experiment.seed
    weights = settings.start_weights(config, dataset, seed, network)
    defined_by = genotype_file(config, network, dataset, seed) if weights else None
    supernet = None
    if inherits(config, dataset, network):
        search = experiment.settings["search"]
        identity = settings.stage_identity(config, "search", dataset, seed)
        supernet = {"search": search, "origin": state_origin(identity, dataset, seed, search["shrink_stages"])}
    return {
        "type": "InitialWeightsHook",
        "weights": str(weights) if weights else None,
        "genotype": str(defined_by) if defined_by else None,
        "named": sorted(set(named_checkpoints(model))),
        "load_from": load_from,
        "supernet": supernet,
    }


def teaching_hook(experiment: Any, network: str, model: dict[str, Any]) -> dict[str, Any] | None:
    """Return the config of the hook for a network's training; None if it learns from the labels alone.

    Args:
        experiment: The `Experiment` of the training.
        model: Model config of the network.

    Raises:
        UserError: The genotype of the teacher has not been made yet.
    """
    config, dataset, seed = experiment.config, experiment.dataset, experiment.seed
    section = distillation(config, dataset, network)
    if section is None:
        return None
    weights = {key: section[key] for key in ("logits", "temperature", "features")}
    training = teacher_training(config, dataset, seed, network)
    if training is None:
        return {"type": "MutualHook", "model": model, **weights}
    scenario, _, teacher = training
    file = teacher_weights(config, training)
    architecture = experiment.network(teacher, genotype_for(config, teacher, scenario, seed))
    return {"type": "TeacherHook", "model": architecture, "weights": str(file), **weights}


def teacher_weights(config: dict, training: tuple[str, int, str]) -> Path:
    """Return the path of the weights of a teacher: its scenario, seed and network."""
    scenario, seed, network = training
    return paths.result_path(config, paths.WEIGHTS, dataset=scenario, seed=seed, network=network)


def teacher_text(config: dict, dataset: str, seed: int, network: str) -> str | None:
    """Return what the tables say about the teacher of a network: its name and the checksum of its weights."""
    section = distillation(config, dataset, network)
    if section is None:
        return None
    training = teacher_training(config, dataset, seed, network)
    return MUTUAL if training is None else f"{training[2]} {sha256(teacher_weights(config, training))[:12]}"
