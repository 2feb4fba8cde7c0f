"""Weights of an earlier result that trainings start from: the pattern `retrain.weights`."""

import re
from pathlib import Path

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.project_files import follows_search, network_names
from ssr_mmseg.settings.rivals import trained_networks
from ssr_mmseg.settings.scenario import ablation_cells, for_dataset, scenarios, table_networks
from ssr_mmseg.utils.errors import UserError

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
    pattern = for_dataset(config, dataset)["retrain"].get("weights")
    if pattern is None:
        return None
    path = pattern
    for field, value in zip(FIELDS, (dataset, network, seed), strict=True):
        path = path.replace(f"{{{field}}}", str(value))
    if "{" in path or "}" in path:
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise UserError(f"retrain.weights: {pattern} has an unknown field; known are {known}")
    return Path(path).expanduser()


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


def check_start_weights(config: dict, dataset: str, origin: str) -> None:
    """Check that the start weights of all networks of a dataset exist, or are results of this configuration.

    Args:
        dataset: Name of a configured dataset.
        origin: Start of the messages.

    Raises:
        UserError: They are missing, one file is meant for several networks, or trainings start from each other.
    """
    pattern = for_dataset(config, dataset)["retrain"].get("weights")
    if pattern is None:
        return
    trained = trained_networks(config)
    networks = [network for network in table_networks(config, dataset) if network.name in trained]
    trainings = [(network.scenario, seed, network.name) for network in networks for seed in config["seeds"]]
    ablation = config.get("ablation")
    if ablation and ablation["retrain"] and ablation["dataset"] == dataset:
        trainings += [(cell, seed, "searched") for cell in ablation_cells(config) for seed in ablation["seeds"]]
    if "{network}" not in pattern and len(trained) > 1:
        raise UserError(
            f"{origin}: retrain.weights: {pattern} is one file for {len(trained)} networks; "
            "write {network} in place of the network's name, or configure one network"
        )
    for training in trainings:
        _check_chain(config, training, origin)


def _check_chain(config: dict, training: Training, origin: str) -> None:
    """Follow a training to the weights that it starts from, to those that these started from, and so on."""
    chain = [training]
    while (path := start_weights(config, *chain[-1])) is not None:
        made_by = training_of(config, path)
        if made_by is None:
            if not path.is_file():
                raise UserError(
                    f"{origin}: retrain.weights: {path} does not exist; train that network first, or correct the path"
                )
            return
        if made_by in chain:
            raise UserError(f"{origin}: retrain.weights: the training of {path} would start from its own result")
        chain.append(made_by)
