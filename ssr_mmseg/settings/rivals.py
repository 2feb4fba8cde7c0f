"""Names of the configured networks, and those among them that are rivals: ONNX files that others have trained.

An entry of `networks` is a name, or the mapping of a rival (`settings.models.networks`), whose name it has. All other
modules take names and look rivals up here. The Snakefile imports this module: it must not import torch.
"""

from pathlib import Path
from typing import Any

from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.cache import cached
from ssr_mmseg.settings.plugin_names import plugin_names
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import sha256

RIVAL = "rival"  # kind of a network in the table


def entry_name(entry: str | dict[str, Any]) -> str:
    """Return the name of an entry of `networks`."""
    return entry if isinstance(entry, str) else entry["name"]


def configured_networks(config: dict) -> list[str]:
    """Return the names of the networks of a configuration, in its order."""
    return [entry_name(entry) for entry in config["networks"]]


def trained_networks(config: dict) -> list[str]:
    """Return the names of the networks that the workflow trains, in the order of the configuration."""
    return [entry for entry in config["networks"] if isinstance(entry, str)]


def rival_entry(config: dict, network: str) -> dict[str, Any] | None:
    """Return the mapping of a rival; None for the name of any other network."""
    entries = (entry for entry in config["networks"] if isinstance(entry, dict))
    return next((entry for entry in entries if entry["name"] == network), None)


def configured_kind(config: dict, network: str) -> str:
    """Return the kind of a network in the table: `rival`, or see `network_kind`.

    Raises:
        UserError: There is no network of that name.
    """
    return RIVAL if rival_entry(config, network) else project_files.network_kind(network)


def rival_file(entry: dict[str, Any]) -> Path:
    """Return the file of a rival.

    Raises:
        UserError: It is missing.
    """
    try:
        return paths.project_file(entry["onnx"])
    except UserError as error:
        raise UserError(f"networks: the rival {entry['name']} has no file: {error}") from None


@cached
def rival_digest(path: Path) -> str:
    """Return the SHA-256 of a rival's file.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return sha256(path)
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the file") from error


def check_rivals(config: dict, origin: str) -> None:
    """Check the files and the names of the rivals, before anything runs.

    Raises:
        UserError: A file is missing, or a name is that of another network.
    """
    names = configured_networks(config)
    taken = {project_files.SEARCHED, *plugin_names("selector"), *project_files.network_names()}
    for entry in config["networks"]:
        if isinstance(entry, str):
            continue
        name = entry["name"]
        if names.count(name) > 1 or name in taken or project_files.selection(name):
            raise UserError(
                f"{origin}: networks: the rival {name} has the name of another network; give it a name of its own"
            )
        rival_digest(rival_file(entry))
