# The configuration in force, and what the rules derive from it. Nothing here may import torch or mmengine: every job
# of a cluster parses this file again.

import itertools
import os
import re
import shutil
import sys
from pathlib import Path

BASE = Path(workflow.basedir).resolve()  # the root, or workflow/ when run by `-s workflow/Snakefile`
PROJECT = BASE.parent if BASE.name == "workflow" else BASE
sys.path.insert(0, str(PROJECT))

from ssr_mmseg.settings import ablation, project_files, cost_targets, paths
from ssr_mmseg.jobs import glibc_malloc, failures
from ssr_mmseg import settings
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.settings.cache import remember


def read_configuration() -> dict:
    """The completed configuration: `--configfile` or else config/config.yaml, with `--config` laid over it.

    There is no `configfile:` directive, because Snakemake would merge that file with the one given by the user.
    """
    changes = settings.typed(dict(workflow.config_settings.config))
    if not workflow.configfiles:
        return settings.read_config(paths.project_file(settings.DEFAULTS), changes)
    origin = ", ".join(os.path.relpath(path) for path in workflow.configfiles)
    return settings.complete(settings.merge(config, changes), f"{origin} and --config" if changes else origin)


remember()
try:
    CONFIG = read_configuration()
except UserError as error:
    sys.exit(f"ssr-mmseg: {error}")

# The jobs get the configuration as a file named by its content. Its name reaches them by the environment and not as a
# parameter: a setting that a rule does not depend on must not rerun it.
CONFIG_FILE = Path(f"results/config/{settings.identity(CONFIG)}.json")
os.environ.update(
    SSR_MMSEG_CONFIG=str(CONFIG_FILE),
    PYTHONPATH=os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
    PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
)


def write_config() -> None:
    """Write the configuration for the jobs; called when a run starts, so that a dry run writes nothing."""
    try:
        if not CONFIG_FILE.is_file():
            files.write_json(CONFIG_FILE, CONFIG)
    except UserError as error:
        sys.exit(f"ssr-mmseg: {error}")


def tell_failures(logs: list[str]) -> None:
    """Say, below what Snakemake says, what the failed stages themselves said, and where their logs are."""
    sys.stderr.write(failures.failure_report(logs) + "\n")


# A GPU trains one network at a time. `auto` asks for one where the driver's tool is found (this must not import torch),
# and always where jobs are submitted: the node that submits them seldom has one.
SUBMITTED = workflow.resource_settings.nodes is not None
GPU = int(
    CONFIG["device"] == "cuda" or (CONFIG["device"] == "auto" and (SUBMITTED or shutil.which("nvidia-smi") is not None))
)


# SIGTERM goes to every process of a job. Were its shell to end by it, the job would count as over while the stage still
# saves its state.
shell.prefix("set -euo pipefail; trap : TERM; ")

# A training that is given several GPUs (`--resources gpu=4 --set-resources search:gpu=4`) runs one process on each.
TOGETHER = "python -m torch.distributed.run --standalone --nproc_per_node={resources.gpu}"
MEMORY = f'{glibc_malloc.VARIABLE}="${{{{{glibc_malloc.VARIABLE}:-{glibc_malloc.TUNABLES}}}}}"'
LAUNCH = f"{MEMORY} $([ {{resources.gpu}} -gt 1 ] && echo {TOGETHER} || echo python)"


wildcard_constraints:
    dataset="|".join(map(re.escape, [*settings.dataset_names(CONFIG), *settings.variants(CONFIG)])),
    seed=r"\d+",
    stage=r"[1-9]\d*",
    network=r"\w+",


def cfg(stage: str):
    """Parameter function: the identity of everything that a stage's result depends on."""

    def identity(wildcards) -> str:
        seed, network = int(wildcards.get("seed", 0)), wildcards.get("network", "")
        return settings.stage_identity(CONFIG, stage, wildcards.dataset, seed, network)

    return identity


def manifest(wildcards) -> str:
    """Manifest of the data of a dataset or of a cell of the ablation."""
    return str(settings.manifest_path(CONFIG, wildcards.dataset))


def shrink_stages(dataset: str) -> int:
    """Number K of shrinking stages that follow a dataset's search."""
    return settings.for_dataset(CONFIG, dataset)["search"]["shrink_stages"]


