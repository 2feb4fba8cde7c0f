"""Locate the files of the networks, dataset types and mmengine configs that a configuration names.

Each name is looked for in the working directory first, then in the project.
"""

import ast
import hashlib
import re
from difflib import get_close_matches
from pathlib import Path

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.cache import cached
from ssr_mmseg.settings.checkpoint_files import checkpoint_digests
from ssr_mmseg.settings.plugin_names import plugin_names
from ssr_mmseg.utils.config_bases import ConfigText, read_config_text
from ssr_mmseg.utils.errors import UserError

DATASET_TYPES = "config/mmseg/_base_/datasets"
NETWORK_FOLDERS = {"published": ("config/genotypes", ".json"), "baseline": ("config/mmseg/_base_/models", ".py")}
NOT_BASELINES = ("supernet", "ssrnet")  # models of that folder that are no networks of their own
SEARCHED = "searched"  # the network that the search finds


def network_kind(network: str) -> str:
    """Return the kind of a network: searched, its selector, published (a genotype file) or baseline (an mmengine file).

    Raises:
        UserError: There is neither a genotype nor a baseline of that name.
    """
    if network == SEARCHED:
        return SEARCHED
    if chosen := selection(network):
        return chosen[0]
    for kind, (folder, suffix) in NETWORK_FOLDERS.items():
        if network in _names(folder, suffix) - set(NOT_BASELINES):
            return kind
    raise _unknown("network", network, [SEARCHED, *plugin_names("selector"), *network_names()])


def selection(network: str) -> tuple[str, int] | None:
    """Return the selector of a network and the number of its draw, such as `random` and 2 for `random_2`, or None."""
    name, _, number = network.rpartition("_")
    if name in plugin_names("selector") and re.fullmatch("[2-9]|[1-9][0-9]{1,3}", number):
        return name, int(number)
    return (network, 1) if network in plugin_names("selector") else None


def follows_search(network: str) -> bool:
    """Return whether a network is made for each search: that which it finds, and those compared with it."""
    return network == SEARCHED or selection(network) is not None


def network_names() -> list[str]:
    """Return the names of all genotypes and baselines that have a file."""
    names = {name for folder, suffix in NETWORK_FOLDERS.values() for name in _names(folder, suffix)}
    return sorted(names - set(NOT_BASELINES))


@cached
def network_file(network: str) -> Path | None:
    """Return the file that defines a network, or None for one that a search makes.

    Raises:
        UserError: There is no network of that name.
    """
    kind = network_kind(network)
    if kind not in NETWORK_FOLDERS:
        return None
    folder, suffix = NETWORK_FOLDERS[kind]
    return paths.project_file(f"{folder}/{network}{suffix}")


def defining_file(network: str) -> Path:
    """Return the file that defines a published network or a baseline.

    Raises:
        UserError: The network is made by a search.
    """
    file = network_file(network)
    if file is None:
        raise UserError(f"network {network} is not defined by a file; it comes from the search")
    return file


@cached
def dataset_file(dataset_type: str) -> Path:
    """Return the mmengine file that defines a type of dataset.

    Raises:
        UserError: There is no such type.
    """
    try:
        return paths.project_file(f"{DATASET_TYPES}/{dataset_type}.py")
    except UserError:
        raise _unknown("dataset type", dataset_type, sorted(_names(DATASET_TYPES, ".py"))) from None


def _names(folder: str, suffix: str) -> set[str]:
    return {path.stem for root in (Path(), paths.PROJECT) for path in (root / folder).glob(f"*{suffix}")}


def _unknown(kind: str, name: str, names: list[str]) -> UserError:
    close = get_close_matches(name, names, n=1)
    hint = f" did you mean {close[0]}?" if close else ""
    return UserError(f"unknown {kind} {name};{hint} known are: {', '.join(names)}")


@cached
def mmengine_digest(path: Path) -> str:
    """Return a digest of the content of an mmengine config file and its `_base_` files, without comments and layout.

    The content of the checkpoint files that they name (see `checkpoint_files`) is part of it. A base inside an
    installed package (`mmseg::…`) counts by its name.

    Raises:
        UserError: The file or one of its bases is missing or malformed, or a checkpoint that it names is no local file.
    """
    return _digest(read_config_text(path), required=True)


def _digest(text: ConfigText, required: bool) -> str:
    parts = [ast.dump(text.tree), *checkpoint_digests(text.tree, text.path, required)]
    parts += [_digest(base, required=False) for base in text.bases]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
