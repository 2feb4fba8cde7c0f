"""Status of an experiment: the state of every job that its configuration asks for, read from files only."""

import contextlib
import itertools
import sys
import time
from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ssr_mmseg.jobs.job import ablation_jobs, contest_jobs, jobs
from ssr_mmseg.jobs.job_state import JobStatus, job_statuses, summary
from ssr_mmseg.jobs.result_warnings import result_warnings
from ssr_mmseg.settings.paths import CELLS

MARKS = {  # by state: a mark, and its color on a terminal
    "done": ("✓", "green"),
    "outdated": ("↻", "yellow"),
    "running": ("▶", "cyan"),
    "failed": ("✗", "bold red"),
    "interrupted": ("■", "yellow"),
    "waiting": ("·", "dim"),
}
PER_NETWORK = ("retrain", "evaluate", "profile")


def overview(config: dict, now: float) -> RenderableType:
    """Show the whole experiment: a mark per job, messages of running and failed jobs, and a summary."""
    statuses = job_statuses(config, list(jobs(config)), now)
    parts: list[RenderableType] = []
    for key, group in itertools.groupby(statuses, key=lambda status: (status.job.dataset, status.job.seed)):
        parts += _group(*key, list(group))
    parts.append(Text(summary(statuses)))
    parts += [Text("! ", style="yellow").append(line, style="not yellow") for line in result_warnings(config)]
    contest = job_statuses(config, list(contest_jobs(config)), now)
    if any(status.state != "waiting" for status in contest):
        title = Text("contest", style="bold")
        parts += [Text(), title, *_messages(contest), Text(summary(contest))]
    ablation = job_statuses(config, list(ablation_jobs(config)), now)
    if any(status.state != "waiting" for status in ablation):
        title = Text("ablation", style="bold")
        parts += [Text(), title, _cells(ablation), *_messages(ablation), Text(summary(ablation))]
    return Group(*parts)


def _group(dataset: str, seed: int | None, statuses: list[JobStatus]) -> Iterator[RenderableType]:
    """Show the jobs of a dataset and seed: one line of the jobs shared by all networks, and a table of the networks."""
    name = f"{dataset}, seed {seed}" if seed is not None else dataset or "joined"
    line = Text(name, style="bold")
    for status in statuses:
        if status.job.stage not in PER_NETWORK:
            line.append("   ").append_text(_mark(status)).append(f" {status.job.title}", style="not bold")
    yield line
    networks = list(dict.fromkeys(status.job.network for status in statuses if status.job.stage in PER_NETWORK))
    if networks:
        table = Table(box=None, padding=(0, 3, 0, 0))
        for title in ("  ", *PER_NETWORK):
            table.add_column(title, header_style="dim", justify="left" if title == "  " else "center")
        for network in networks:
            marks = {status.job.stage: _mark(status) for status in statuses if status.job.network == network}
            table.add_row(f"  {network}", *(marks.get(stage, Text()) for stage in PER_NETWORK))
        yield table
    yield from _messages(statuses)


def _cells(statuses: list[JobStatus]) -> Table:
    """Show the ablation: a row per cell, a column per seed, and a mark for the least finished of its jobs."""
    searches = [status for status in statuses if status.job.dataset]
    seeds = list(dict.fromkeys(status.job.seed for status in searches))
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("  ")
    for seed in seeds:
        table.add_column(f"seed {seed}", header_style="dim", justify="center")
    order = ("failed", "interrupted", "running", "waiting", "outdated", "done")
    for cell, group in itertools.groupby(searches, key=lambda status: status.job.dataset):
        row = sorted(group, key=lambda status: order.index(status.state))
        worst = [next(status for status in row if status.job.seed == seed) for seed in seeds]
        table.add_row(f"  {cell.removeprefix(CELLS)}", *map(_mark, worst))
    return table


def _messages(statuses: list[JobStatus]) -> Iterator[Text]:
    """Show a line for every job with a message."""
    for status in statuses:
        if status.message and status.state != "outdated":  # the warnings have those
            job = status.job
            cell = f" of {job.dataset.removeprefix(CELLS)}, seed {job.seed}" if job.dataset.startswith(CELLS) else ""
            line = f" {job.title}{cell}: {status.state}, {status.message}"
            yield Text("  ").append_text(_mark(status)).append(line)


def _mark(status: JobStatus) -> Text:
    mark, color = MARKS[status.state]
    return Text(mark, style=color)


def as_text(shown: RenderableType) -> str:
    """Render an overview as plain text, for an output that is not a terminal."""
    console = Console(width=200, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(shown, highlight=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def show(config: dict, watch: bool, interval: float = 2.0) -> None:
    """Print the overview; with `watch` refresh it until all jobs are done or the user interrupts."""
    with contextlib.suppress(KeyboardInterrupt):
        if watch and sys.stdout.isatty():
            with Live(auto_refresh=False, vertical_overflow="visible") as live:
                for shown in _versions(config, interval):
                    live.update(shown, refresh=True)
        elif sys.stdout.isatty():
            Console(highlight=False).print(overview(config, time.time()))
        else:
            before = None
            for shown in _versions(config, interval if watch else None):
                lines = as_text(shown)
                if lines != before:
                    print(lines, flush=True)
                before = lines


def _versions(config: dict, interval: float | None) -> Iterator[RenderableType]:
    """Yield the overview, once or every `interval` seconds until all jobs are done."""
    while True:
        yield overview(config, time.time())
        if interval is None:
            return
        if all(status.state == "done" for status in job_statuses(config, list(jobs(config)), time.time())):
            return
        time.sleep(interval)
