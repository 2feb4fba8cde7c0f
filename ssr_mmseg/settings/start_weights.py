"""Results that a training needs: the weights that it starts from (`retrain.weights`), and those of its teacher."""

import re
from collections.abc import Iterator
from pathlib import Path

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.project_files import SEARCHED, follows_search, network_names
from ssr_mmseg.settings.rivals import trained_networks
from ssr_mmseg.settings.scenario import ablation_cells, for_dataset, scenarios, table_networks
from ssr_mmseg.settings.teachers import teacher_training
from ssr_mmseg.utils.errors import UserError

SUPERNET = "supernet"  # as the pattern: the weights that the searched network has in the supernet
FIELDS = ("dataset", "network", "seed")
Training = tuple[str, int, str]  # scenario, seed and network


def start_weights(config: dict, dataset: str, seed: int, network: str) -> Path | None:
    """Return the path of the weights that a training starts from; None if it starts from scratch.

    Args:
        config: A completed configuration.
        dataset: Name of a scenario.

    Raises:
        UserError: The pattern has an unknown field.
    """
    options = for_dataset(config, dataset)
    pattern = options["retrain"].get("weights")
    if pattern == SUPERNET:
        if not inherits(config, dataset, network):
            return None
        return paths.state_path(config, dataset, seed, options["search"]["shrink_stages"])
    if pattern is None:
        return None
    path = pattern
    for field, value in zip(FIELDS, (dataset, network, seed), strict=True):
        path = path.replace(f"{{{field}}}", str(value))
    if "{" in path or "}" in path:
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise UserError(f"retrain.weights: {pattern} has an unknown field; known are {known}")
    return Path(path).expanduser()


def inherits(config: dict, dataset: str, network: str) -> bool:
    """Return whether a training starts from the weights that its network has in the supernet of its search."""
    return network == SEARCHED and for_dataset(config, dataset)["retrain"].get("weights") == SUPERNET


def training_of(config: dict, path: Path) -> Training | None:
    """Return the training of this configuration whose weights have that path; None if the workflow does not make it."""
    pattern = re.escape(paths.result_pattern(config, paths.WEIGHTS))
    for field in FIELDS:
        pattern = pattern.replace(re.escape(f"{{{field}}}"), f"(?P<{field}>.+)")
    match = re.fullmatch(pattern, str(path))
    if match is None or not re.fullmatch(r"0|[1-9]\d*", match["seed"]):
        return None
    if match["dataset"] not in scenarios(config) or not (
        follows_search(match["network"]) or match["network"] in network_names()
    ):
        return None
    return match["dataset"], int(match["seed"]), match["network"]


def check_inputs_of_trainings(config: dict, dataset: str, origin: str) -> None:
    """Check that the results that trainings of a dataset need exist, or are made by this configuration.

    Args:
        dataset: Name of a configured dataset.
        origin: Start of the messages.

    Raises:
        UserError: Weights are missing, a word is no keyword, one file is meant for several networks, or trainings need
            each other's results.
    """
    pattern = for_dataset(config, dataset)["retrain"].get("weights")
    trained = trained_networks(config)
    teachers = {needed[2] for name in trained if (needed := teacher_training(config, dataset, 0, name))}
    networks = [network for network in table_networks(config, dataset) if network.name in trained]
    trainings = [(network.scenario, seed, network.name) for network in networks for seed in config["seeds"]]
    ablation = config.get("ablation")
    if ablation and ablation["retrain"] and ablation["dataset"] == dataset:
        trainings += [(cell, seed, SEARCHED) for cell in ablation_cells(config) for seed in ablation["seeds"]]
    if pattern == SUPERNET:
        if not any(network == SEARCHED for _, _, network in trainings):
            raise UserError(
                f"{origin}: retrain.weights: supernet has the weights of the network searched, which networks does not "
                "name; add it, or set weights to null"
            )
    elif pattern is not None and re.fullmatch(r"\w+", pattern) and not Path(pattern).exists():
        raise UserError(
            f"{origin}: retrain.weights: found {pattern}, expected {SUPERNET} or the path of a file; write one, "
            f"such as {paths.WEIGHTS.replace('{dataset}', dataset)}"
        )
    elif pattern is not None and "{network}" not in pattern and len(teachers | {*trained}) > 1:
        raise UserError(
            f"{origin}: retrain.weights: {pattern} is one file for {len(teachers | {*trained})} networks; "
            "write {network} in place of the network's name, or configure one network"
        )
    for training in trainings:
        _check_needs(config, [training], origin)


def _check_needs(config: dict, chain: list[Training], origin: str) -> None:
    """Follow the last training of a chain to those whose results it needs, to those that they need, and so on."""
    for needed in _needs(config, chain[-1], origin):
        if needed in chain:
            path = paths.result_path(
                config, paths.WEIGHTS, **dict(zip(("dataset", "seed", "network"), needed, strict=True))
            )
            raise UserError(f"{origin}: retrain.weights: the training of {path} would start from its own result")
        _check_needs(config, [*chain, needed], origin)


def _needs(config: dict, training: Training, origin: str) -> Iterator[Training]:
    """Yield the trainings of this configuration whose results a training needs.

    Raises:
        UserError: It starts from a file that does not exist.
    """
    path = start_weights(config, *training)
    if path is not None and not inherits(config, training[0], training[2]):
        made_by = training_of(config, path)
        if made_by is not None:
            yield made_by
        elif not path.is_file():
            raise UserError(
                f"{origin}: retrain.weights: {path} does not exist; train that network first, or correct the path"
            )
    if teacher := teacher_training(config, *training):
        yield teacher
