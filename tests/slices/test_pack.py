"""What is packed, in which order, under which limit, and that it comes back."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ssr_mmseg.errors import UserError
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
    part = tmp_path / "out/part00"
    data = bytearray(part.read_bytes())
    data[1000] ^= 1
    part.write_bytes(data)
    if damage == "remove":
        part.unlink()
    with pytest.raises(UserError, match="part00 is missing or not what was packed; copy the whole folder"):
        unpack(tmp_path / "out", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_folder_without_manifest_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"manifest\.json"):
        unpack(tmp_path, tmp_path / "again")
