"""Checks of the command `doctor`, whose findings say how to fix each problem."""

import os
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.settings import paths
from ssr_mmseg.stages import doctor
from ssr_mmseg.training.checkpoint.work_lock import holder
from ssr_mmseg.utils.files import write_json, write_text

TOWN = {"datasets": {"town": {"type": "streets", "size": [32, 64]}}, "device": "cpu"}
YARD = {"type": "folder", "size": [32, 64], "classes": ["ground", "plant"]}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(**dataset) -> dict:
    return settings.complete({**TOWN, "datasets": {"town": {**TOWN["datasets"]["town"], **dataset}}})


def test_a_fresh_folder_passes_and_is_not_changed(here, capsys):
    write_json(here / "own.json", TOWN)
    assert main(["doctor", "--config", "own.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.split()[1].rstrip(":") for line in lines[:-1]]
    assert {
        "python",
        "packages",
        "cpu",
        "memory",
        "device",
        "data",
        "disk",
        "config",
        "lock",
        "slurm",
        "browser",
    } <= set(subjects)
    assert "ok    data town: will be rendered when needed" in lines
    assert lines[-1].startswith("failures: 0, ")
    assert [path.name for path in here.iterdir()] == ["own.json"]


def test_a_failure_sets_the_exit_status(here, capsys):
    write_json(here / "own.json", {**TOWN, "datasets": {"yard": {**YARD, "source": "nowhere"}}})
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--config", "own.json"])
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "fail  data yard: source nowhere not found; put it there or correct the configuration\n" in out
    assert out.splitlines()[-1].startswith("failures: 1, ")


def test_mistakes_in_all_mmengine_configs_are_failures(here):
    shutil.copytree(paths.PROJECT / "config/mmseg", here / "config/mmseg")
    for name, line in (("supernet", "custom_hooks = [dict(type='HistoryHok')]"), ("ssrnet", "val_evaluator = 1")):
        with open(here / f"config/mmseg/{name}_streets.py", "a") as file:
            file.write(f"\n{line}\n")
    findings = [(finding.level, finding.message) for finding in doctor.check_configs(config())]
    assert findings == [
        (
            "fail",
            "config/mmseg/supernet_streets.py: custom_hooks[0].type: unknown hook HistoryHok; "
            "did you mean HistoryHook?",
        ),
        ("fail", "config/mmseg/ssrnet_streets.py: val_evaluator: expected a dict, found 1"),
    ]


@pytest.mark.parametrize(
    ("versions", "level", "start"),
    [
        ({"torch": None}, "fail", "not installed: torch; run `make setup`"),
        ({"torch": "1.0"}, "warn", "torch 1.0 instead of "),
        ({"pytest": None}, "ok", "as in requirements.lock"),
    ],
)
def test_packages_are_compared_with_the_lock(monkeypatch, versions, level, start):
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, PINS.get(name)))
    finding = next(finding for finding in doctor.check_environment() if finding.subject == "packages")
    assert finding.level == level
    assert finding.message.startswith(start)


PINS = dict(
    re.findall(
        r"^([\w.-]+)==([^\s;]+)", (doctor.paths.PROJECT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE
    )
)


def test_an_untested_python_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.9.1")
    monkeypatch.setattr(doctor.platform, "python_version_tuple", lambda: ("3", "9", "1"))
    assert next(doctor.check_environment()).message == "3.9.1 has not been tested; use 3.11 or 3.12 or 3.13"


def test_a_configured_gpu_that_is_missing_is_a_failure(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (finding,) = [finding for finding in doctor.check_devices("cuda") if finding.subject == "device"]
    assert finding.level == "fail"
    assert "use device auto or cpu" in finding.message
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    (finding,) = [finding for finding in doctor.check_devices("auto") if finding.subject == "device"]
    assert finding.level == "warn"


def test_little_memory_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: SimpleNamespace(available=1.2e9))
    (finding,) = [finding for finding in doctor.check_devices("cpu") if finding.subject == "memory"]
    assert (finding.level, finding.message[:15]) == ("warn", "1 GB available,")


def test_prepared_images_are_counted_and_a_missing_folder_is_named(here):
    manifest = settings.manifest_path(config(), "town")
    splits = {"train": {"images": 7}, "val": {"images": 2}, "test": None}
    write_json(manifest, {"root": str(here), "splits": splits})
    assert doctor.check_dataset(config(), "town") == doctor.Finding("ok", "data town", "prepared: 7 train, 2 val")
    write_json(manifest, {"root": str(here / "gone"), "splits": splits})
    assert doctor.check_dataset(config(), "town").message.startswith(
        f"{here / 'gone'} no longer exists; restore it, or delete results/"
    )
    for broken in ("[1]", "{}", "{"):
        write_text(manifest, broken)
        assert doctor.check_dataset(config(), "town").level == "fail"


@pytest.mark.parametrize(("free", "level"), [(5e8, "fail"), (5e9, "warn"), (5e10, "ok")])
def test_free_space(here, monkeypatch, free, level):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    finding = doctor.check_disk(here / "results")
    assert finding.level == level
    assert ("free up space" in finding.message) == (level != "ok")


def test_results_that_cannot_be_written_are_a_failure(here):
    (here / "results").write_text("a file in the way")
    finding = doctor.check_disk(Path("results"))
    assert (finding.level, finding.message) == (
        "fail",
        "cannot write to results: Not a directory; choose another folder with --directory",
    )


def test_unfinished_trainings_and_temporary_files_are_reported(here):
    for name, days in (("town-seed0-search-abc", 0), ("town-seed1-search-abc", 30)):
        write_text(here / f"results/work/{name}/state.pth", "")
        old = time.time() - days * doctor.DAY
        os.utime(here / f"results/work/{name}/state.pth", (old, old))
    write_text(here / "results/work/town-seed2-search-abc/finished", "")
    half = here / "results/town/seed0/search/.state.xyz.pth"
    write_text(half, "half")
    assert [(finding.level, finding.subject) for finding in doctor.check_unfinished_work({})] == [
        ("ok", "training"),
        ("warn", "training"),
    ]
    os.utime(half, (0, 0))
    *trainings, left = doctor.check_unfinished_work({})
    assert trainings[0].message == "town-seed0-search-abc will resume when it is run again"
    assert trainings[1].message.startswith(
        "town-seed1-search-abc was interrupted 30 days ago; run it again to resume, or delete "
    )
    assert left.message == (
        "temporary files left by killed processes: results/town/seed0/search/.state.xyz.pth; delete them"
    )
    assert holder(here / "results/work/town-seed0-search-abc/lock") == ""


def test_slurm_without_its_plugin_is_a_warning(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/sbatch" if name == "sbatch" else None)
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    slurm, browser = doctor.check_optional_tools()
    assert (slurm.level, browser.level) == ("warn", "ok")
    monkeypatch.setattr(doctor, "_version", lambda name: "2.8")
    assert next(iter(doctor.check_optional_tools())).level == "ok"
