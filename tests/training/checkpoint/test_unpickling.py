"""Checkpoints that would run code, offered to every function that loads checkpoints while the protection is on."""

import contextlib

import mmengine
import pytest
import torch
from malicious import write_all
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmengine.runner.checkpoint import _load_checkpoint_with_prefix

from ssr_mmseg.settings import paths
from ssr_mmseg.training.checkpoint import mmengine_loader
from ssr_mmseg.utils.errors import UserError

KINDS = ["legacy.pth", "plain.pkl", "plain.pth", "reaching.pth", "zipped.pth"]


@pytest.fixture
def malicious(tmp_path, protected):
    """Folder of malicious files; the test fails if the code of one of them runs."""
    marker = tmp_path / "marker"
    (tmp_path / "files").mkdir()
    assert [path.name for path in write_all(tmp_path / "files", marker)] == KINDS
    yield tmp_path / "files"
    assert not marker.exists()


def test_the_files_would_run_code(tmp_path, monkeypatch):
    """Control for the other tests: each file does run its code when it is fully unpickled."""
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)
    for path in write_all(tmp_path, tmp_path / "marker"):
        if path.name == "reaching.pth":
            with torch.serialization.safe_globals([getattr]):
                assert "__init__" in repr(torch.load(path, weights_only=True)["model"])
            continue
        with contextlib.suppress(RuntimeError):  # torch checks the loaded value only afterwards
            torch.load(path, weights_only=False)
        (tmp_path / "marker").unlink()


@pytest.mark.parametrize("kind", KINDS)
def test_every_loader_of_mmengine_reads_data_only(malicious, kind):
    path = str(malicious / kind)
    model = BaseModule(init_cfg={"type": "Pretrained", "checkpoint": path})
    ways = [
        lambda: CheckpointLoader.load_checkpoint(path),
        lambda: load_checkpoint(torch.nn.Linear(1, 1), path),
        lambda: _load_checkpoint_with_prefix("backbone", path),
        model.init_weights,
    ]
    for way in ways:
        with pytest.raises(UserError, match="is not a readable state file"):
            way()


@pytest.mark.parametrize("kind", KINDS)
def test_torch_reads_data_only_even_with_weights_only_false(malicious, kind):
    with pytest.raises(Exception, match=r"Weights only load failed|invalid load key|Unsupported"):
        torch.load(malicious / kind, weights_only=False)


@pytest.mark.parametrize("kind", ["plain.pkl", "plain.pickle"])
def test_mmengine_reads_no_pickles(malicious, kind):
    (malicious / "plain.pickle").write_bytes((malicious / "plain.pkl").read_bytes())
    with pytest.raises(TypeError, match="Unsupported format"):
        mmengine.load(malicious / kind)


@pytest.mark.parametrize(
    "address",
    [
        *("http://example.org/a.pth", "https://example.org/a.pth", "open-mmlab://resnet50", "openmmlab://resnet50"),
        *("torchvision://resnet18", "modelzoo://resnet18", "mmcls://resnet50", "s3://a", "x:petrel://a", "pavi://a"),
    ],
)
def test_a_remote_checkpoint_is_refused_without_a_connection(address, monkeypatch, protected):
    monkeypatch.setattr("socket.socket", lambda *_: pytest.fail("a connection was opened"))
    with pytest.raises(UserError, match="is not a file; download it, compare its SHA-256, and give its path"):
        CheckpointLoader.load_checkpoint(address)


def test_valid_checkpoints_load(tmp_path, protected):
    source, target = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    torch.save({"state_dict": source.state_dict(), "meta": {"epoch": 3}}, tmp_path / "own.pth")
    assert load_checkpoint(target, str(tmp_path / "own.pth"))["meta"] == {"epoch": 3}
    assert torch.equal(source.weight, target.weight)
    assert mmengine_loader.load_from_file(str(tmp_path / "own.pth"))["meta"] == {"epoch": 3}


def test_an_environment_variable_does_not_allow_unpickling(malicious, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    mmengine_loader.forbid_unpickling()
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(malicious / "zipped.pth")


def test_nothing_else_in_the_package_unpickles():
    """`pickletools` is allowed: it lists the content of a pickle without building anything."""
    for path in paths.PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8").replace("pickletools", "").replace("`", "")
        assert "import pickle" not in text, path
        assert text.count("torch.load(") == text.count("weights_only=True)"), path
