"""The networks of the contest. The Snakefile imports this module: it must not import torch."""

from ssr_mmseg.settings.project_files import follows_search
from ssr_mmseg.settings.rivals import configured_networks
from ssr_mmseg.utils.errors import UserError

RANDOM = "random"


def ranked_networks(config: dict) -> list[str]:
    """Return the names of the random networks whose ranks are compared: `random`, `random_2` … of the first seed."""
    return [RANDOM if draw == 1 else f"{RANDOM}_{draw}" for draw in range(1, config["contest"]["ranking"] + 1)]


def contestants(config: dict) -> list[str]:
    """Return the networks that follow a search, in the order of the configuration.

    Raises:
        UserError: There is nothing to compare the searched network with.
    """
    configured = configured_networks(config)
    networks = [network for network in configured if follows_search(network)]
    if "searched" not in networks or len(networks) < 2:
        raise UserError(
            "the contest compares the network searched with those of selectors, expected both among networks, "
            f"found: {', '.join(configured)}; add them, as in config/contest.yaml"
        )
    return networks
