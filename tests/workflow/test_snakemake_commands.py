"""Commands of Snakemake that compute nothing, without `--cores` and also before there are results."""

import subprocess
import sys
import zipfile

import pytest
from patience import PATIENCE

TWO = ("--configfile", "config/two.yaml")
COMMANDS = [
    "--unlock",
    "--dag",
    "--rulegraph",
    "--filegraph",
    "--summary",
    "--detailed-summary",
    "--list-rules",
    "--lint",
]


def snakemake(checkout, *arguments, folder="."):
    command = [sys.executable, "-m", "snakemake", "--nocolor", *arguments]
    return subprocess.run(command, cwd=checkout.folder / folder, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize("state", ["checkout", "finished"])
def test_a_command_needs_no_number_of_cores(arguments, state, request):
    call = snakemake(request.getfixturevalue(state), arguments, *TWO)
    assert call.returncode == 0, call.stdout + call.stderr
    assert "Traceback" not in call.stderr


def test_a_report_is_one_archive(copied, tmp_path):
    call = snakemake(copied, "--report", str(tmp_path / "report.zip"), *TWO)
    assert call.returncode == 0, call.stdout + call.stderr
    assert any(name.endswith("report.html") for name in zipfile.ZipFile(tmp_path / "report.zip").namelist())


def test_a_report_before_there_are_results_names_the_missing_file(checkout, tmp_path):
    call = snakemake(checkout, "--report", str(tmp_path / "report.zip"), *TWO)
    assert call.returncode != 0
    assert "results/table.csv marked for report but does not exist" in call.stderr
    assert not (tmp_path / "report.zip").exists()


def test_the_folder_of_the_rules_is_not_planned_in(checkout):
    call = snakemake(checkout, "--dry-run", folder="workflow")
    assert call.returncode != 0
    assert call.stderr.splitlines()[-1].startswith("ssr-mmseg: this is the folder of the rules; run snakemake in ")
    assert not (checkout.folder / "workflow/results").exists()
