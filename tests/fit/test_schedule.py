"""The forecast of a run: bounds that every schedule keeps, and cases with a known result."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg.fit.schedule import PlannedJob, makespan


@st.composite
def plans(draw):
    """Draw jobs that need only earlier ones, and a number of cores."""
    jobs: dict[str, PlannedJob] = {}
    for number in range(draw(st.integers(1, 8))):
        needs = tuple(name for name in jobs if draw(st.booleans()))
        jobs[str(number)] = PlannedJob(draw(st.integers(0, 50)), draw(st.integers(1, 4)), needs)
    return jobs, draw(st.integers(1, 4))


def longest_path(jobs: dict[str, PlannedJob]) -> float:
    ends: dict[str, float] = {}
    for name, job in jobs.items():
        ends[name] = job.seconds + max((ends[need] for need in job.needs), default=0)
    return max(ends.values())


@given(plans())
def test_it_is_between_the_bounds_of_every_schedule(plan):
    jobs, cores = plan
    work = sum(job.seconds * min(job.cores, cores) for job in jobs.values())
    total = sum(job.seconds for job in jobs.values())
    assert max(longest_path(jobs), work / cores) - 1e-9 <= makespan(jobs, cores) <= total + 1e-9


def test_jobs_run_at_the_same_time_where_cores_and_needs_allow():
    jobs = {
        "table": PlannedJob(10, cores=8),
        "search": PlannedJob(100, needs=("table",)),
        "baseline": PlannedJob(60),
        "searched": PlannedJob(50, needs=("search",)),
    }
    assert makespan(jobs, 2) == 160, "the table takes both cores, the baseline trains during the search"
    assert makespan(jobs, 1) == 220


def test_jobs_that_wait_for_each_other_are_an_error():
    with pytest.raises(ValueError, match="never start: a, b"):
        makespan({"a": PlannedJob(1, needs=("b",)), "b": PlannedJob(1, needs=("a",))}, 1)
