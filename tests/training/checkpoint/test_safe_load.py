"""Validation of state files that would take unexpected amounts of memory."""

import io
import zipfile
from collections import OrderedDict

import pytest
import torch
from malicious import zipped

from ssr_mmseg.training.checkpoint.safe_load import NotTensorsError, check_values, state_needed
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError


def refused(path, match):
    with pytest.raises(UserError, match=match) as caught:
        load_state(path)
    assert "\n" not in str(caught.value)


def test_a_compressed_file_is_refused_before_it_is_unpacked(tmp_path):
    plain = io.BytesIO()
    torch.save({"w": torch.zeros(10**6)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(tmp_path / "s.pth", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert (tmp_path / "s.pth").stat().st_size < 10**5
    refused(tmp_path / "s.pth", "is compressed, which torch's own files never are")


@pytest.mark.parametrize(
    ("pickled", "match"),
    [
        # both would allocate 2³² bytes; torch allows these globals
        (b"\x80\x02}X\x01\0\0\0xcbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x01\x85Rs.", "it refers to builtins.bytearray"),
        (b"\x80\x02}X\x01\0\0\0xc_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0hex\x86Rs.", "it encodes text as hex"),
        (b"\x80\x02}X\x01\0\0\0xctorch\nFloatTensor\n\x8a\x05\0\0\0\0\x01\x85Rs.", "it refers to torch.FloatTensor"),
        (b"\x80\x02}X\x01\0\0\0x" + b"]" * 40 + b"a" * 39 + b"s.", "nested more than 32 levels deep"),
        (b"\x80\x02]q\0h\0a.", "contains a list|nested more than"),
        (b"\x80\x04}.", "its pickle has protocol 4, expected torch's 2"),
        (b"\x80\x020.", r"\(Unsupported operand 48\)"),
        (b"", "not a readable state file"),
    ],
)
def test_a_pickle_that_would_allocate_much_is_refused(tmp_path, pickled, match):
    (tmp_path / "s.pth").write_bytes(zipped(pickled))
    refused(tmp_path / "s.pth", match)


def test_a_huge_pickle_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ssr_mmseg.training.checkpoint.safe_load.MAX_PICKLE", 1000)
    save_state(tmp_path / "s.pth", {"history": [float(n) for n in range(1000)]})
    refused(tmp_path / "s.pth", "is larger than 1000 bytes")


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ({"w": torch.zeros(1).expand(10**12)}, r"shape \(1000000000000,\) is larger than its stored data"),
        ({"w": torch.zeros(2, 2).to_sparse()}, "is larger than its stored data"),
        ({"w": {1, 2}}, "type set"),
        ([object()], "type object"),
    ],
)
def test_other_values_are_refused(value, match):
    with pytest.raises(NotTensorsError, match=match):
        check_values(value)


def test_the_states_that_trainings_save_are_accepted(tmp_path):
    layer = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    state = {"model": OrderedDict(layer.state_dict()), "optimizers": optimizer.state_dict(), "history": [{"loss": 0.5}]}
    views = {"half": torch.zeros(4, 4, dtype=torch.half)[1:, ::2], "parameter": torch.nn.Parameter(torch.ones(2))}
    flags = {"alive": torch.ones(3, dtype=torch.bool), "count": torch.tensor(3), "shape": torch.Size([1, 2])}
    save_state(tmp_path / "s.pth", {**state, **views, **flags})
    loaded = load_state(tmp_path / "s.pth")
    assert torch.equal(loaded["half"], views["half"])
    optimizer.load_state_dict(loaded["optimizers"])
    layer.load_state_dict(loaded["model"])


@pytest.mark.parametrize("error", [KeyError("model"), RuntimeError("size mismatch"), TypeError("no"), IndexError("0")])
def test_a_state_of_another_network_is_one_line(error):
    match = r"a\.pth is not the state that this stage needs \(.+\); delete it"
    with pytest.raises(UserError, match=match), state_needed("a.pth"):
        raise error


def test_a_user_error_is_passed_on_unchanged():
    with pytest.raises(UserError, match=r"^unchanged$"), state_needed("a.pth"):
        raise UserError("unchanged")
