"""Paths of the project's files and of every stage's outputs.

The patterns contain Snakemake's wildcards: the rules and the command line share them. They are those of an experiment
without a name; `result_path` and `result_pattern` give the paths of any experiment.
"""

import contextlib
import re
from pathlib import Path
from typing import Any

from ssr_mmseg.settings.cache import cached
from ssr_mmseg.utils.errors import UserError, one_line

PACKAGE = Path(__file__).resolve().parent.parent
INSTALLED = (PACKAGE / "project").is_dir()  # from a wheel, which has the files of a checkout in this folder
PROJECT = PACKAGE / "project" if INSTALLED else PACKAGE.parent
WORKFLOW = PROJECT / "workflow" / "Snakefile"
PUBLISHED = PACKAGE / "report" / "published"  # published results, with their sources

DEFAULTS = "config/config.yaml"  # the default experiment, and the values of keys that other configurations leave out
RESULTS = Path("results")
MANIFEST = "results/{dataset}/prepare/dataset.json"
SAMPLES = "results/{dataset}/prepare/samples.jpg"
SEARCH_STATE = "results/{dataset}/seed{seed}/search/state.pth"
SEARCH_METRICS = "results/{dataset}/seed{seed}/search/metrics.json"
SHRINK_STATE = "results/{dataset}/seed{seed}/shrink{stage}/state.pth"
SHRINK_METRICS = "results/{dataset}/seed{seed}/shrink{stage}/metrics.json"
LATENCY_TABLE = "results/{dataset}/latency/table.json"
GENOTYPE = "results/{dataset}/seed{seed}/discretize/genotype.json"
DISCRETIZATION = "results/{dataset}/seed{seed}/discretize/discretization.json"
SELECTED = "results/{dataset}/seed{seed}/select/{network}/genotype.json"
SELECTION = "results/{dataset}/seed{seed}/select/{network}/selection.json"
NETWORK_CONFIG = "results/{dataset}/seed{seed}/retrain/{network}/config.py"
WEIGHTS = "results/{dataset}/seed{seed}/retrain/{network}/weights.pth"
TRAINING = "results/{dataset}/seed{seed}/retrain/{network}/training.json"
EVALUATION = "results/{dataset}/seed{seed}/evaluate/{network}/evaluation.json"
PER_IMAGE = "results/{dataset}/seed{seed}/evaluate/{network}/per_image.csv"
EXPORTED = "results/{dataset}/seed{seed}/evaluate/{network}/model.onnx"
PREDICTIONS = "results/{dataset}/seed{seed}/evaluate/{network}/predictions"
PROFILE = "results/{dataset}/seed{seed}/profile/{network}/profile.json"
GAP = "results/{dataset}/seed{seed}/gap.json"
TABLE = "results/table.csv"
PEERS = "results/peers.csv"
PEERS_FIGURE = "results/peers-{dataset}.svg"
SUMMARY = "results/summary.csv"
REPORT = "results/report/index.html"
PREDICTION_SHEET = "results/report/predictions.png"
FIGURES = "results/figures"
RECOMMENDATION = "results/recommended/recommendation.json"
CARD = "results/recommended/card.md"
LOG = "results/logs/{job}.log"  # a job's name begins with its stage: search/streets-seed0
BENCHMARK = "results/benchmarks/{job}.tsv"
PROGRESS = "results/jobs/{job}/progress.json"
RANK = "results/{dataset}/seed{seed}/rank.json"
CONTEST = "results/contest.csv"
CONTEST_FIGURE = "results/contest-{dataset}.svg"
CONTEST_REPORT = "results/contest.md"
ABLATION = "results/ablation.csv"
ABLATION_REPORT = "results/ablation.md"
WORK = "results/work/{dataset}-seed{seed}-{stage}-{identity}"

CELLS = "ablation/"  # prefix of the names of the ablation's scenarios, each a folder below `results/`

# Names of folders below `results/`, and below a dataset's folder there, which an experiment can have the name of.
FOLDERS = frozenset(
    {CELLS.rstrip("/"), "config"}
    | {
        part
        for pattern in list(globals().values())
        if isinstance(pattern, str) and pattern.startswith("results/")
        for part in Path(pattern).parts[1:3]
        if not set(part) & set("{.")
    }
)


def is_reserved(name: str) -> bool:
    """Return whether results other than those of a dataset or an experiment of that name are in a folder of the name.

    Upper and lower case are one on some file systems.
    """
    return name.casefold() in FOLDERS or re.fullmatch(r"seed\d+", name.casefold()) is not None


def results_folder(config: dict) -> Path:
    """Return the folder of an experiment's results: `results`, or below it the folder of the experiment's name."""
    return RESULTS / (config.get("name") or "")


def result_pattern(config: dict, pattern: str) -> str:
    """Return one of the patterns above for an experiment, with its wildcards."""
    return str(results_folder(config) / Path(pattern).relative_to(RESULTS))


def result_path(config: dict, pattern: str, **values: Any) -> Path:
    """Return the path of a result of an experiment: one of the patterns above with the values of its wildcards."""
    return Path(result_pattern(config, pattern).format(**values))


def state_path(config: dict, dataset: str, seed: int, stage: int) -> Path:
    """Return the path of the state of a search stage: 0 is `search`, 1 … K are the shrinking stages."""
    return result_path(config, SHRINK_STATE if stage else SEARCH_STATE, dataset=dataset, seed=seed, stage=stage)


def stage_metrics_path(config: dict, dataset: str, seed: int, stage: int) -> Path:
    """Return the path of the metrics of a search stage, numbered as in `state_path`."""
    return result_path(config, SHRINK_METRICS if stage else SEARCH_METRICS, dataset=dataset, seed=seed, stage=stage)


@cached
def project_file(name: str | Path) -> Path:
    """Find a file named in a configuration: in the working directory, or else in the project's folder.

    Raises:
        UserError: It is in neither of them.
    """
    for candidate in (Path(name), PROJECT / name):
        with contextlib.suppress(OSError):  # a name that is too long for the file system
            if candidate.is_file():
                return candidate
    folders = " or ".join(sorted({str(Path.cwd()), str(PROJECT)}))
    raise UserError(f"file {one_line(name, 200)} not found in {folders}; check its name in the configuration")
