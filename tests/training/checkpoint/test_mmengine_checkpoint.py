"""Checkpoints that mmengine's CheckpointHook wrote: read as data, resumed from, and refused if they may do harm."""

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from malicious import zipped
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, load_checkpoint
from pickles import integer, text
from tiny_runner import Line, interrupted, runner
from watch import watched

from ssr_mmseg.training.checkpoint.finished_values import History
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils.errors import UserError


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The work folder of an uninterrupted training of three epochs with two iterations each."""
    folder = tmp_path_factory.mktemp("mmengine") / "whole"
    runner(folder, epochs=3).train()
    return folder


@pytest.fixture
def checkpoint(whole) -> Path:
    return whole / "epoch_2.pth"


def test_all_parts_are_read_as_they_were_saved(checkpoint, tmp_path, monkeypatch):
    with watched(tmp_path):
        state = load_state(checkpoint)
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", raising=False)  # a test before may have run a command
    expected = torch.load(checkpoint, weights_only=False)
    assert list(state) == ["meta", "state_dict", "message_hub", "optimizer", "param_schedulers"]
    for part in ("meta", "param_schedulers"):
        assert state[part] == expected[part]
    assert type(state["param_schedulers"][0]["milestones"]) is Counter
    for name, weight in expected["state_dict"].items():
        assert torch.equal(state["state_dict"][name], weight)
    assert state["state_dict"]._metadata == expected["state_dict"]._metadata
    assert state["optimizer"]["param_groups"] == expected["optimizer"]["param_groups"]
    hub, original = state["message_hub"], expected["message_hub"]
    assert hub["runtime_info"] == original["runtime_info"]
    assert list(hub["log_scalars"]) == list(original["log_scalars"])
    for name, buffer in original["log_scalars"].items():
        history = hub["log_scalars"][name]
        assert isinstance(history, History)
        assert history.max_length == buffer.max_length
        for actual, saved in zip((history.log, history.count), buffer.data, strict=True):
            assert actual.dtype == saved.dtype
            assert np.array_equal(actual, saved)


@pytest.mark.parametrize("named", [False, True], ids=["last_checkpoint", "load_from"])
def test_a_training_resumes_with_the_same_result_as_without_interruption(whole, protected, tmp_path, named):
    work = tmp_path / f"resumed-{named}"
    interrupted(whole, work, epoch=2)
    options = {"load_from": str(work / "epoch_2.pth")} if named else {}
    resumed = runner(work, epochs=3, resume=True, **options)
    resumed.train()
    assert (resumed.epoch, resumed.iter) == (3, 6)
    losses = resumed.message_hub.get_scalar("train/loss")
    assert isinstance(losses, HistoryBuffer)
    actual, expected = load_state(work / "epoch_3.pth"), load_state(whole / "epoch_3.pth")
    for name, weight in expected["state_dict"].items():
        assert torch.equal(actual["state_dict"][name], weight)
    assert actual["param_schedulers"] == expected["param_schedulers"]
    before, after = (state["message_hub"]["log_scalars"]["train/loss"].log for state in (expected, actual))
    assert len(after) == 6, "the history goes on from the interrupted training's"
    assert np.array_equal(before, after)


def test_weights_load_by_every_way_of_mmengine(checkpoint, protected):
    expected = load_state(checkpoint)["state_dict"]
    loaded, pretrained = Line(), Line()
    load_checkpoint(loaded, str(checkpoint))
    pretrained.init_cfg = {"type": "Pretrained", "checkpoint": str(checkpoint)}
    pretrained.init_weights()
    for model in (loaded, pretrained):
        assert torch.equal(model.state_dict()["layer.weight"], expected["layer.weight"])


def test_arrays_and_numbers_of_numpy_are_read(tmp_path):
    arrays = {
        "floats": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "flags": np.array([True, False]),
        "none": np.zeros((0, 3)),
        "scalar": np.array(3.0),
    }
    shared = arrays["floats"]
    numbers = {"double": np.float64(0.1), "count": np.int64(7), "flag": np.bool_(True)}
    nested = {"pair": (shared, [shared]), "plain": (1, (2, "x")), "size": torch.Size([2, 3])}
    torch.save({**arrays, **numbers, **nested}, tmp_path / "a.pth")
    state = load_state(tmp_path / "a.pth")
    for name, array in arrays.items():
        assert type(state[name]) is np.ndarray
        assert state[name].dtype == array.dtype
        assert np.array_equal(state[name], array)
        assert state[name].flags.writeable
    assert {name: state[name] for name in numbers} == {"double": 0.1, "count": 7, "flag": True}
    assert state["pair"][0] is state["floats"] is state["pair"][1][0]
    assert (state["plain"], state["size"]) == ((1, (2, "x")), torch.Size([2, 3]))


def changed(source: Path, change: Callable[[bytes], bytes]) -> bytes:
    """Return the bytes of a checkpoint whose pickle has been changed; the checksums are right again."""
    result = io.BytesIO()
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(result, "w") as target:
        for name in archive.namelist():
            content = archive.read(name)
            target.writestr(name, change(content) if name.endswith(".pkl") else content)
    return result.getvalue()


HUGE = b"J" + (2**31 - 1).to_bytes(4, "little")
CHANGES = {
    "a function of the system": (b"cmmengine.logging.history_buffer\nHistoryBuffer\n", b"cos\nsystem\n", "os.system"),
    "any attribute": (text("current"), text("__class__"), "getattr"),
    "an attribute of another class": (b"c__builtin__\ngetattr\n", b"c__builtin__\ngetattr\nccollections\n", ""),
    "objects": (text("f8"), text("O8"), "an array of type O8, expected one of numbers"),
    "text": (text("f8"), text("U2"), "an array of type U2, expected one of numbers"),
    "big-endian": (text("<"), text(">"), "an array of type f8, expected one of numbers"),
    "a huge array": (b"K\1K\4\x85", b"K\1" + HUGE + b"\x85", "shape (2147483647,) does not have the size of its"),
    "a small array": (b"K\1K\4\x85", b"K\1K\3\x85", "shape (3,) does not have the size of its stored data"),
    "a negative shape": (b"K\1K\4\x85", b"K\1J\xfc\xff\xff\xff\x85", "whose shape is not one of numbers"),
    "another codec": (text("latin1"), text("hex"), "it encodes text as hex"),
    "an incomplete history": (text("_count_history"), text("other"), "a HistoryBuffer that is not complete"),
    "a history without length": (text("max_length"), text("length"), "a HistoryBuffer that is not complete"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_checkpoint_is_refused_in_one_line(checkpoint, protected, tmp_path, kind):
    old, new, problem = CHANGES[kind]
    original = zipfile.ZipFile(checkpoint)
    assert any(old in original.read(name) for name in original.namelist() if name.endswith(".pkl"))
    bad = tmp_path / "place" / "bad.pth"
    bad.parent.mkdir()
    bad.write_bytes(changed(checkpoint, lambda pickled: pickled.replace(old, new)))
    for load in (load_state, lambda path: CheckpointLoader.load_checkpoint(str(path), logger="silent")):
        with watched(bad.parent), pytest.raises(UserError, match="is not a readable state file") as caught:
            load(bad)
        assert problem in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 1000


# values that each call would copy, with what comes before the first call
DICTIONARY = b"}q\1(" + b"".join(integer(n) + b"K\0" for n in range(20_000)) + b"u"
TUPLE = b"(" + b"K\1" * 20_000 + b"tq\1"
LATIN = text("x" * 100_000) + b"q\1" + text("latin1") + b"q\3"
TYPE = b"cnumpy\ndtype\n" + text("i1") + b"\x89\x88\x87R(K\3" + text("|") + b"NNN" + 2 * integer(-1) + b"K\0tbq\3"
BYTES = b"c_codecs\nencode\n" + text("x" * 100_000) + text("latin1") + b"\x86Rq\4"
FUNCTION = b"cnumpy._core.multiarray\n_reconstruct\nq\2cnumpy\nndarray\nq\5"
ARRAY = FUNCTION + b"K\0\x85N\x87R(K\1" + integer(100_000) + b"\x85" + TYPE + b"\x89" + BYTES + b"tb"
ONE_ARRAY = b"h\2h\5K\0\x85N\x87R(K\1" + integer(100_000) + b"\x85h\3\x89h\4tb"


@pytest.mark.parametrize(
    ("value", "function", "call"),
    [
        (DICTIONARY, b"ccollections\nCounter\nq\2", b"h\2h\1\x85R"),
        (TUPLE, b"ctorch\nSize\nq\2", b"h\2h\1\x85R"),
        (LATIN, b"c_codecs\nencode\nq\2", b"h\2h\1h\3\x86R"),
        (ARRAY, b"", ONE_ARRAY),
    ],
    ids=["Counter", "Size", "encode", "ndarray"],
)
def test_a_small_file_that_copies_one_value_often_is_refused(tmp_path, value, function, call):
    """Each file would take between 1 and 10 GB if its calls were carried out."""
    pickled = b"\x80\x02}" + text("a") + b"](" + value + function + call * 10_000 + b"es."
    (tmp_path / "s.pth").write_bytes(zipped(pickled))
    assert (tmp_path / "s.pth").stat().st_size < 500_000
    with watched(tmp_path), pytest.raises(UserError, match="it would take much more memory than its size"):
        load_state(tmp_path / "s.pth")


def test_a_long_list_of_one_long_list_is_refused(tmp_path):
    """Whoever goes through it, or writes it as JSON, would meet 10¹⁰ values."""
    pickled = b"\x80\x02}" + text("a") + b"](" + b"]q\1(" + b"K\0" * 100_000 + b"e" + b"h\1" * 100_000 + b"es."
    (tmp_path / "s.pth").write_bytes(zipped(pickled))
    with watched(tmp_path), pytest.raises(UserError, match="it would take much more memory than its size"):
        load_state(tmp_path / "s.pth")


@pytest.mark.parametrize("name", ["TypedStorage", "UntypedStorage"])
def test_a_storage_cannot_be_allocated(tmp_path, name):
    call = f"ctorch.storage\n{name}\n".encode() + HUGE + b"\x85R"
    (tmp_path / "s.pth").write_bytes(zipped(b"\x80\x02}" + text("a") + call + b"s."))
    with pytest.raises(UserError, match=f"it refers to torch.storage.{name}"):
        load_state(tmp_path / "s.pth")


@pytest.mark.parametrize("name", ["__builtin__\ngetattr", "mmengine.logging.history_buffer\nHistoryBuffer"])
@pytest.mark.parametrize("tail", [b"", b"(tR", b")R}b"])
def test_a_stand_in_is_no_value_of_its_own(tmp_path, name, tail):
    (tmp_path / "s.pth").write_bytes(zipped(b"\x80\x02}" + text("a") + f"c{name}\n".encode() + tail + b"s."))
    with pytest.raises(UserError, match="is not a readable state file"):
        load_state(tmp_path / "s.pth")
