"""Importing the package changes nothing of torch's or mmengine's; a command and an experiment restrict theirs."""

import os
import subprocess
import sys

import pytest
import yaml
from malicious import write_all

from ssr_mmseg.settings.paths import PROJECT

# Prints whether each of these is as it was before; the part between is inserted.
PROGRAM = """
import logging, os, sys, warnings
import mmengine, mmseg, torch
from mmengine.fileio.handlers import file_handlers
from mmengine.logging import MMLogger
from mmengine.runner import CheckpointLoader

def facts():
    variables = {name: value for name, value in os.environ.items() if "TORCH" in name}  # OpenCV sets others
    return [variables, dict(CheckpointLoader._schemes), list(CheckpointLoader._schemes), dict(file_handlers),
            torch.load, MMLogger.callHandlers, [*torch.serialization.get_safe_globals()],
            [entry for entry in warnings.filters if "avg_non_ignore" in str(entry)]]

before = facts()
{part}
print(*(old == new for old, new in zip(before, facts())))
"""
ALL = "import ssr_mmseg, ssr_mmseg.experiment.register, ssr_mmseg.experiment.experiment, ssr_mmseg.stages.search"


def run(folder, part: str, *arguments: str, **environment: str) -> str:
    """Run the program in `folder` and return the last line that it prints."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("TORCH_FORCE")}
    call = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{part}", part), *arguments],
        cwd=folder,
        env={**variables, "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        text=True,
    )
    assert call.returncode == 0, call.stderr
    return call.stdout.splitlines()[-1]


@pytest.mark.parametrize("variable", ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "UNRELATED"])
def test_an_import_changes_nothing(tmp_path, variable):
    assert run(tmp_path, ALL, **{variable: "1"}) == " ".join(["True"] * 8)


def test_after_an_import_mmengine_loads_what_it_loads_without(tmp_path):
    """Among its own tools, a checkpoint that needs the full unpickler loads, and so does a pickle."""
    write_all(tmp_path, tmp_path / "marker")
    part = f"{ALL}\nfor name in ('zipped.pth', 'plain.pkl'):\n"
    part += "    CheckpointLoader.load_checkpoint(name) if 'pth' in name else mmengine.load(name)\n"
    part += "    assert os.path.exists('marker'), name\n    os.remove('marker')"
    run(tmp_path, part)


COMMAND = "from ssr_mmseg.cli import main; main(sys.argv[1:])"
LIBRARY = """
from ssr_mmseg import settings
from ssr_mmseg.experiment.experiment import Experiment
try:
    Experiment(settings.read_config(sys.argv[2]), 'town', 0)
except Exception as error:
    assert 'not prepared' in str(error)
"""
REFUSED = """
for load in (CheckpointLoader.load_checkpoint, torch.load, lambda path: torch.load(path, weights_only=False)):
    try:
        load('zipped.pth')
        print('loaded')
    except Exception as error:
        assert 'is not a readable state file' in str(error) or 'Weights only load failed' in str(error), error
assert not {'pkl', 'pickle'} & set(file_handlers)
assert not os.path.exists('marker')
"""


@pytest.mark.parametrize("variable", ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "UNRELATED"])
@pytest.mark.parametrize(
    ("part", "command"),
    [
        (COMMAND, "search --dataset town"),
        (COMMAND, "evaluate --network searched --dataset town"),
        (COMMAND, "export --genotype none.json --weights none.pth --out a.onnx"),
        (COMMAND, "latency-table --dataset town"),
        (LIBRARY, ""),
    ],
    ids=["search", "evaluate", "export", "latency-table", "Experiment"],
)
def test_a_command_and_an_experiment_restrict_their_process(tmp_path, part, command, variable):
    write_all(tmp_path, tmp_path / "marker")
    town = {"type": "streets", "size": [32, 64], "options": {"train": 4, "val": 1, "test": 1, "seed": 0}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": {"town": town}, "device": "cpu"}))
    name, *options = command.split() or [""]
    arguments = [name, "own.yaml"] if not name else [name, "--config", "own.yaml", *options]
    result = run(tmp_path, part + REFUSED, *arguments, **{variable: "1"})
    assert result.startswith("False False"), "the environment and mmengine's loaders have changed"
