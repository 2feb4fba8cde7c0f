"""What the doctor finds, and that each finding says what to do."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ssr_mmseg import settings
from ssr_mmseg.cli import main
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


def test_a_fresh_folder_is_fit_and_stays_as_it_is(here, capsys):
    write_json(here / "own.json", TOWN)
    assert main(["doctor", "--config", "own.json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.split()[1].rstrip(":") for line in lines[:-1]]
    assert {"python", "packages", "cpu", "memory", "device", "data", "disk", "lock", "slurm", "browser"} <= set(
        subjects
    )
    assert "ok    data town: rendered when it is needed" in lines
    assert lines[-1].startswith("0 to fix, ")
    assert [path.name for path in here.iterdir()] == ["own.json"]


def test_a_failure_is_the_exit_status(here, capsys):
    write_json(here / "own.json", {**TOWN, "datasets": {"yard": {**YARD, "source": "nowhere"}}})
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--config", "own.json"])
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "fail  data yard: the source nowhere is not there; put it there or correct the configuration\n" in out
    assert out.splitlines()[-1].startswith("1 to fix, ")


@pytest.mark.parametrize(
    ("versions", "level", "words"),
    [
        ({"torch": None}, "fail", "torch missing; run `make setup`"),
        ({"torch": "1.0"}, "warn", "torch 1.0, not "),
        ({"pytest": None}, "ok", "as in requirements.lock"),
    ],
)
def test_packages_are_compared_with_the_lock(monkeypatch, versions, level, words):
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, PINS.get(name)))
    finding = next(finding for finding in doctor.environment() if finding.subject == "packages")
    assert finding.level == level
    assert finding.words.startswith(words)


PINS = dict(
    line.split("==")
    for line in (doctor.paths.PROJECT / "requirements.lock").read_text().splitlines()
    if not line.startswith("#")
)


def test_another_python_is_worth_a_look(monkeypatch):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.9.1")
    monkeypatch.setattr(doctor.platform, "python_version_tuple", lambda: ("3", "9", "1"))
    assert next(doctor.environment()).words == "3.9.1 is not among the tested ones; use 3.11 or 3.12"


def test_a_device_that_is_asked_for_but_not_there_fails(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (finding,) = [finding for finding in doctor.devices("cuda") if finding.subject == "device"]
    assert finding.level == "fail"
    assert "use device auto or cpu" in finding.words
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    (finding,) = [finding for finding in doctor.devices("auto") if finding.subject == "device"]
    assert finding.level == "warn"


def test_little_memory_is_worth_a_look(monkeypatch):
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: SimpleNamespace(available=1.2e9))
    (finding,) = [finding for finding in doctor.devices("cpu") if finding.subject == "memory"]
    assert (finding.level, finding.words[:15]) == ("warn", "1 GB available,")


def test_prepared_data_are_counted_and_lost_ones_named(here):
    manifest = settings.manifest_path(config(), "town")
    splits = {"train": {"images": 7}, "val": {"images": 2}, "test": None}
    write_json(manifest, {"root": str(here), "splits": splits})
    assert doctor.data(config(), "town") == doctor.Finding("ok", "data town", "prepared: 7 train, 2 val")
    write_json(manifest, {"root": str(here / "gone"), "splits": splits})
    assert doctor.data(config(), "town").words.startswith(f"{here / 'gone'} is gone; put it back, or delete results/")
    for broken in ("[1]", "{}", "{"):
        write_text(manifest, broken)
        assert doctor.data(config(), "town").level == "fail"


@pytest.mark.parametrize(("free", "level"), [(5e8, "fail"), (5e9, "warn"), (5e10, "ok")])
def test_free_space(here, monkeypatch, free, level):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    finding = doctor.disk(here / "results")
    assert finding.level == level
    assert ("free space" in finding.words) == (level != "ok")


def test_results_that_cannot_be_written(here):
    (here / "results").write_text("a file in the way")
    finding = doctor.disk(Path("results"))
    assert (finding.level, finding.words) == (
        "fail",
        "cannot write in results: Not a directory; choose a folder by --directory",
    )


def test_unfinished_trainings_and_leftovers_are_told(here):
    for name, days in (("town-seed0-search-abc", 0), ("town-seed1-search-abc", 30)):
        write_text(here / f"results/work/{name}/state.pth", "")
        old = time.time() - days * doctor.DAY
        os.utime(here / f"results/work/{name}/state.pth", (old, old))
    half = here / "results/town/seed0/search/.state.xyz.pth"
    write_text(half, "half")
    assert [(finding.level, finding.subject) for finding in doctor.unfinished()] == [
        ("ok", "training"),
        ("warn", "training"),
    ]
    os.utime(half, (0, 0))
    *trainings, left = doctor.unfinished()
    assert trainings[0].words == "town-seed0-search-abc resumes when it is run again"
    assert trainings[1].words.startswith(
        "town-seed1-search-abc was left 30 days ago; run it again to resume, or delete "
    )
    assert left.words == "killed processes left results/town/seed0/search/.state.xyz.pth and 0 more; delete them"
    assert holder(here / "results/work/town-seed0-search-abc/lock") == ""


def test_slurm_without_its_plugin_is_worth_a_look(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/sbatch" if name == "sbatch" else None)
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    slurm, browser = doctor.tools()
    assert (slurm.level, browser.level) == ("warn", "ok")
    monkeypatch.setattr(doctor, "_version", lambda name: "2.8")
    assert next(iter(doctor.tools())).level == "ok"
