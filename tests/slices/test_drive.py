"""A slice of time: the command ends by itself, or is asked to in time."""

import os
import signal
import textwrap
import threading

import pytest

from ssr_mmseg import cli
from ssr_mmseg.errors import UserError
from ssr_mmseg.slices import drive


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a script in the place of Snakemake, in an empty folder; it gets the arguments that Snakemake would."""

    def install(body: str) -> None:
        package = tmp_path / "snakemake"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(textwrap.dedent(body))
        monkeypatch.chdir(tmp_path)

    return install


PATIENT = """
    import pathlib, signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("results/saved.json").write_text("{}"), sys.exit(1)))
    pathlib.Path("results").mkdir(exist_ok=True)
    pathlib.Path("results/begun.json").write_text("{}")
    time.sleep(60)
"""


def test_a_run_that_ends_in_time_gives_its_own_status(fake, capfd):
    fake("import sys; print(sys.argv[1:]); sys.exit(3)")
    assert drive.run_slice(["results/table.csv", "--cores", "2"], minutes=1, share=3) == 3
    expected = ["--rerun-incomplete", "results/table.csv", "--cores", "2", "--resources", "gpu=3"]
    assert str(expected) in capfd.readouterr().out


def test_by_default_a_gpu_trains_one_network_on_all_cores(fake, capfd):
    fake("import sys; print(sys.argv[1:])")
    assert drive.run_slice([], minutes=1) == 0
    assert str(["--rerun-incomplete", "--cores", "all"]) in capfd.readouterr().out


def test_when_time_is_up_it_asks_to_save_and_packs(fake, tmp_path, capfd):
    fake(PATIENT)
    status = drive.run_slice([], minutes=2 / 60, out=tmp_path / "out")
    assert status == drive.RESUMABLE
    assert (tmp_path / "results/saved.json").exists()
    assert (tmp_path / "out/manifest.json").exists()
    assert "packed 2 files" in capfd.readouterr().out


def test_a_signal_to_the_driver_reaches_the_trainings(fake, tmp_path):
    fake(PATIENT)
    handler = signal.getsignal(signal.SIGTERM)
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert drive.run_slice([], minutes=1) == drive.RESUMABLE
    assert (tmp_path / "results/saved.json").exists()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_who_does_not_listen_is_ended(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(drive, "GRACE", 0.5)
    fake("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)")
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert drive.run_slice([], minutes=1.5 / 60) == drive.RESUMABLE
    assert not lock.exists(), "the next slice would be refused"


def test_a_slice_begins_with_what_the_last_one_packed(fake, tmp_path, capfd):
    fake("import pathlib, sys; sys.exit(not pathlib.Path('results/a.json').exists())")
    (tmp_path / "elsewhere/results").mkdir(parents=True)
    (tmp_path / "elsewhere/results/a.json").write_text("{}")
    drive.pack(tmp_path / "elsewhere", tmp_path / "packed", 60)
    assert drive.run_slice([], minutes=1, source=tmp_path / "packed") == 0


def test_the_same_line_begins_and_goes_on(fake, tmp_path, capfd):
    """`--from` and `--out` name one folder; packed files are all there are in the second slice's own folder."""
    fake("import pathlib; r = pathlib.Path('results'); r.mkdir(exist_ok=True); f = r / 'a.json'; print(f.exists()); "
         "f.write_text('{}')")  # fmt: skip
    slot = tmp_path / "slot"
    assert drive.run_slice([], minutes=1, out=slot, source=slot) == 0
    assert "first slice\nFalse\n" in capfd.readouterr().out
    (tmp_path / "results/a.json").unlink()
    assert drive.run_slice([], minutes=1, out=slot, source=slot) == 0
    assert f"unpacked 1 files from {slot}\nTrue\n" in capfd.readouterr().out


def test_a_slice_without_its_manifest_is_not_begun_anew(fake, tmp_path):
    """Parts were copied and the manifest was forgotten: what is in them must not be replaced."""
    fake("print('ran')")
    (tmp_path / "slot").mkdir()
    (tmp_path / "slot/part00-1234").write_bytes(b"work")
    with pytest.raises(UserError, match=r"could not read .*slot/manifest\.json"):
        drive.run_slice([], minutes=1, out=tmp_path / "slot", source=tmp_path / "slot")
    assert (tmp_path / "slot/part00-1234").read_bytes() == b"work"


def test_a_folder_that_cannot_be_is_told_before_anything_runs(fake, tmp_path, capfd):
    fake("print('ran')")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"could not make the folder .*file: File exists; choose another --out"):
        drive.run_slice([], minutes=1, out=tmp_path / "file")
    with pytest.raises(UserError, match=r"could not read .*none/manifest\.json"):
        drive.run_slice([], minutes=1, source=tmp_path / "none")
    assert "ran" not in capfd.readouterr().out


def test_what_was_packed_is_not_replaced_by_nothing(fake, tmp_path):
    fake("import pathlib, sys; sys.exit(not pathlib.Path('results/a.json').exists())")
    (tmp_path / "elsewhere/results").mkdir(parents=True)
    (tmp_path / "elsewhere/results/a.json").write_text("{}")
    drive.pack(tmp_path / "elsewhere", tmp_path / "packed", 60)
    with pytest.raises(UserError, match=r"packed holds what an earlier run packed.*; continue with --from .*packed"):
        drive.run_slice([], minutes=1, out=tmp_path / "packed")
    assert drive.run_slice([], minutes=1, out=tmp_path / "packed", source=tmp_path / "packed") == 0
    assert drive.run_slice([], minutes=1, out=tmp_path / "packed") == 0, "the results are here now"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        *(("--minutes", value, "a number above 0") for value in ("0", "-3", "nan", "inf", "ten")),
        *(("--share", value, "a whole number from 1 on") for value in ("0", "1.5", "-1", "two")),
        ("--megabytes", "0", "a number above 0"),
        ("--moments", "float16", "invalid choice"),
    ],
)
def test_a_mistyped_option_is_refused_with_what_is_expected(option, value, expected, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", "--minutes", "9", f"{option}={value}"])
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert option in last
    assert expected in last


def test_the_command_line_hands_over_what_is_behind_the_dashes(monkeypatch):
    told = {}
    monkeypatch.setattr(
        drive, "run_slice", lambda arguments, **options: told.update(options, arguments=arguments) or 75
    )
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", "--minutes", "9", "--share", "3", "--", "results/table.csv", "--configfile", "a.yaml"])
    assert caught.value.code == 75
    assert told["arguments"] == ["results/table.csv", "--configfile", "a.yaml"]
    assert (told["minutes"], told["share"], told["out"], told["moments"]) == (9, 3, None, "float32")
