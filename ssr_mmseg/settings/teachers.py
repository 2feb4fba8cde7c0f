"""Teachers of trainings: the section `retrain.distill`."""

from typing import Any

from ssr_mmseg.settings.project_files import follows_search
from ssr_mmseg.settings.scenario import for_dataset, scenario_named

MUTUAL = "mutual"  # instead of the name of a teacher: two copies of the network teach each other
DEFAULTS = {"logits": 3.0, "temperature": 4.0, "features": 0.0}


def distillation(config: dict, dataset: str, network: str) -> dict[str, Any] | None:
    """Return the complete section of a network's training; None if it has no teacher, as the teacher itself.

    Args:
        dataset: Name of a scenario.
    """
    section = for_dataset(config, dataset)["retrain"].get("distill")
    if section is None or section["teacher"] == network:
        return None
    return {**DEFAULTS, **section}


def teacher_training(config: dict, dataset: str, seed: int, network: str) -> tuple[str, int, str] | None:
    """Return scenario, seed and network of the training whose weights teach a network; None without one.

    A teacher that no search makes is trained once for a dataset, whatever the number of cost targets.
    """
    section = distillation(config, dataset, network)
    if section is None or section["teacher"] == MUTUAL:
        return None
    teacher = section["teacher"]
    scenario = dataset if follows_search(teacher) else scenario_named(config, dataset).dataset
    return scenario, seed, teacher
