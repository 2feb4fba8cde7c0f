"""The section `contest`: the searched networks against those of the selectors."""

from pydantic import Field

from ssr_mmseg.settings.models.base import Section


class Contest(Section):
    """A comparison of all networks that follow a search, in `results/contest.csv` and `results/contest.md`."""

    ranking: int = Field(
        ge=0,
        le=200,
        description="Random networks of the searched network's cost that are retrained with the first seed, to compare "
        "their ranks with those that trained supernets give them. 0: none; fewer than 20 tell little.",
    )
