"""A single-node Slurm cluster on the loopback interface, for tests; all its files are in one temporary folder.

    python tests/slurm/cluster.py COMMAND [ARGUMENT …]

starts the cluster, runs the command (`sbatch`, `squeue` … find the cluster by `SLURM_CONF`), stops the cluster and
exits with the command's status. It runs its own munge with its own key and socket, so that an existing munge or Slurm
is neither used nor changed. The daemons must run as root; the node reports CPUs, memory and GPUs it may not have.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CPUS, MEMORY_MB = 4, 64_000
GPUS = ("/dev/null", "/dev/zero")  # Slurm accepts any device file as a GPU
PATIENCE = 600.0  # seconds for a daemon to start or stop

# Accounting, cgroups and task binding are off, because they do not work in a container.
SLURM_CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=loopback NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=all Nodes=loopback Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Return the missing requirements of a cluster: programs, or root."""
    programs = [name for name in (*DAEMONS, "sbatch", "srun") if not _program(name)]
    return [*programs, *([] if os.geteuid() == 0 else ["root"])]


class Cluster:
    """A running cluster.

    Attributes:
        environment: The environment in which Slurm's commands find it.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.daemons: dict[str, subprocess.Popen] = {}

    def start(self, name: str, *options: str) -> None:
        """Start a daemon, whose output is appended to a file."""
        with open(self.folder / f"{name}.out", "ab") as output:
            self.daemons[name] = subprocess.Popen(
                [_program(name), *options], env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Keep the controller, slurmctld, down within the block; jobs run on."""
        _end(self.daemons["slurmctld"])
        yield
        self.start("slurmctld", "-D")

    def end(self) -> None:
        """Stop all daemons, the last started first."""
        for process in reversed(self.daemons.values()):
            _end(process)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster, yield it, and remove all of it at the end.

    Raises:
        RuntimeError: A requirement is missing or a daemon does not start; the message contains its output.
    """
    if missing():
        raise RuntimeError(
            f"cannot start a cluster without {', '.join(missing())}; install slurm-wlm and munge, and run as root"
        )
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # munge requires a socket folder that all users can enter
        _configure(folder)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_"))}
        environment["SLURM_CONF"] = str(folder / "slurm.conf")
        environment["PATH"] = os.pathsep.join([str(folder / "bin"), environment.get("PATH", os.defpath)])

        def run(*command: str) -> int:
            return subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE).returncode

        running = Cluster(folder, environment)
        cleanup.callback(running.end)
        running.start("munged", "--foreground", *_munge_options(folder))
        _wait("munged", folder, lambda: (folder / "munge.socket").exists())
        running.start("slurmctld", "-D")
        running.start("slurmd", "-D", "-N", "loopback")
        _wait("slurmd", folder, lambda: run("srun", "--immediate=1", "true") == 0)
        cleanup.callback(_end_jobs, environment)
        yield running


def _configure(folder: Path) -> None:
    (folder / "munge.key").touch(mode=0o600)
    (folder / "munge.key").write_bytes(os.urandom(128))
    for name in ("bin", "spool", "state"):
        (folder / name).mkdir()
    # Snakemake's Slurm executor removes SLURM_CONF from the environment of srun in its job steps.
    (folder / "bin/srun").write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {_program("srun")} "$@"\n')
    (folder / "bin/srun").chmod(0o755)
    # In place of accounting: what the executor asks `sacct` for, from the controller; the run's id comes last.
    (folder / "bin/sacct").write_text(
        '#!/bin/sh\nfor run; do :; done\nexec squeue --noheader --states=all --format="%i|%T" --name "$run"\n'
    )
    (folder / "bin/sacct").chmod(0o755)
    controller_port, node_port = _free_ports(2)
    values = {"controller_port": controller_port, "node_port": node_port, "cpus": CPUS, "memory": MEMORY_MB}
    values |= {"host": socket.gethostname().split(".")[0], "folder": folder, "gpus": len(GPUS)}
    (folder / "slurm.conf").write_text(SLURM_CONF.format(**values))
    (folder / "gres.conf").write_text("".join(f"Name=gpu File={device}\n" for device in GPUS))


def _munge_options(folder: Path) -> list[str]:
    files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    return [f"--{option}={folder / name}" for option, name in files.items()]


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]


def _wait(name: str, folder: Path, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            output = [path.read_text(errors="replace")[-1000:] for path in sorted(folder.glob("*.out"))]
            raise RuntimeError(
                f"{name} is not ready after {PATIENCE:.0f} s; output of the daemons:\n" + "\n".join(output)
            )
        time.sleep(0.2)


def _end_jobs(environment: dict[str, str]) -> None:
    """Cancel the remaining jobs and wait for them: their processes would outlive the daemons."""
    subprocess.run(["scancel", "--user", "root"], env=environment, capture_output=True, timeout=PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        queue = subprocess.run(["squeue", "--noheader"], env=environment, capture_output=True, timeout=PATIENCE)
        if not queue.stdout.strip():
            return
        time.sleep(0.5)


def _end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with (
        cluster() as running,
        subprocess.Popen(sys.argv[1:], env=running.environment, start_new_session=True) as command,
    ):
        try:
            status = command.wait()
        except BaseException:
            os.killpg(command.pid, signal.SIGTERM)
            raise
    sys.exit(status)
