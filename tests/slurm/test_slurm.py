"""The workflow on a single-node Slurm with the shipped profile: requested resources, and resuming after SIGTERM."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cluster import cluster
from patience import PATIENCE

from ssr_mmseg.jobs.job import Job
from ssr_mmseg.jobs.progress import progress_path, read
from ssr_mmseg.settings.paths import PROJECT

CONFIG = {
    "device": "auto",  # requests GPUs on a cluster; those of the test node are fake, so everything runs on the CPU
    "networks": ["searched"],
    "datasets": {
        "town": {"type": "streets", "size": [32, 64], "options": {"train": 16, "val": 2, "test": 2, "seed": 1}}
    },
    "search": {
        "space": {
            "stages": [{"blocks": 2, "channels": 20, "width_step": 2}, {"blocks": 2, "channels": 24, "width_step": 2}],
            "dilations": [1, 2],
            "resolutions": [1, 2],
            "width_options": 3,
        },
        "epochs": 40,  # long enough to be stopped midway
        "shrink_stages": 0,
        "min_steps": 1,
        "warmup": 0,
        "cost": {"type": "macs", "target": 0.6, "hold": None},
        "batch_size": 4,
    },
    "retrain": {"epochs": 1, "min_steps": 1, "batch_size": 4},
    "evaluate": {"frames": 1},
    "profile": {"sizes": [[64, 64]], "runs": 5, "seconds": 1},
}
SEARCH = "results/town/seed0/search/metrics.json"
OUTAGE = 30  # seconds after the end of the search
GENOTYPE = "results/town/seed0/discretize/genotype.json"
SUBMITTED = {"prepare", "search", "discretize", "retrain", "evaluate", "profile"}  # the other rules run locally
WITH_GPU = {"search", "retrain", "evaluate", "profile"}
# Without accounting, only squeue knows how a job ended. Eight threads of a timing would have to share two cores.
OPTIONS = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "8"]
OPTIONS += ["--latency-wait", "5", "--set-threads", "profile=1", "--retries", "2"]


def snakemake(folder: Path, *arguments: str, **options) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--nocolor"]
    command += ["--configfile", "tiny.yaml", *arguments]
    output = open(folder / "output.txt", "wb")  # noqa: SIM115
    return subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, **options)


@dataclass(frozen=True)
class Run:
    """A finished run on the cluster, with its submitted jobs as parsed from `scontrol show job`."""

    folder: Path
    jobs: list[dict[str, str]]
    stopped: str  # id of the job that was sent SIGTERM

    def jobs_of(self, rule: str) -> list[dict[str, str]]:
        return [job for job in self.jobs if re.match(rf"rule_{rule}(_wildcards|$)", job["Comment"])]


def workflow_jobs(environment: dict[str, str]) -> list[dict[str, str]]:
    call = subprocess.run(["scontrol", "--oneliner", "show", "job"], env=environment, capture_output=True, text=True)
    jobs = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in call.stdout.splitlines()]
    return [job for job in jobs if job.get("Comment", "").startswith("rule_")]


def wait_for(ready, process: subprocess.Popen, folder: Path) -> None:
    """Wait until `ready` returns something, while Snakemake runs."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert process.poll() is None, (folder / "output.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def search_progress(folder: Path) -> dict:
    return read(folder / progress_path({}, Job("search", "town", 0).name))


def stop_search(process: subprocess.Popen, folder: Path, environment: dict[str, str]) -> str:
    """Send SIGTERM to the search's job once it trains, as Slurm does before the walltime ends; return the job's id."""
    wait_for(lambda: search_progress(folder).get("iteration"), process, folder)
    (job,) = [job["JobId"] for job in workflow_jobs(environment) if job["Comment"].startswith("rule_search")]
    subprocess.run(["scancel", "--signal=TERM", job], env=environment, check=True)
    return job


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """The run that made the table on the cluster, with the search stopped once."""
    folder = tmp_path_factory.mktemp("cluster") / "run"
    with cluster() as running:
        environment = running.environment
        profile = ["--workflow-profile", str(PROJECT / "profiles/slurm"), *OPTIONS]
        process = snakemake(folder, *profile, "results/table.csv", env=environment)
        try:
            stopped = stop_search(process, folder, environment)
            status = process.wait(600)
        finally:
            process.terminate()
            process.wait()
        assert status == 0, (folder / "output.txt").read_text()
        return Run(folder, workflow_jobs(environment), stopped)


