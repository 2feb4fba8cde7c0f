# The configuration, and functions of the rules that name outputs, logs and commands. Nothing here may import torch or
# mmengine, because every job of a cluster parses this file again.

import gc
import importlib.util
import inspect
import itertools
import os
import re
import shutil
import sys

from ssr_mmseg import settings
from ssr_mmseg.jobs import failures, glibc_malloc
from ssr_mmseg.jobs.changes import changes, text
from ssr_mmseg.jobs.clock import correct_future_times
from ssr_mmseg.jobs.finished_work import remove_finished
from ssr_mmseg.jobs.interruption import pass_on_signals
from ssr_mmseg.jobs.job import Job
from ssr_mmseg.jobs.links import check_links
from ssr_mmseg.jobs.planning import check_plan
from ssr_mmseg.jobs.results_folder import check_table, check_targets
from ssr_mmseg.jobs.result_warnings import result_warnings
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.cache import enable_cache
from ssr_mmseg.settings.plugin_names import class_literal
from ssr_mmseg.settings.project_files import follows_search, selection
from ssr_mmseg.settings.scenario import (
    ablation_cells,
    all_networks,
    scenarios,
    searches,
    supernet_scenario,
    table_networks,
)
from ssr_mmseg.settings.rivals import configured_networks, rival_entry
from ssr_mmseg.settings.ranking import contestants, ranked_networks
from ssr_mmseg.settings.selector_supernets import KINDS, supernet_of
from ssr_mmseg.settings.source_listing import source_listing
from ssr_mmseg.settings.stage_table import STAGES, search_stage
from ssr_mmseg.settings.teachers import teacher_training
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.hashing import identity

OVERRIDES = settings.typed(dict(workflow.config_settings.config))
DEFAULT = not workflow.configfiles and dict(config) in ({}, dict(workflow.config_settings.config))  # no file is given
ORIGIN = ", ".join(map(os.path.relpath, workflow.configfiles)) or (
    settings.DEFAULTS if DEFAULT else "the module's config"
)


def read_configuration() -> dict:
    """Return the completed configuration: `--configfile` or else config/config.yaml, overridden by `--config`.

    There is no `configfile:` directive, because Snakemake would merge that file with the one given by the user. In a
    workflow that uses this one as a module, it is what the module gets as `config`. If that is all that the user gave to
    Snakemake, the files are read again, because Snakemake accepts more than data, and keys that occur twice.
    """
    if DEFAULT:
        return settings.read_config(paths.project_file(settings.DEFAULTS), OVERRIDES)
    if dict(config) == workflow.config_settings.overwrite_config:
        for file in workflow.configfiles:
            settings.parse_file(os.path.relpath(file))
    origin = f"{ORIGIN} and --config" if OVERRIDES else ORIGIN
    return settings.complete(settings.merge(config, OVERRIDES), origin)


# Jobs run in this environment, unless Snakemake makes another one for them or they are sent elsewhere.
SUBMITTED = workflow.resource_settings.nodes is not None
DEPLOYED = SUBMITTED or bool(workflow.deployment_settings.deployment_method)
MISSING = (
    "ssr-mmseg: warning: the stages cannot run in this environment, which has no mmseg; run snakemake with "
    "--software-deployment-method conda, or pip install 'ssr-mmseg[all]'"
)

os.environ.update(SSR_MMSEG_PYTHONPATH=str(python_path()))
enable_cache()
gc.set_threshold(50_000, 20, 100)  # collect less often: a plan of many jobs makes millions of objects, which all stay
try:
    CONFIG = read_configuration()
    if workflow.is_main_process:  # a job that plans again leaves it to its stage
        check_targets(CONFIG, sys.argv[1:])
        check_table(CONFIG, ORIGIN)
        check_plan(CONFIG)
        if not DEPLOYED and importlib.util.find_spec("mmseg") is None:
            print(MISSING, file=sys.stderr)
except UserError as error:
    sys.exit(f"ssr-mmseg: {error}")

# The jobs read the configuration from a file named by a digest of its content. They get the path from the environment
# and not as a parameter, because a setting that a rule does not depend on must not rerun it.
CONFIG_FILE = STATE / "configs" / f"{identity(CONFIG)}.json"
if not CONFIG_FILE.is_file():
    try:
        files.write_json(CONFIG_FILE, CONFIG)
    except UserError as error:
        sys.exit(f"ssr-mmseg: {error}")
os.environ.update(
    SSR_MMSEG_CONFIG=str(CONFIG_FILE),
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
)


def prepare_run() -> None:
    """Let trainings save when only Snakemake is interrupted; check and correct the files of the jobs."""
    if workflow.is_main_process:
        pass_on_signals()
        try:
            for job in workflow.dag.needrun_jobs():
                check_links(filter(None, (*job.output, *job.log, job.benchmark)))
        except UserError as error:
            sys.exit(f"ssr-mmseg: {error}")
        files_of_jobs = {str(file) for job in workflow.dag.jobs for file in (*job.input, *job.output)}
        for line in correct_future_times(files_of_jobs):
            print(f"ssr-mmseg: warning: {line}", file=sys.stderr)


def finish_run() -> None:
    """Delete the states of finished trainings, and print a line for each result that should not be trusted."""
    if workflow.is_main_process:
        remove_finished(CONFIG)
        for line in result_warnings(CONFIG):
            print(f"ssr-mmseg: warning: {line}", file=sys.stderr)


