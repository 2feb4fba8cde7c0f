"""The search dimension of docs/extending.md, added to a copy of the project by the page's patch."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from extending_page import PATCH
from patience import PATIENCE

from ssr_mmseg.settings.paths import PROJECT

DEFINITION = (
    "tests/models/test_supernet.py",
    "tests/costs/test_macs_formulas.py",
    "tests/architecture/test_genotype.py",
    "tests/architecture/test_gates.py",
)
ENUMERATION = "sum_over_all_networks"  # a test that enumerates the options of the other dimensions
SEARCH = """
from pathlib import Path
from tiny_experiment import DATASET, experiment
from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import DIMENSIONS
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.gap import stage_records
from ssr_mmseg.stages.search import search
from ssr_mmseg.utils.files import read_json

config = experiment(dimensions=list(DIMENSIONS))
prepare(settings.for_dataset(config, DATASET)["dataset"], Path(paths.MANIFEST.format(dataset=DATASET)).parent)
for stage in (0, 1):
    search(config, DATASET, 0, stage)
discretize(config, DATASET, 0)
genotype = Genotype.read(paths.GENOTYPE.format(dataset=DATASET, seed=0))
assert {block.reads for stage in genotype.stages for block in stage.blocks} <= {10, 20, 12, 24}
metrics = read_json(paths.stage_metrics_path({}, DATASET, 0, 1))
assert metrics["dimensions_alive"]["reads"] == metrics["options_alive"]["reads"] > 0
assert len(metrics["history"][0]["probabilities"]["reads"]) == 4, "one group per block"
assert metrics["history"][0]["loss_reads"] <= 0
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with the new dimension."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("ssr_mmseg", "config", "tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    applied = subprocess.run(["git", "apply"], input=PATCH, cwd=folder, capture_output=True, text=True)
    assert applied.returncode == 0, applied.stderr
    return folder


def run(project: Path, folder: Path, *arguments: str) -> None:
    """Run Python on the copy of the project."""
    path = os.pathsep.join(map(str, (project, project / "tests/support")))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    call = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert call.returncode == 0, call.stdout[-3000:] + call.stderr[-3000:]


def test_the_new_dimension_agrees_with_its_definition(project):
    """The one-hot supernet is the derived network, its expected cost is the counted one, and so on."""
    run(project, project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"not {ENUMERATION}", *DEFINITION)


def test_a_search_decides_the_new_dimension(project, tmp_path):
    run(project, tmp_path, "-c", SEARCH)
