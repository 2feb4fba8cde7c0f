"""Kill a running experiment repeatedly, and compare its results with those of an undisturbed run.

`python benchmarks/chaos.py --kills 50 --seed 0 --out chaos.json` runs the pipeline of chaos.yaml in two folders. In the
second, it is disturbed at random moments: a signal is sent to a stage, to Snakemake alone, or to its whole process
group, or the clock is set back by an hour, which is imitated by setting the times of all results forward. After each
disturbance Snakemake is started again, and unlocked first if it left its lock, as `ssr-mmseg doctor` advises; if
Snakemake alone was killed, half of the times only when the stages that it left have ended. The exit status is 1 if the
results differ.
"""

import argparse
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil
from command_line import run_benchmark

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from ssr_mmseg.jobs.provenance import VOLATILE, provenance  # noqa: E402
from ssr_mmseg.profiling.machine import cpu_name  # noqa: E402
from ssr_mmseg.settings import paths  # noqa: E402
from ssr_mmseg.utils.files import read_json, sha256, write_json  # noqa: E402

WEAPONS = [
    *((victim, number) for victim in ("stage", "group") for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)),
    *(("snakemake", number) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)),
    ("clock", None),
]
HOUR = 3600.0  # seconds
CLOCK_COLUMNS = ["fps", "latency_ms_p50", "latency_ms_p95", "search_hours", "search_peak_gb", "train_hours"]
COMPARED = ("metrics.json", "training.json", "gap.json", "discretization.json")
POLL = 0.05  # seconds
ATTEMPTS = 5  # successive failures without a kill before giving up


class Pipeline:
    """The pipeline of chaos.yaml, run by Snakemake in its own folder."""

    def __init__(self, folder: Path, cores: int, targets: list[str]) -> None:
        self.folder = folder
        self.command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--nocolor"]
        self.command += ["--configfile", str(PROJECT / "benchmarks/chaos.yaml"), "--cores", str(cores)]
        self.command += ["--workflow-profile", str(PROJECT / "profiles/default"), *targets]
        self.starts = self.unlocks = 0
        folder.mkdir()

    def start(self) -> psutil.Popen:
        """Start Snakemake as the leader of a process group, like a shell does; remove a lock left by a kill first."""
        locks = self.folder / ".snakemake/locks"
        if locks.is_dir() and any(locks.iterdir()):
            subprocess.run([*self.command, "--unlock"], cwd=self.folder, check=True, capture_output=True)
            self.unlocks += 1
        self.starts += 1
        with open(self.folder / "output.txt", "a") as output:
            return psutil.Popen(
                self.command, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )


def stages(snakemake: psutil.Popen) -> dict[psutil.Process, str]:
    """Return the running stages: each process, and its command line without the configuration."""
    running = {}
    try:
        for process in snakemake.children(recursive=True):
            words = process.cmdline()
            if words[1:3] == ["-m", "ssr_mmseg"] and process.status() != psutil.STATUS_ZOMBIE:
                running[process] = " ".join([words[3], *words[6:]])
    except psutil.Error:  # a process has just ended
        pass
    return running


def set_clock_back(folder: Path) -> None:
    """Set the modification times of all results forward by an hour, as they are after the clock was set back."""
    for path in (folder / "results").rglob("*"):
        modified = path.stat().st_mtime + HOUR
        os.utime(path, (modified, modified))


