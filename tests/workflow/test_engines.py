"""Engines and stores of docs/engines.md: its commands are planned, and jobs run by services that stand in for a cloud.

The plugins are not part of the environment: a test whose plugin is missing is skipped. Blocks of the page that need a
plugin are marked `shell`; those marked `bash` are tested in test_documented_commands.py.
"""

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from patience import PATIENCE
from tiny_experiment import EXPERIMENT

from ssr_mmseg import settings
from ssr_mmseg.settings.paths import PROJECT

PAGE = (PROJECT / "docs/engines.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```shell\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LINES = [line.removesuffix(" --dry-run") for block in BLOCKS for line in block.splitlines()]
COMMANDS = sorted({line for line in LINES if line.startswith("snakemake ")})
ENGINES = ("kubernetes", "aws-batch", "googlebatch")  # whose jobs share a folder and no more
LOCAL = ("all", "gap", "table", "summary")  # rules that run where Snakemake runs
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
TINY = settings.merge(EXPERIMENT, {"search": {"epochs": 1, "shrink_stages": 0}, "evaluate": {"frames": 1}})
TINY |= {"discretize": {"undecided": "argmax"}, "profile": {"sizes": [[64, 64]], "runs": 5, "seconds": 1}}
GENOTYPE = "results/town/seed0/discretize/genotype.json"


def profile(name: str) -> dict:
    return yaml.safe_load((PROJECT / f"profiles/{name}/profile.yaml").read_text(encoding="utf-8"))


def need_plugins(name: str) -> None:
    """Skip the test if a plugin of a profile is not installed."""
    for kind, key in (("executor", "executor"), ("storage", "default-storage-provider")):
        if plugin := profile(name).get(key):
            pytest.importorskip(f"snakemake_{kind}_plugin_{plugin.replace('-', '_')}")


def shared_folder(root: Path) -> Path:
    """Return the folder in which all jobs work: the local copy of the storage, as in the profiles."""
    return root / "work/fs" / str(root / "run").lstrip("/")


def shared_options(root: Path) -> list[str]:
    """Return the options that move a profile's folders to `root`."""
    options = {"directory": shared_folder(root), "default-storage-prefix": root / "run"}
    options |= dict.fromkeys(("local-storage-prefix", "remote-job-local-storage-prefix"), root / "work")
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def s3_options(root: Path, endpoint: str) -> list[str]:
    """Return the options that move the folders of the profile for S3 to `root`, and its bucket to `endpoint`."""
    options = {
        "storage-s3-endpoint-url": endpoint,
        "local-storage-prefix": root,
        "directory": root / "s3/my-bucket/ssr",
    }
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an S3 server with an empty bucket."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    bucket(address).create()
    yield address
    server.stop()


def bucket(endpoint: str):
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}
    return pytest.importorskip("boto3").resource("s3", endpoint_url=endpoint, **keys).Bucket("my-bucket")


