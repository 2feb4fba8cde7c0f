"""What is packed, in which order, under which limit, and that it comes back."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ssr_mmseg.errors import UserError
from ssr_mmseg.files import sha256, write_json
from ssr_mmseg.slices import pack as module
from ssr_mmseg.slices.choice import candidates
from ssr_mmseg.slices.pack import pack, rounded, unpack
from ssr_mmseg.training.state import load_state, save_state

SEED = "results/camvid/seed0"


def training_state(elements: int) -> dict:
    parameter = torch.nn.Parameter(torch.randn(elements))
    optimizer = torch.optim.Adam([parameter])
    parameter.grad = torch.randn(elements)
    optimizer.step()
    return {"model": {"w": parameter.detach()}, "optimizers": optimizer.state_dict(), "iteration": 7}


@pytest.fixture
def root(tmp_path) -> Path:
    """An experiment in which one search is in its second shrinking stage and one training is under way."""
    folder = tmp_path / "root"
    torch.manual_seed(0)
    for name, elements in (
        (f"{SEED}/search/state.pth", 90_000),
        (f"{SEED}/shrink1/state.pth", 40_000),
        ("results/work/camvid-seed0-shrink2-abc/state.pth", 20_000),
        ("results/work/camvid-seed0-retrain-erfnet-def/state.pth", 50_000),
        (f"{SEED}/retrain/fast_scnn/weights.pth", 10_000),
    ):
        save_state(folder / name, training_state(elements))
    for name in ("previous.pth", "next.pth"):
        save_state(folder / "results/work/camvid-seed0-shrink2-abc" / name, training_state(20_000))
    (folder / "results/work/camvid-seed0-shrink2-abc/lock").write_text("process 1 on here")
    (folder / f"{SEED}/shrink1/metrics.json").write_text("{}")
    (folder / "results/camvid/prepare/data/train").mkdir(parents=True)
    (folder / "results/camvid/prepare/data/train/a.png").write_bytes(b"image")
    (folder / "results/camvid/prepare/dataset.json").write_text("{}")
    (folder / f"{SEED}/evaluate/erfnet/predictions").mkdir(parents=True)
    (folder / f"{SEED}/evaluate/erfnet/predictions/val_a.png").write_bytes(np.random.default_rng(0).bytes(10_000))
    (folder / ".snakemake/metadata").mkdir(parents=True)
    (folder / ".snakemake/metadata/x").write_text("{}")
    (folder / ".snakemake/locks").mkdir()
    (folder / ".snakemake/locks/0").write_text("")
    return folder


def test_records_come_first_and_what_is_no_longer_needed_stays(root):
    names = [name.as_posix() for name in candidates(root)]
    assert set(names[:3]) == {
        ".snakemake/metadata/x",
        f"{SEED}/shrink1/metrics.json",
        "results/camvid/prepare/dataset.json",
    }
    assert names[3:] == [
        f"{SEED}/shrink1/state.pth",
        f"{SEED}/retrain/fast_scnn/weights.pth",
        "results/work/camvid-seed0-shrink2-abc/state.pth",
        "results/work/camvid-seed0-retrain-erfnet-def/state.pth",
        f"{SEED}/evaluate/erfnet/predictions/val_a.png",
    ]


def test_an_older_state_goes_along_where_there_is_no_newest(root):
    """A process was killed between two renamings."""
    folder = root / "results/work/camvid-seed0-shrink2-abc"
    (folder / "state.pth").unlink()
    assert folder.relative_to(root) / "previous.pth" in candidates(root)


def test_everything_comes_back_to_the_bit_with_its_time(root, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PART_BYTES", 200_000)
    manifest = pack(root, tmp_path / "out", megabytes=60)
    assert len(manifest["parts"]) > 3
    assert all(part["bytes"] <= 200_000 for part in manifest["parts"])
    assert manifest["left_out"] == []
    assert json.loads((tmp_path / "out/manifest.json").read_text()) == manifest
    again = tmp_path / "again"
    assert unpack(tmp_path / "out", again) == manifest["files"] == len(candidates(root))
    for name in candidates(root):
        assert (again / name).read_bytes() == (root / name).read_bytes()
        assert (again / name).stat().st_mtime == pytest.approx((root / name).stat().st_mtime, abs=1)
    assert not (again / ".snakemake/locks").exists()


def test_what_does_not_fit_is_named(root, tmp_path):
    limit = 1.2  # MiB: not the training that is the largest
    manifest = pack(root, tmp_path / "out", megabytes=limit)
    assert [entry["file"] for entry in manifest["left_out"]] == [
        "results/work/camvid-seed0-retrain-erfnet-def/state.pth"
    ]
    assert sum(part["bytes"] for part in manifest["parts"]) < limit * 2**20 + 20_480  # and tar's end
    unpack(tmp_path / "out", tmp_path / "again")
    assert not (tmp_path / "again" / manifest["left_out"][0]["file"]).exists()


def test_a_second_pack_replaces_the_first(root, tmp_path):
    pack(root, tmp_path / "out", megabytes=60)
    shutil.rmtree(root / "results/work")
    (tmp_path / "out/part07-0123abcd").touch()  # of a process that was killed while it packed
    manifest = pack(root, tmp_path / "out", megabytes=60)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"manifest.json", *(part["name"] for part in manifest["parts"])}


def test_rounded_moments_take_a_third_off_and_optimizers_take_them(root, tmp_path):
    exact, small = (pack(root, tmp_path / name, 60, name) for name in ("float32", "bfloat16"))
    states = "results/work/camvid-seed0-retrain-erfnet-def/state.pth"
    sizes = [sum(part["bytes"] for part in manifest["parts"]) for manifest in (exact, small)]
    assert sizes[1] < 0.75 * sizes[0]
    unpack(tmp_path / "bfloat16", tmp_path / "again")
    before, after = load_state(root / states), load_state(tmp_path / "again" / states)
    assert torch.equal(before["model"]["w"], after["model"]["w"])
    parameter = torch.nn.Parameter(before["model"]["w"].clone())
    optimizer = torch.optim.Adam([parameter])
    optimizer.load_state_dict(after["optimizers"])
    for name in ("exp_avg", "exp_avg_sq"):
        found = optimizer.state_dict()["state"][0][name]
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, before["optimizers"]["state"][0][name], rtol=2**-8, atol=0)


def test_both_optimizers_of_a_search_are_rounded():
    inner = training_state(5)["optimizers"]
    state = rounded({"optimizers": {"weights": inner, "architecture": training_state(3)["optimizers"]}})
    moments = [part["state"][0]["exp_avg"].dtype for part in state["optimizers"].values()]
    assert moments == [torch.bfloat16] * 2


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_damaged_part_is_one_line(root, tmp_path, damage):
    pack(root, tmp_path / "out", 60)
    part = next((tmp_path / "out").glob("part00-*"))
    data = bytearray(part.read_bytes())
    data[1000] ^= 1
    part.write_bytes(data)
    if damage == "remove":
        part.unlink()
    with pytest.raises(UserError, match=r"part00-\w+ is missing or not what was packed; copy the whole folder"):
        unpack(tmp_path / "out", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_folder_without_manifest_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"manifest\.json"):
        unpack(tmp_path, tmp_path / "again")


KILLED = """
import sys
from pathlib import Path
from ssr_mmseg.slices import pack
pack.PART_BYTES = 50_000
write, count = pack._Parts._flush_part, 0
def flush(self):
    global count
    write(self)
    count += 1
    if count == 3:
        Path("begun").touch()
        sys.stdin.read()