class Killer:
    """Draws which jobs are killed, when and how; reproducible by the seed except for the machine's speed.

    Args:
        durations: Seconds that each job took undisturbed.
        kills: Number of kills; each kind of stage gets at least one, the others are distributed by duration.
        seed: Seed of the random draws.
    """

    def __init__(self, durations: dict[str, float], kills: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.durations = durations
        self.open = set(durations)  # jobs that have not finished
        self.quota: Counter[str] = Counter()
        self.record: list[dict[str, str]] = []
        self.pace = 1.0  # duration of the last finished job relative to the undisturbed run
        self.begin()
        kinds = sorted({job.split()[0] for job in durations})
        for kind in self.random.sample(kinds, min(kills, len(kinds))):
            self.quota[self.random.choice([job for job in sorted(durations) if job.split()[0] == kind])] += 1
        self._spread(kills - self.quota.total())

    def begin(self) -> None:
        """Forget the processes of the previous start of Snakemake."""
        self.running: dict[psutil.Process, str] = {}
        self.began: dict[psutil.Process, float] = {}
        self.due: dict[psutil.Process, float] = {}
        self.struck = False  # whether a disturbance may make this start fail
        self.ended = False  # whether no other follows it: Snakemake exits
        self.patient = False  # whether to wait for the stages that are left

    def watch(self, snakemake: psutil.Popen, running: dict[psutil.Process, str]) -> None:
        """Draw a time of death for each new job, kill jobs that are due, and note jobs that have finished."""
        for process, job in self.running.items():
            if process not in running and not self.struck:
                self.pace = (time.monotonic() - self.began[process]) / self.durations[job]
                self.open.discard(job)
                self._spread(self.quota.pop(job, 0))
        for process, job in running.items():
            began = self.began.setdefault(process, time.monotonic())
            if process not in self.running and self.quota[job] > 0:
                latest = 0.8 if len(self.open) > 1 else 0.4  # a kill after the end of the last job would be lost
                self.due[process] = began + self.random.uniform(0, latest * self.pace * self.durations[job])
        self.running = running
        for process, job in running.items():
            if not self.ended and time.monotonic() >= self.due.get(process, math.inf):
                self._kill(snakemake, process, job)

    def _spread(self, kills: int) -> None:
        jobs = sorted(self.open)
        if jobs:
            self.quota.update(self.random.choices(jobs, [self.durations[job] for job in jobs], k=kills))

    def _kill(self, snakemake: psutil.Popen, process: psutil.Process, job: str) -> None:
        victim, number = self.random.choice(WEAPONS)
        self.struck, self.ended = True, number is not None
        self.due.pop(process)
        try:
            if number is None:
                set_clock_back(Path(snakemake.cwd()))
            elif victim == "group":
                os.killpg(snakemake.pid, number)
            else:
                (process if victim == "stage" else snakemake).send_signal(number)
        except (psutil.Error, ProcessLookupError):
            return
        self.patient = number == signal.SIGKILL and self.random.random() < 0.5
        self.quota[job] -= 1
        self.record.append({"job": job, "victim": victim, "signal": number.name if number else "set back"})
        print(f"{len(self.record):3} {self.record[-1]['signal']} to the {victim} of {job}", flush=True)


def run(pipeline: Pipeline, killer: Killer | None = None) -> dict[str, float]:
    """Start the pipeline until it is finished; return the seconds that each job took in its last attempt.

    Raises:
        RuntimeError: The pipeline fails although nothing is killed.
    """
    durations: dict[str, float] = {}
    failures = 0
    while True:
        snakemake = pipeline.start()
        began: dict[psutil.Process, float] = {}
        if killer:
            killer.begin()
        while snakemake.poll() is None:
            running = stages(snakemake)
            for process, job in running.items():
                durations[job] = POLL + time.monotonic() - began.setdefault(process, time.monotonic())
            if killer:
                killer.watch(snakemake, running)
            time.sleep(POLL)
        if killer and killer.patient:
            psutil.wait_procs(killer.running)
        if snakemake.returncode == 0:
            return durations
        failures = 0 if killer and killer.struck else failures + 1
        if failures == ATTEMPTS or not killer:
            output = (pipeline.folder / "output.txt").read_text()
            raise RuntimeError(f"the pipeline in {pipeline.folder} failed without being killed:\n{output[-4000:]}")


def without_volatile(value: object) -> object:
    """Return a JSON value without the entries that may differ between equal runs."""
    if isinstance(value, dict):
        return {key: without_volatile(inner) for key, inner in value.items() if key not in VOLATILE}
    return [without_volatile(inner) for inner in value] if isinstance(value, list) else value


def results(folder: Path) -> dict[str, str]:
    """Return, by name, the content of all results that must not differ, without their volatile parts."""
    contents = {}
    for path in sorted((folder / "results").rglob("*")):
        name = str(path.relative_to(folder))
        if path.name in ("genotype.json", "evaluation.json", "dataset.json"):
            contents[name] = path.read_text()
        elif path.name in COMPARED:
            contents[name] = json.dumps(without_volatile(read_json(path)))
        elif path.name == "weights.pth" or path.parent.name == "predictions":
            contents[name] = sha256(path)
        elif name == paths.TABLE:
            contents[name] = pd.read_csv(path, dtype=str).drop(columns=CLOCK_COLUMNS).to_csv()
    return contents


def chaos(folder: Path, kills: int, seed: int, cores: int, targets: list[str]) -> dict:
    """Run the pipeline once undisturbed, then with kills until there are enough; return the record."""
    calm = Pipeline(folder / "calm", cores, targets)
    began = time.monotonic()
    durations = run(calm)
    calm_seconds = time.monotonic() - began
    expected = results(calm.folder)
    record: list[dict[str, str]] = []
    rounds: list[Pipeline] = []
    different: set[str] = set()
    began = time.monotonic()
    while len(record) < kills:
        rounds.append(Pipeline(folder / f"wild{len(rounds)}", cores, targets))
        killer = Killer(durations, kills - len(record), seed + len(rounds) - 1)
        run(rounds[-1], killer)
        record += killer.record
        actual = results(rounds[-1].folder)
        different |= {name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name)}
    by_stage = Counter(kill["job"].split()[0] for kill in record)
    left = [path for wild in rounds for path in (wild.folder / "results/work").glob("*")]
    return {
        "kills": len(record),
        "seed": seed,
        "cores": cores,
        "by_kind": dict(sorted(Counter(f"{kill['signal']}, {kill['victim']}" for kill in record).items())),
        "by_stage": dict(by_stage.most_common()),
        "stages_without_a_kill": sorted({job.split()[0] for job in durations} - set(by_stage)),
        "rounds": len(rounds),
        "starts": sum(wild.starts for wild in rounds),
        "unlocks": sum(wild.unlocks for wild in rounds),
        "seconds": {"undisturbed": round(calm_seconds, 1), "disturbed": round(time.monotonic() - began, 1)},
        "results_compared": len(expected),
        "equal": not different,
        "different": sorted(different),
        "left_in_work": sorted(path.name for path in left),
        "cpu": cpu_name(),
        "provenance": provenance(),
    }


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; return 0 if the results are equal, otherwise 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="number of kills (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the kills (%(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="cores for Snakemake (%(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file to write the record to")
    parser.add_argument("targets", nargs="*", default=[], help="targets for Snakemake (everything)")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also below `nohup`, where all would ignore it
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        record = chaos(folder, arguments.kills, arguments.seed, arguments.cores, arguments.targets)
    except BaseException:
        print(f"the files of the runs are kept in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder)
    print(json.dumps(record, indent=2))
    if arguments.out:
        write_json(arguments.out, record)
    return 0 if record["equal"] else 1


if __name__ == "__main__":
    run_benchmark(main)