def previous_state(wildcards) -> str:
    """State that a shrinking stage starts from."""
    return str(paths.state_path(wildcards.dataset, wildcards.seed, int(wildcards.stage) - 1))


def latency_table(wildcards) -> list[str]:
    """Latency table that a search reads, if its cost is latency."""
    path = settings.latency_table_path(CONFIG, wildcards.dataset)
    return [] if path is None else [str(path)]


def last_state(wildcards) -> str:
    """State that the last stage of a search leaves."""
    return str(paths.state_path(wildcards.dataset, wildcards.seed, shrink_stages(wildcards.dataset)))


def genotype_of(wildcards) -> list[str]:
    """Genotype that a network is built from, if the workflow makes it; other networks are project files."""
    made = {"searched": paths.GENOTYPE, "random": paths.RANDOM_GENOTYPE}
    return [made[wildcards.network]] if wildcards.network in made else []


def profiled_weights(wildcards) -> list[str]:
    """Weights that a profile waits for, if its configuration asks for trained ones."""
    trained = settings.for_dataset(CONFIG, wildcards.dataset)["profile"]["weights"] == "trained"
    return [paths.WEIGHTS] if trained else []


def stage_metrics(dataset: str, seed: int) -> list[str]:
    """Metrics of all stages of a search, in order."""
    return [str(paths.stage_metrics_path(dataset, seed, stage)) for stage in range(shrink_stages(dataset) + 1)]


def places(dataset: str) -> list[tuple[str, str]]:
    """Every network of a dataset's table: what stands in the dataset's place in its results, and its name there."""
    return [cost_targets.place_of(dataset, label) for label in settings.networks(CONFIG, dataset)]


def table_inputs(_) -> list[str]:
    """Every result that the table joins."""
    datasets, seeds = settings.dataset_names(CONFIG), CONFIG["seeds"]
    inputs = expand(paths.MANIFEST, dataset=datasets)
    for pattern in (paths.TRAINING, paths.EVALUATION, paths.PROFILE):
        inputs += [
            pattern.format(dataset=place, seed=seed, network=network)
            for dataset, seed in itertools.product(datasets, seeds)
            for place, network in places(dataset)
        ]
    if "searched" in CONFIG["networks"]:
        searched = [place for dataset in datasets for place in settings.members(CONFIG, dataset)]
        inputs += expand(paths.GAP, dataset=searched, seed=seeds)
    return inputs


def report_inputs(_) -> list[str]:
    """Every result that the page and the figures show."""
    datasets, seeds, networks = settings.dataset_names(CONFIG), CONFIG["seeds"], CONFIG["networks"]
    datasets = [place for dataset in datasets for place in settings.members(CONFIG, dataset)]
    inputs = table_inputs(_)
    if {"searched", "random"} & set(networks):
        inputs += [path for dataset in datasets for seed in seeds for path in stage_metrics(dataset, seed)]
        inputs += expand([paths.GENOTYPE, paths.DISCRETIZATION], dataset=datasets, seed=seeds)
    if "random" in networks:
        inputs += expand(paths.RANDOM_GENOTYPE, dataset=datasets, seed=seeds)
    return inputs


def peer_inputs(_) -> list[str]:
    """Every profile that the table of peers joins, and the accuracy of the networks that have been trained."""
    seed = CONFIG["seeds"][0]
    inputs = []
    for dataset in settings.dataset_names(CONFIG):
        for label in project_files.peers(settings.networks(CONFIG, dataset)):
            place, network = cost_targets.place_of(dataset, label)
            names = {"dataset": place, "seed": seed, "network": network}
            evaluation = paths.EVALUATION.format(**names)
            inputs += [paths.PROFILE.format(**names), *([evaluation] if os.path.exists(evaluation) else [])]
    return inputs


def ablation_inputs(_) -> list[str]:
    """Every result that the ablation joins."""
    try:
        searches = itertools.product(ablation.cells_or_error(CONFIG), CONFIG["ablation"]["seeds"])
    except UserError as error:
        sys.exit(f"ssr-mmseg: {error}")
    inputs = []
    for cell, seed in searches:
        inputs += stage_metrics(cell, seed)
        if CONFIG["ablation"]["retrain"]:
            inputs.append(paths.EVALUATION.format(dataset=cell, seed=seed, network="searched"))
    return inputs