pack._Parts._flush_part = flush
pack.pack(Path(sys.argv[1]), Path(sys.argv[2]), 60)
"""


def test_a_process_killed_while_it_packs_leaves_what_was_packed_before(root, tmp_path):
    pack(root, tmp_path / "out", 60)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (root / f"{SEED}/shrink1/metrics.json").write_text('{"newer": 1}')
    command = [sys.executable, "-c", KILLED, str(root), str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert len(list((tmp_path / "out").iterdir())) == len(before) + 3
    assert all(path.read_bytes() == data for path, data in before.items())
    unpack(tmp_path / "out", tmp_path / "again")
    assert (tmp_path / f"again/{SEED}/shrink1/metrics.json").read_text() == "{}"
    pack(root, tmp_path / "out", 60)
    unpack(tmp_path / "out", tmp_path / "newer")
    assert (tmp_path / f"newer/{SEED}/shrink1/metrics.json").read_text() == '{"newer": 1}'


def test_what_is_newer_than_what_was_packed_stays(root, tmp_path):
    """The same command again, after its slice was killed: what the trainings saved meanwhile counts."""
    manifest = pack(root, tmp_path / "out", 60)
    newer, older = root / f"{SEED}/shrink1/metrics.json", root / "results/camvid/prepare/dataset.json"
    newer.write_text('{"newer": 1}')
    os.utime(newer, (time.time() + 60, time.time() + 60))
    older.write_text('{"older": 1}')
    os.utime(older, (1, 1))
    assert unpack(tmp_path / "out", root) == manifest["files"] - 1
    assert (newer.read_text(), older.read_text()) == ('{"newer": 1}', "{}")


def foreign(folder: Path, name: str, **options) -> None:
    """A folder as `pack` writes it, with a record and one member that is of another kind."""
    folder.mkdir()
    with tarfile.open(folder / "part00-00000000", "w") as archive:
        for entry, kind in (("results/a.json", {}), (name, options)):
            info = tarfile.TarInfo(entry)
            for key, value in kind.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO())
    part = folder / "part00-00000000"
    parts = [{"name": part.name, "bytes": part.stat().st_size, "sha256": sha256(part)}]
    write_json(folder / "manifest.json", {"files": 2, "moments": "float32", "parts": parts, "left_out": []})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("/etc/passwd", {}),
        ("results/../Snakefile", {}),
        ("Snakefile", {}),
        ("results/link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("results/pipe", {"type": tarfile.FIFOTYPE}),
    ],
)
def test_what_is_no_file_of_an_experiment_is_refused_before_anything_is_written(tmp_path, name, options):
    foreign(tmp_path / "out", name, **options)
    with pytest.raises(UserError, match="is no file of an experiment; copy the whole folder"):
        unpack(tmp_path / "out", tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {"files": 1},
        {"files": 1, "parts": [{"name": "../part00-00000000", "sha256": "0" * 64}]},
        {"files": 1, "parts": [{"name": "part00-00000000", "sha256": 1}]},
    ],
)
def test_a_foreign_manifest_is_one_line(tmp_path, manifest):
    write_json(tmp_path / "manifest.json", manifest)
    with pytest.raises(UserError, match=r"manifest\.json is not as expected: .*copy the whole folder"):
        unpack(tmp_path, tmp_path / "again")


def test_parts_that_are_no_archive_are_one_line(tmp_path):
    foreign(tmp_path / "out", "results/b.json")
    part = tmp_path / "out/part00-00000000"
    part.write_bytes(b"x" * 2000)
    parts = [{"name": part.name, "sha256": sha256(part)}]
    write_json(tmp_path / "out/manifest.json", {"files": 2, "parts": parts})
    with pytest.raises(UserError, match="are no archive"):
        unpack(tmp_path / "out", tmp_path / "again")
