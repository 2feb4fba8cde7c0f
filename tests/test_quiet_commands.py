"""The terminal and the JSON of every command, each run as a process of its own, without the noise of third parties."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny_experiment import DATASET, EXPERIMENT

from ssr_mmseg.cli import parser
from ssr_mmseg.settings.paths import PROJECT

NOISE = (
    *("Could not import OneDL", "mmcv-lite", "avg_non_ignore", "Hooks will be executed", "after_train_iter:"),
    *("SyncBatchNorm", "The prefix is not set", "System environment", "Warning", "RuntimeInfoHook"),
)
NETWORK = "paper_cityscapes"
PAPER = str(PROJECT / f"config/genotypes/{NETWORK}.json")
CONFIG = ("--config", "own.yaml")
TOWN = (*CONFIG, "--dataset", DATASET)
EXPORTED = f"results/{DATASET}/seed0/evaluate/{NETWORK}/model.onnx"
DATA, CLASSES = f"results/{DATASET}/prepare/data", ",".join("abcdefghijk")
COMMANDS = {  # in order, because each needs the results of those before
    "help": ("--help",),
    "status": ("status", *CONFIG),
    "doctor": ("doctor", *CONFIG),
    "prepare": ("prepare", *TOWN),
    "space": ("space", *TOWN),
    "cost": ("cost", "--genotype", PAPER, "--classes", "20", "--size", "64x64"),
    "forecast --json": ("forecast", *TOWN, "--steps", "1", "--json"),
    "inspect --json": ("inspect", DATA, "--classes", CLASSES, "--json"),
    "import": ("import", DATA, "--classes", CLASSES, "--out", "copied"),
    "search": ("search", *TOWN),
    "retrain": ("retrain", *TOWN, "--network", NETWORK),
    "evaluate": ("evaluate", *TOWN, "--network", NETWORK),
    "evaluate --json": ("evaluate", *TOWN, "--onnx", EXPORTED, "--json"),
    "profile": ("profile", *TOWN, "--network", NETWORK),
}
PRINTS_JSON = ("space", "cost", "evaluate --json", "forecast --json", "inspect --json")


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    return subprocess.run(
        [sys.executable, "-m", "ssr_mmseg", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": os.pathsep.join([str(PROJECT), str(folder)])},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> tuple[Path, dict[str, subprocess.CompletedProcess]]:
    """A folder in which all commands have run, and the results of their processes."""
    folder = tmp_path_factory.mktemp("quiet")
    brief = {"networks": [NETWORK], "profile": {"sizes": [], "runs": 5, "seconds": 0.01}}
    (folder / "own.yaml").write_text(yaml.safe_dump(EXPERIMENT | brief))
    return folder, {name: call(folder, *arguments) for name, arguments in COMMANDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_shows_nothing_of_third_parties(calls, name):
    result = calls[1][name]
    assert result.returncode in ((0, 1) if name in ("doctor", "inspect --json") else (0,)), result.stderr
    assert not result.stderr
    assert not [noise for noise in NOISE if noise in result.stdout]


@pytest.mark.parametrize("name", PRINTS_JSON)
def test_the_standard_output_is_json_only(calls, name):
    assert json.loads(calls[1][name].stdout)


def test_every_command_with_json_is_among_those():
    (groups,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    with_json = [name for name, command in groups.choices.items() if "--json" in command.format_help()]
    assert {f"{name} --json" for name in with_json} <= set(PRINTS_JSON)
    in_words = {name for name, command in groups.choices.items() if "as JSON" in (command.description or "")}
    assert in_words <= set(PRINTS_JSON)


def test_a_training_prints_its_progress_and_its_log_file_keeps_everything(calls):
    folder, results = calls
    assert "iteration 4 of 4, epoch 2 of 2" in results["search"].stdout
    (log,) = (folder / f"results/{DATASET}/seed0/search/log").rglob("2*.log")
    text = log.read_text()
    assert "Hooks will be executed" in text
    assert "System environment" in text


LOUD = """
import sys, warnings
from mmengine.logging import MMLogger
warnings.warn_explicit("an unlisted warning", UserWarning, "mmseg/models/losses.py", 1, module="mmseg.models.losses")
MMLogger.get_current_instance().warning("an unlisted record")
print("an unlisted line")
"""


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_is_not_listed_gets_through_but_not_into_json(calls, options):
    folder, _ = calls
    (folder / "loud.py").write_text(LOUD)
    base = str(PROJECT / "config/mmseg/supernet_streets.py")
    (folder / "schedule.py").write_text(f"_base_ = [{base!r}]\ncustom_imports = dict(imports=['loud'])\n")
    search = EXPERIMENT["search"] | {"config": "schedule.py"}
    (folder / "loud.yaml").write_text(yaml.safe_dump(EXPERIMENT | {"search": search}))
    result = call(folder, "forecast", "--config", "loud.yaml", "--dataset", DATASET, "--steps", "1", *options)
    assert result.returncode == 0, result.stderr
    for text in ("an unlisted warning", "an unlisted record", "an unlisted line"):
        assert text in result.stderr
    assert json.loads(result.stdout) if options else result.stdout.startswith("stage ")