def report_failures(logs: list[str]) -> None:
    """Print the error messages of the failed stages and the paths of their logs, after Snakemake's own output."""
    sys.stderr.write(failures.failure_report(logs) + "\n")


# A GPU trains one network at a time. `auto` requests one where NVIDIA's tool exists (this file must not import torch),
# and always where jobs are submitted, because the submitting node seldom has a GPU.
GPU = int(
    CONFIG["device"] == "cuda" or (CONFIG["device"] == "auto" and (SUBMITTED or shutil.which("nvidia-smi") is not None))
)


# Some commands, such as `snakemake --unlock`, have no number of cores.
ALL_CORES = workflow.resource_settings.cores or 1


# Keep the job's shell alive on signals, which every process of a job receives; otherwise Snakemake would consider the
# job finished before the stage has saved its state. Snakemake removes PYTHONPATH from jobs with a conda environment.
# PYTHONSAFEPATH: no file of the working folder is taken for a module, such as a cv2.py among copied data.
shell.prefix(
    "set -euo pipefail; trap : TERM HUP; export PYTHONSAFEPATH=1; "
    'export PYTHONPATH="$SSR_MMSEG_PYTHONPATH${{PYTHONPATH:+:$PYTHONPATH}}"; '
)

# A training that is given several GPUs (`--resources gpu=4 --set-resources search:gpu=4`) runs one process on each.
TORCHRUN = "python -m torch.distributed.run --standalone --nproc_per_node={resources.gpu}"
MEMORY = f'{glibc_malloc.VARIABLE}="${{{{{glibc_malloc.VARIABLE}:-{glibc_malloc.TUNABLES}}}}}"'
LAUNCH = f"{MEMORY} $([ {{resources.gpu}} -gt 1 ] && echo {TORCHRUN} || echo python)"


wildcard_constraints:
    dataset="|".join(map(re.escape, scenarios(CONFIG))),
    seed=r"\d+",
    stage=r"[1-9]\d*",
    network=r"\w+",


def result(pattern: str) -> str:
    """Return a pattern of `settings.paths` in the folder of this experiment's results."""
    return paths.result_pattern(CONFIG, pattern)


def outputs(stage: str) -> dict[str, str]:
    """Return the patterns of a stage's outputs, by name."""
    return {name: result(pattern) for name, pattern in STAGES[stage].outputs.items()}


def log_file(stage: str) -> str:
    """Return the pattern of a stage's logs."""
    return result(STAGES[stage].log)


def benchmark_file(stage: str) -> str:
    """Return the pattern of a stage's benchmark files."""
    return result(STAGES[stage].benchmark)


def command(name: str, threads: bool = False) -> str:
    """Return the shell command that runs a stage.

    Args:
        threads: Limit the CPU threads to those of the rule, as always for a stage that trains.
    """
    stage = STAGES[name]
    limit = "OMP_NUM_THREADS={threads} " if threads or stage.trains else ""
    options = "".join(f" --{wildcard} {{wildcards.{wildcard}}}" for wildcard in stage.wildcards)
    program = f"{limit}{LAUNCH if stage.trains else 'python'} -m ssr_mmseg {stage.command}"
    return f'{program} --config "$SSR_MMSEG_CONFIG"{options} > {{log}} 2>&1'


def signed(function):
    """Keep the signature of a function for Snakemake, which looks it up several times for each job."""
    function.__signature__ = inspect.signature(function)
    return function


def cfg(stage: str):
    """Return a parameter function: the identity of everything that a stage's result depends on."""

    @signed
    def parameter(wildcards) -> str:
        seed, network = int(wildcards.get("seed", 0)), wildcards.get("network", "")
        return settings.stage_identity(CONFIG, stage, wildcards.dataset, seed, network)

    return parameter


def inputs(stage: str, *functions):
    """Return one input function that joins others: one call per job takes Snakemake less time than several.

    It also makes Snakemake rerun a result of another configuration. Snakemake's own records of parameters may be
    missing, as in results that were copied, and name digests only.
    """

    @signed
    def joined(wildcards) -> list[str]:
        rerun_if_changed(stage, wildcards)
        needed = []
        for function in functions:
            found = function(wildcards)
            needed += [found] if isinstance(found, str) else found
        return needed

    return joined


def rerun_if_changed(stage: str, wildcards) -> None:
    """Make Snakemake rerun a job whose result is that of another configuration, and say what changed."""
    if workflow.is_main_process and any(trigger.name == "PARAMS" for trigger in workflow.rerun_triggers):
        values = {name: wildcards.get(name) for name in STAGES[stage].wildcards}
        number, seed = int(values.pop("stage", None) or 0), values.pop("seed", None)
        job = Job.of(CONFIG, stage, seed=None if seed is None else int(seed), number=number, **values)
        if found := changes(CONFIG, job):
            workflow.dag.forcefiles.update(map(str, map(job.output, STAGES[stage].outputs)))
            explain(found)


EXPLAINED = set()


def explain(found: list[str]) -> None:
    """Print once each change that makes Snakemake run something again."""
    new = [change for change in found if change not in EXPLAINED]
    if new:
        EXPLAINED.update(new)
        print(f"ssr-mmseg: changed since results were made: {text(new)}", file=sys.stderr)


def source_digest(wildcards) -> str:
    """Return a digest of the names, sizes and times of a dataset's files: a change of them prepares it again."""
    entry = settings.for_dataset(CONFIG, wildcards.dataset)["dataset"]
    listing = source_listing(entry["type"], entry["source"])
    return listing.digest if listing else ""