def test_the_page_has_a_command_for_each_profile():
    named = {name for command in COMMANDS for name in re.findall(r"profiles/([\w-]+)", command)}
    assert named == {*ENGINES, "s3"}
    assert any("--logger snkmt" in command for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_snakemake_plans_it(command, tmp_path, request):
    words = shlex.split(command)[1:]
    environment = {}
    if "--workflow-profile" in words:
        name = Path(words[words.index("--workflow-profile") + 1]).name
        need_plugins(name)
        if name == "s3":
            words += s3_options(tmp_path / "scratch", request.getfixturevalue("endpoint"))
            environment = CREDENTIALS
        else:
            words += shared_options(tmp_path)
    if "--logger" in words:
        pytest.importorskip("snakemake_logger_plugin_snkmt")
        words += ["--logger-snkmt-db", str(tmp_path / "snkmt.db")]
    checkout = request.getfixturevalue("checkout")  # made only if the plugins are there
    call = checkout.snakemake(*words, "--dry-run", **environment)
    assert call.status == 0, call.output
    assert call.counts["search"] >= 1


@pytest.mark.parametrize("name", ENGINES)
def test_gpus_are_asked_for_by_the_name_that_the_engine_reads(name, tmp_path, request):
    need_plugins(name)
    resource = {"kubernetes": "gpu", "aws-batch": "_gpus", "googlebatch": "nvidia_gpu"}[name]
    arguments = ["--workflow-profile", f"profiles/{name}", "--cores", "100", *shared_options(tmp_path)]
    checkout = request.getfixturevalue("checkout")
    jobs = checkout.snakemake("--configfile", "config/two.yaml", "--dry-run", *arguments).jobs
    asking = {job["rule"] for job in jobs if re.search(rf"\b{resource}=1\b", job["resources"])}
    assert asking >= {"search", "shrink", "retrain", "evaluate", "profile"}
    assert not asking & {"prepare", "discretize", "table"}


def test_aws_batch_gets_pairs_of_memory_and_processors_that_it_knows(tmp_path, request):
    need_plugins("aws-batch")
    pairs = pytest.importorskip("snakemake_executor_plugin_aws_batch.constant").VALID_RESOURCES_MAPPING
    arguments = ["--workflow-profile", "profiles/aws-batch", "--cores", "10000", *shared_options(tmp_path)]
    checkout = request.getfixturevalue("checkout")
    jobs = checkout.snakemake("--configfile", "config/two.yaml", "--dry-run", *arguments).jobs
    jobs = [job for job in jobs if job["rule"] not in LOCAL]
    assert {job["rule"] for job in jobs} >= {"prepare", "search", "discretize", "retrain", "profile", "report"}
    for job in jobs:
        memory = int(re.search(r"\bmem_mb=(\d+)", job["resources"])[1])
        assert int(job["threads"] or 1) in pairs.get(memory, []), job


class StandIn:
    """Answers as the interfaces of Kubernetes and of AWS Batch do; a job's command runs in an empty folder.

    Such a job has the programs of this environment, and of this machine's files those that it is told of.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.definitions, self.jobs = {}, {}
        programs = folder / "programs"
        programs.mkdir(parents=True)
        (programs / "pip").write_text("#!/bin/sh\n")  # Snakemake's jobs install the plugins, which are there
        (programs / "pip").chmod(0o755)
        path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), "/usr/bin", "/bin"])
        self.environment = {"PATH": path, "HOME": str(folder), "OMP_NUM_THREADS": "1"}

    def start(self, name: str, command: list[str]) -> None:
        folder = self.folder / name
        folder.mkdir()
        with open(folder / "output.txt", "w") as output:
            self.jobs[name] = subprocess.Popen(
                command, cwd=folder, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def answer(self, method: str, path: str, body: dict) -> dict:
        last = path.partition("?")[0].split("/")[-1]
        if last == "registerjobdefinition":
            self.definitions[body["jobDefinitionName"]] = body["containerProperties"]["command"]
            return {"jobDefinitionName": body["jobDefinitionName"], "revision": 1, "jobDefinitionArn": "arn"}
        if last == "submitjob":
            self.start(body["jobName"], self.definitions[body["jobDefinition"].split(":")[0]])
            return {"jobName": body["jobName"], "jobId": body["jobName"]}
        if last == "describejobs":
            names = {None: "RUNNING", 0: "SUCCEEDED"}
            return {
                "jobs": [{"jobId": job, "status": names.get(self.jobs[job].poll(), "FAILED")} for job in body["jobs"]]
            }
        if method == "POST" and last == "jobs":  # of Kubernetes
            container = body["spec"]["template"]["spec"]["containers"][0]
            self.start(body["metadata"]["name"], [*container["command"], *container["args"]])
            return body
        if method == "GET" and last == "status":
            status = self.jobs[path.split("/")[-2]].poll()
            return {"status": {} if status is None else {"failed" if status else "succeeded": 1}}
        return {"items": []}

    def outputs(self) -> str:
        return "\n".join(path.read_text() for path in self.folder.glob("*/output.txt"))


@pytest.fixture
def stand_in(tmp_path) -> Iterator[tuple[StandIn, str]]:
    """The stand-in and its address."""
    service = StandIn(tmp_path / "pods")

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            data = json.dumps(service.answer(self.command, self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = respond  # noqa: N815

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield service, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    for job in service.jobs.values():
        job.kill()
        job.wait()


@pytest.mark.parametrize("name", ["kubernetes", "aws-batch"])
def test_jobs_that_share_one_folder_make_a_genotype(name, tmp_path, stand_in, request):
    need_plugins(name)
    if missing := [program for program in ("git", "rsync") if not shutil.which(program)]:
        pytest.skip(f"{' and '.join(missing)} not found")
    service, address = stand_in
    checkout = request.getfixturevalue("checkout")
    folder = shared_folder(tmp_path / "ssr")
    shutil.copytree(checkout.folder, folder)
    for arguments in (("init", "--quiet"), ("add", "--all")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    (tmp_path / "kubeconfig").write_text(
        yaml.safe_dump(
            {
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "clusters": [{"name": "test", "cluster": {"server": address}}],
                "users": [{"name": "test", "user": {}}],
            }
        )
    )
    environment = {"KUBECONFIG": str(tmp_path / "kubeconfig"), "AWS_ENDPOINT_URL_BATCH": address, **CREDENTIALS}
    arguments = ["--workflow-profile", f"profiles/{name}", GENOTYPE, "--configfile", "config/two.yaml"]
    arguments += ["--cores", "100", "--retries", "0", *shared_options(tmp_path / "ssr")]
    if name == "aws-batch":
        arguments += ["--precommand", "true"]  # instead of mounting the file system
    call = type(checkout)(folder).snakemake(*arguments, "--seconds-between-status-checks", "1", **environment)
    assert call.status == 0, call.output + service.outputs()
    assert len(service.jobs) == 4  # prepare, search, shrink and discretize
    assert (tmp_path / "ssr/run" / GENOTYPE).is_file()


def test_results_go_to_a_bucket_and_the_data_stays(endpoint, tmp_path):
    need_plugins("s3")
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile"), "--nocolor"]
    command += ["--workflow-profile", str(PROJECT / "profiles/s3"), "--cores", "2", "results/table.csv"]
    command += ["--configfile", "tiny.yaml", *s3_options(tmp_path / "scratch", endpoint)]
    for expected in ("8 of 8 steps", "Nothing to be done"):
        call = subprocess.run(
            command, cwd=tmp_path, env=os.environ | CREDENTIALS, capture_output=True, text=True, timeout=PATIENCE
        )
        assert call.returncode == 0, call.stdout + call.stderr
        assert expected in call.stdout + call.stderr
    stored = {entry.key.removeprefix("ssr/") for entry in bucket(endpoint).objects.all()}
    trained = "results/town/seed0/retrain/searched/weights.pth"
    assert stored >= {"results/table.csv", "results/town/prepare/dataset.json", GENOTYPE, trained}
    folder = tmp_path / "scratch/s3/my-bucket/ssr"
    kept = {str(path.relative_to(folder)) for path in (folder / "results").rglob("*") if path.is_file()}
    assert stored <= kept
    undeclared = {path for path in kept - stored if "/prepare/data/" in path or "/predictions/" in path}
    assert {path.split("/")[-1] for path in undeclared} >= {"val_0000.png", "00000.png"}


def test_snkmt_records_a_run(tmp_path, request):
    pytest.importorskip("snakemake_logger_plugin_snkmt")
    database = tmp_path / "snkmt.db"
    arguments = [GENOTYPE, "--configfile", "config/two.yaml", "--logger", "snkmt", "--logger-snkmt-db", str(database)]
    call = request.getfixturevalue("checkout").snakemake(*arguments)
    assert call.status == 0, call.output
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT status, jobs_finished FROM workflows").fetchall() == [("SUCCESS", 4)]
        rules = dict(connection.execute("SELECT name, jobs_finished FROM rules").fetchall())
    assert rules == dict.fromkeys(("prepare", "search", "shrink", "discretize"), 1)
