"""Forecast of a run's time: its jobs, started on the machine's cores as soon as what they need is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PlannedJob:
    """One job of the workflow.

    Attributes:
        seconds: Time that it takes.
        cores: Cores that it occupies; more than there are means all.
        needs: Names of the jobs that must have ended before it starts.
    """

    seconds: float
    cores: int = 1
    needs: Sequence[str] = ()


def makespan(jobs: Mapping[str, PlannedJob], cores: int) -> float:
    """Return the seconds until all jobs have ended, when each starts as early as cores and needs allow.

    Jobs that could start at the same time start in the order of the mapping, as a job scheduler would do without
    knowing how long they take.

    Raises:
        ValueError: A job needs one that does not exist, or itself through others.
    """
    ended: dict[str, float] = {}
    running: dict[str, float] = {}  # with the time of their end
    now, free = 0.0, cores
    waiting = dict(jobs)
    while waiting or running:
        for name, job in list(waiting.items()):
            taken = min(job.cores, cores)
            if taken <= free and all(need in ended for need in job.needs):
                running[name] = now + job.seconds
                free -= taken
                del waiting[name]
        if not running:
            raise ValueError(f"jobs that can never start: {', '.join(waiting)}")
        name = min(running, key=lambda candidate: running[candidate])
        now = running.pop(name)
        ended[name] = now
        free += min(jobs[name].cores, cores)
    return now
