"""The number of scenarios and jobs of a configuration, before they are made."""

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs.job import ablation_jobs, contest_jobs, jobs
from ssr_mmseg.settings import extent, paths
from ssr_mmseg.settings.scenario import scenarios
from ssr_mmseg.utils.errors import UserError

STREETS = {"type": "streets", "size": [64, 64]}
TARGETS = [0.1 + 0.0001 * number for number in range(1000)]
SEARCH = {"search": {"cost": {"target": TARGETS}}}
BLOCK = {"regularizer": ["ssr"], "shrink": [True, False], "dimensions": [f"d{i}" for i in range(100)]}
ABLATION = {
    "dataset": "a",
    "seeds": [0],
    "search": {},
    "retrain": False,
    "dimensions": {name: ["depth"] for name in BLOCK["dimensions"]},
    "variants": {f"v{i}": {} for i in range(100)},
    "blocks": [{**BLOCK, "variants": [f"v{i}" for i in range(100)]}],
}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"datasets": {"a": STREETS, "b": STREETS}, **SEARCH}, "multiply to 2000 searches"),
        ({"datasets": {"a": {**STREETS, **SEARCH}, "b": STREETS}}, "multiply to 1001 searches"),
        ({"datasets": {"a": STREETS}, **SEARCH, "networks": ["searched", "evolution"]}, "multiply to 2000 searches"),
        ({"datasets": {"a": STREETS}, "ablation": ABLATION}, "multiply to 20001 searches"),
        (
            {"datasets": {"a": STREETS}, "seeds": list(range(1000)), "search": {"shrink_stages": 1000}},
            " jobs, expected",
        ),
        ({"datasets": {"a": {**STREETS, "search": {"shrink_stages": 1000}}}, "seeds": list(range(100))}, " jobs, exp"),
    ],
)
def test_lists_that_multiply_are_refused_before_their_scenarios_are_made(config, message):
    with pytest.raises(UserError) as caught:
        settings.complete(config, "x.yaml")
    assert message in str(caught.value)


def test_only_the_supernets_that_are_needed_count():
    """200 datasets, the most that there can be, with three targets each."""
    config = {"datasets": {f"d{i}": STREETS for i in range(200)}, "search": {"cost": {"target": TARGETS[:3]}}}
    assert len(scenarios(settings.complete(config))) == 800


@pytest.mark.parametrize("name", sorted(path.name for path in (paths.PROJECT / "config").glob("*.yaml")))
def test_the_counts_are_upper_bounds(name, monkeypatch):
    config = settings.read_config(paths.PROJECT / "config" / name)
    planned = sum(1 for listed in (jobs, ablation_jobs, contest_jobs) for _ in listed(config))
    for limit, count, what in (("MAX_SCENARIOS", len(scenarios(config)), "searches"), ("MAX_JOBS", planned, "jobs")):
        with monkeypatch.context() as patch:
            patch.setattr(extent, limit, count // 4)
            with pytest.raises(UserError, match=what):
                extent.check_extent(config, name)
            patch.setattr(extent, limit, 10 * count)
            extent.check_extent(config, name)
