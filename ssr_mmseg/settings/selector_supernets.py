"""Supernets that selectors need besides the search: each is a scenario with a search of the same length.

The Snakefile imports this module: it must not import torch.
"""

from collections.abc import Iterable
from typing import Any

from ssr_mmseg.settings.overrides import merge
from ssr_mmseg.settings.plugin_names import class_literal
from ssr_mmseg.settings.project_files import selection

# Sharing belongs to the search; the sources of the selectors have nothing like it.
OWN_WEIGHTS = {"train_cfg.share_operators": False}
KINDS: dict[str, dict[str, Any]] = {  # overrides of the section `search`, by the name of the kind
    "single_path": {"warmup": 1.0, "regularizer": "none", "shrink": False, "cfg_options": OWN_WEIGHTS},
    "relaxed": {"regularizer": "none", "shrink": False, "cfg_options": OWN_WEIGHTS},
}


def supernet_of(network: str) -> str | None:
    """Return the kind of supernet that the selector of a network needs; None if it needs none or there is no selector.

    Selectors outside of the package need none.
    """
    chosen = selection(network)
    return None if chosen is None else class_literal("selector", chosen[0], "supernet")


def needed_supernets(networks: Iterable[str]) -> list[str]:
    """Return the kinds of supernets that the selectors of these networks need."""
    needed = {supernet_of(network) for network in networks}
    return [kind for kind in KINDS if kind in needed]


def search_overrides(search: dict, kind: str) -> dict[str, Any]:
    """Return the overrides of a search that make it a training of such a supernet, in one stage of the same length.

    Args:
        search: The section `search` of the scenario.
        kind: A key of `KINDS`.
    """
    length = search["epochs"] + search["shrink_stages"] * search["shrink_epochs"]
    return merge(KINDS[kind], {"epochs": length, "shrink_stages": 0})