def test_the_table_is_made_and_quick_rules_run_locally(run):
    assert (run.folder / "results/table.csv").read_text().count("town,searched,") == 2
    assert {rule for rule in SUBMITTED if run.jobs_of(rule)} == SUBMITTED
    assert len(run.jobs) == len(SUBMITTED) + 1  # the search was submitted twice


def test_rules_request_gpus_memory_and_walltime(run):
    for rule in SUBMITTED:
        for job in run.jobs_of(rule):
            gpus = re.search(
                r"gres[/:]gpu[=:](\d+)|gres/gpu$", " ".join(job.get(k, "") for k in ("TRES", "TresPerJob"))
            )
            assert bool(gpus) == (rule in WITH_GPU), job
    wanted = {"prepare": ("4000M", "04:00:00"), "search": ("24000M", "3-00:00:00"), "retrain": ("16000M", "3-00:00:00")}
    for rule, (memory, walltime) in wanted.items():
        assert {(job["MinMemoryNode"], job["TimeLimit"]) for job in run.jobs_of(rule)} == {(memory, walltime)}


def test_a_timing_has_exclusive_use_of_its_node(run):
    assert {job["OverSubscribe"] for job in run.jobs_of("profile")} == {"NO"}
    others = [job for rule in SUBMITTED - {"profile"} for job in run.jobs_of(rule)]
    assert {job["OverSubscribe"] for job in others} == {"OK"}


def test_a_search_stopped_by_slurm_resumes_and_finds_the_same_genotype(run, tmp_path):
    states = {job["JobId"]: job["JobState"] for job in run.jobs_of("search")}
    assert states.pop(run.stopped) == "FAILED"
    assert list(states.values()) == ["COMPLETED"]
    logs = "".join(path.read_text() for path in run.folder.glob("results/town/seed0/search/log/**/*.log"))
    assert re.search(r"stopped by SIGTERM after iteration \d+", logs), logs
    assert re.search(r"resumed at iteration [1-9]", logs), logs
    undisturbed = snakemake(tmp_path / "undisturbed", "--cores", "1", GENOTYPE, env=os.environ)
    assert undisturbed.wait(600) == 0, (tmp_path / "undisturbed/output.txt").read_text()
    genotypes = [json.loads((folder / GENOTYPE).read_text()) for folder in (run.folder, tmp_path / "undisturbed")]
    assert genotypes[0] == genotypes[1]


def test_a_run_survives_an_outage_of_the_controller(tmp_path):
    """The plugin forgets the running jobs when all its attempts to ask for them fail, and then waits without end."""
    folder = tmp_path / "run"
    with cluster() as running:
        profile = ["--workflow-profile", str(PROJECT / "profiles/slurm"), *OPTIONS, "--slurm-status-command", "sacct"]
        process = snakemake(folder, *profile, SEARCH, env=running.environment)
        try:
            wait_for(lambda: search_progress(folder).get("iteration"), process, folder)
            with running.outage():
                wait_for(lambda: search_progress(folder)["state"] == "done", process, folder)
                time.sleep(OUTAGE)
            status = process.wait(600)
        finally:
            process.terminate()
            process.wait()
    assert status == 0, (folder / "output.txt").read_text()


def test_no_daemon_of_the_cluster_is_left(run):
    processes = subprocess.run(["ps", "-eo", "stat,args"], capture_output=True, text=True).stdout.splitlines()
    daemons = [line for line in processes if re.search(r"slurm-\w+/|sbin/slurm", line) and not line.startswith("Z")]
    assert daemons == []
