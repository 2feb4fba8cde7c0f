"""The hook by which a network learns from a teacher, as the section `retrain.distill` describes it."""

from typing import Any

from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.teachers import MUTUAL, distillation, teacher_training
from ssr_mmseg.utils.files import sha256

TEACHING = ("TeacherHook", "MutualHook")


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


def teacher_weights(config: dict, training: tuple[str, int, str]) -> Any:
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
