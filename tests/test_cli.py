"""The command line: exit status, one-line errors, and the printed JSON."""

import errno
import json
import os
import subprocess
import sys

import pytest
import yaml

from ssr_mmseg.cli import main
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.utils import files

SLOW = ("cv2", "jsonschema", "numpy", "pydantic", "torch")  # to import, which `predict` waits for, too

PAPER = str(PROJECT / "config/genotypes/paper_cityscapes.json")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory with a configuration `own.yaml` in it."""
    monkeypatch.chdir(tmp_path)
    dataset = {"type": "streets", "size": [32, 64], "options": {"train": 4, "val": 1, "test": 1, "seed": 0}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"datasets": {"town": dataset}, "device": "cpu"}))
    return tmp_path


def error_line(capfd, *arguments: str) -> str:
    """Run a command that must exit with status 2 and print one error line; return the line."""
    assert main(arguments) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("ssr-mmseg: ")
    return lines[0]


TOWN = ("--config", "own.yaml", "--dataset", "town")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prepare", "--config", "nowhere.yaml", "--dataset", "town"), "could not read the configuration nowhere.yaml"),
        (
            ("prepare", "--config", "own.yaml", "--dataset", "mars"),
            "dataset mars is not configured; configured are: town",
        ),
        (("search", *TOWN), "results/town/prepare/dataset.json not found: the dataset is not prepared"),
        (
            ("discretize", *TOWN),
            "results/town/seed0/shrink3/state.pth not found; make it with: snakemake --cores all ",
        ),
        (
            ("select", *TOWN, "--network", "random"),
            "results/town/prepare/dataset.json not found: the dataset is not prepared",
        ),
        (
            ("select", *TOWN, "--network", "erfnet"),
            "network erfnet is not one that a selector chooses; the selectors are: darts_pt, evolution,",
        ),
        (
            ("retrain", *TOWN, "--network", "erfnet"),
            "results/town/prepare/dataset.json not found: the dataset is not prepared",
        ),
        (("table", "--config", "own.yaml"), "results/town"),
        (("cost", "--genotype", "none.json", "--classes", "20", "--size", "64x64"), "could not read none.json"),
        (("cost", "--genotype", PAPER, "--classes", "20", "--size", "60x64"), "input size 60x64: expected"),
    ],
)
def test_a_user_error_is_one_line_and_status_two(here, capfd, arguments, message):
    assert message in error_line(capfd, *arguments)


def test_a_message_cannot_control_the_terminal(here, capfd):
    (here / "own.yaml").write_text('datasets: {"\\e[2J\\e]0;title\\a": {type: streets, size: [32, 64]}}')
    assert r"\x1b[2J" in error_line(capfd, "status", "--config", "own.yaml")


def test_unknown_stages_and_networks_and_missing_states_have_their_own_messages(here, capfd):
    assert main(["prepare", *TOWN]) == 0
    capfd.readouterr()
    line = error_line(capfd, "shrink", *TOWN, "--stage", "9")
    assert line == (
        "ssr-mmseg: shrinking stage 9 is not configured: search.shrink_stages is 3; choose another stage or increase it"
    )
    assert "results/town/seed0/search/state.pth not found" in error_line(capfd, "shrink", *TOWN, "--stage", "1")
    assert "unknown network lenet; did you mean erfnet? known are: searched, darts_pt" in error_line(
        capfd, "retrain", *TOWN, "--network", "lenet"
    )
    assert "batch_size is 8 but there are only 2 images" in error_line(capfd, "search", *TOWN)
    assert not (here / "results/town/seed0").exists()


def test_a_missing_gpu_is_one_line(here, capfd, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["prepare", *TOWN]) == 0
    config = yaml.safe_load((here / "own.yaml").read_text())
    (here / "own.yaml").write_text(yaml.safe_dump({**config, "device": "cuda"}))
    capfd.readouterr()
    assert "expected a GPU for device cuda" in error_line(capfd, "search", *TOWN)


def test_a_full_disk_is_one_line_and_leaves_no_partial_file(here, capfd, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert "No space left on device" in error_line(capfd, "prepare", *TOWN)
    assert not (here / "results/town/prepare/dataset.json").exists()


def test_a_file_in_place_of_the_results_folder_is_one_line(here, capfd):
    (here / "results").write_text("a file in the way")
    line = error_line(capfd, "prepare", *TOWN)
    assert "could not write results/" in line
    assert "Not a directory; " in line


def test_a_read_only_disk_is_one_line(here, capfd, monkeypatch):
    mkdir = os.mkdir

    def read_only(path, *arguments):
        if str(path).startswith("results"):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        mkdir(path, *arguments)

    monkeypatch.setattr(files.os, "mkdir", read_only)
    assert "Read-only file system; " in error_line(capfd, "prepare", *TOWN)
    assert not (here / "results").exists()


@pytest.mark.parametrize("text", ["soon", "0s"])
def test_a_malformed_time_budget_is_one_line(here, capfd, text):
    line = error_line(capfd, "search", *TOWN, "--time-budget", text)
    assert line == f"ssr-mmseg: --time-budget: expected a duration such as 90s, 55m, 2h or 1d, found {text!r}"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 9 GiB"),
    ],
)
def test_a_full_memory_is_one_line(here, capfd, monkeypatch, error):
    def fill(*_):
        raise error

    monkeypatch.setattr("ssr_mmseg.stages.describe.network_cost", fill)
    line = error_line(capfd, "cost", "--genotype", PAPER, "--classes", "20", "--size", "64x64")
    assert line.startswith("ssr-mmseg: there is not enough memory: ")


def test_another_error_is_not_hidden(here, monkeypatch):
    def fail(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("ssr_mmseg.stages.describe.network_cost", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["cost", "--genotype", PAPER, "--classes", "20", "--size", "64x64"])


@pytest.mark.parametrize("options", [("--dataset", "town"), ("--network", "a")])
def test_a_pair_is_exported_without_dataset_and_network(here, capfd, options):
    command = ("export", "--config", "own.yaml", "--genotype", PAPER, "--weights", "w.pth", "--out", "o.onnx")
    assert "without --network and --dataset" in error_line(capfd, *command, *options)


@pytest.mark.parametrize(
    ("classes", "message"), [("a,,b", "class 1 is empty"), ("a, a", "class 1 is the name of another class, too")]
)
def test_names_of_classes_are_checked_before_an_export(here, capfd, classes, message):
    command = ("export", "--config", "own.yaml", "--genotype", PAPER, "--weights", "w.pth", "--out", "o.onnx")
    assert message in error_line(capfd, *command, "--classes", classes)


def test_the_size_must_be_written_as_height_x_width(capfd):
    with pytest.raises(SystemExit) as stopped:
        main(["cost", "--genotype", PAPER, "--classes", "20", "--size", "512"])
    assert stopped.value.code == 2
    assert "expected HEIGHTxWIDTH such as 512x1024, found '512'" in capfd.readouterr().err


def test_help_needs_no_torch_and_nothing_else_that_is_slow():
    code = "import sys; from ssr_mmseg.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    result = subprocess.run(
        [sys.executable, "-c", code + f"sys.exit(any(name in sys.modules for name in {SLOW}))"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    for stage in STAGES.values():
        assert stage.command in result.stdout


def test_space_and_cost_print_json(capfd):
    assert main(["cost", "--genotype", PAPER, "--classes", "20", "--size", "512x1024"]) == 0
    printed = yaml.safe_load(capfd.readouterr().out)  # YAML reads JSON
    assert printed["params"] == 1_022_688
    assert main(["space", "--config", str(PROJECT / "config/cityscapes.yaml"), "--dataset", "cityscapes"]) == 0
    printed = yaml.safe_load(capfd.readouterr().out)
    assert printed["log10_width_choices"] == 324.44
    assert printed["cheapest"]["macs"] < printed["most_expensive"]["macs"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("cost", "--genotype", PAPER, "--classes", "20", "--size", "60x64"), 2),
        (("retrain", "--dataset", "streets", "--network", "erfnet"), 2),
        (("cost", "--genotype", PAPER, "--classes", "20", "--size", "64x64"), 0),
    ],
)
def test_a_process_of_its_own_prints_an_error_or_json_and_nothing_else(tmp_path, arguments, status):
    """Neither the warnings of mmcv and mmseg nor what they print while they are imported."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-m", "ssr_mmseg", *arguments]
    call = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert call.returncode == status
    assert len(call.stderr.splitlines()) == (status > 0), call.stderr
    assert call.stdout == "" if status else json.loads(call.stdout)
