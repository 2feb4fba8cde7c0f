"""The workflow in a folder with files of strangers: Python modules, and links among the results."""

import subprocess
import sys

import pytest
from patience import PATIENCE

MODULES = ("argparse", "cv2", "json", "numpy", "torch", "yaml", "sitecustomize")  # a job imports at least one
TARGET = ("results/town/prepare/dataset.json", "--configfile", "config/two.yaml")


def snakemake(checkout, *arguments):
    """Run Snakemake as its program does, which does not import from the working folder."""
    command = [sys.executable, "-P", "-m", "snakemake", "--cores", "2", "--nocolor", *arguments]
    return subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, timeout=PATIENCE)


def test_no_module_in_the_working_folder_is_imported(checkout):
    for name in MODULES:
        (checkout.folder / f"{name}.py").write_text("open('harm', 'w').close()\n")
    (checkout.folder / ".snakemake/ssr_mmseg").mkdir(parents=True, exist_ok=True)
    for record in (checkout.folder / ".snakemake/ssr_mmseg").glob("*.json"):
        record.unlink()  # the mmengine configs are checked once more, by a process of its own
    call = snakemake(checkout, *TARGET)
    assert call.returncode == 0, call.stdout + call.stderr
    assert (checkout.folder / TARGET[0]).exists()
    assert not (checkout.folder / "harm").exists()


@pytest.mark.parametrize("name", ["town", "logs", "logs/prepare"])
def test_no_job_starts_whose_files_are_links_that_lead_elsewhere(checkout, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = checkout.folder / "results" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    call = snakemake(checkout, *TARGET)
    assert call.returncode != 0
    assert call.stderr.splitlines()[-1].startswith(f"ssr-mmseg: results/{name} is a link to {outside}, ")
    assert "Traceback" not in call.stderr
    assert not list(outside.iterdir())
    link.unlink()
    assert snakemake(checkout, *TARGET).returncode == 0, "no lock is left"
