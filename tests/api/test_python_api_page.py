"""docs/python_api.md and its notebook: their code runs in order, on tiny results."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE
from tiny_experiment import DATASET

import ssr_mmseg
from ssr_mmseg.settings.paths import PROJECT

PAGE = (PROJECT / "docs/python_api.md").read_text(encoding="utf-8")
NOTEBOOK = json.loads((PROJECT / "docs/python_api.ipynb").read_text(encoding="utf-8"))
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


@pytest.fixture
def streets(results, tmp_path) -> Path:
    """A folder in which the tiny results are those of the default experiment."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/streets").symlink_to(results.folder / "results" / DATASET)
    (tmp_path / "results" / DATASET).symlink_to(results.folder / "results" / DATASET)  # the data of its config.py
    return tmp_path


def run(folder: Path, parts: list[str]) -> list[str]:
    """Run parts of a program in one namespace and return the lines that it prints."""
    (folder / "program.py").write_text("\n".join(parts))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_the_examples_of_the_page_run(streets):
    printed = run(streets, [*BLOCKS, "print(labels.shape)"])
    assert any("'Sky'" in line and "(32, 64)" in line for line in printed)
    losses = ast.literal_eval(printed[-2])
    assert {"loss_weights", "loss_architecture", "loss_cost"} <= set(losses)


def test_the_notebook_runs_and_holds_no_outputs(streets):
    assert all(
        not cell["outputs"] and cell["execution_count"] is None for cell in NOTEBOOK["cells"] if "outputs" in cell
    )
    setting = 'RESULT = "results/streets/seed0/retrain/searched"'
    assert CELLS[0].startswith(setting)
    cells = [f"RESULT = {f'results/{DATASET}/seed0/retrain/erfnet'!r}", *CELLS[1:]]
    printed = "\n".join(run(streets, cells))
    assert re.search(r"<TrainedNetwork .*erfnet: 11 classes at 32x64>", printed)
    assert re.search(r"\(128, 256\) \d+% of the pixels are right", printed)
    assert re.search(r"[\d.]+ ms, \d+ images/s on ", printed)


def test_the_page_names_the_whole_interface():
    for name in ssr_mmseg.__all__:
        assert f"`{name}`" in PAGE or f"ssr_mmseg.{name}" in PAGE, name
