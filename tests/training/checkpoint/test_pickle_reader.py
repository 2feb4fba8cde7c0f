"""Pickles that torch would not write: what they name, what they build, and how much of it."""

import contextlib
import pickletools
from collections import OrderedDict

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pickles import DIMENSION, archive, entry, integer, numbers, stored, tensor, text
from watch import watched

from ssr_mmseg.training.checkpoint.archive_members import NotTensorsError
from ssr_mmseg.training.checkpoint.pickle_reader import StackMachine, read_pickle
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError

HOOKS = b"ccollections\nOrderedDict\n)R"
STORED = b"\0" * 64  # under the key 0: 16 numbers of 4 bytes


def read(pickled: bytes):
    return read_pickle(pickled, lambda key: torch.zeros(64 if key == "0" else 0, dtype=torch.uint8))


def refused(folder, value: bytes, match: str):
    (folder / "s.pth").write_bytes(archive(entry(value), STORED))
    with watched(folder), pytest.raises(UserError, match=match) as caught:
        load_state(folder / "s.pth")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


NAMES = {
    "a function that allocates": (
        b"cbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x01\x85R",
        "it refers to builtins.bytearray",
    ),
    "a tensor that is allocated": (b"ctorch\nFloatTensor\n\x8a\x05\0\0\0\0\x01\x85R", "it refers to torch.FloatTensor"),
    "a program": (b"cos\nsystem\n" + text("true") + b"\x85R", r"it refers to os\.system"),
    "a codec": (b"c_codecs\nencode\n" + text("a") + text("hex") + b"\x86R", "it encodes text as hex"),
    "entries of an OrderedDict": (b"ccollections\nOrderedDict\n}\x85R", "it calls ordered_dict with other arguments"),
    "words of a Counter": (b"ccollections\nCounter\n}" + text("a") * 2 + b"s\x85R", "a Counter of something other"),
    "a size of words": (b"ctorch\nSize\n" + text("ab") + b"\x85\x85R", "a Size that is not one of numbers"),
    "a complex storage": (tensor(stored(8, kind="ComplexFloatStorage"), DIMENSION), "it refers to torch.ComplexFloat"),
    "a quantized storage": (tensor(stored(64, kind="QInt8Storage"), DIMENSION), "it refers to torch.QInt8Storage"),
    "a type of 8 bits": (b"ctorch\nfloat8_e4m3fn\n", "it refers to torch.float8_e4m3fn"),
    "bits": (b"ctorch\nbits8\n", "it refers to torch.bits8"),
    "a quantized tensor": (b"ctorch._utils\n_rebuild_qtensor\n)R", "it refers to torch._utils._rebuild_qtensor"),
    "a sparse tensor": (b"ctorch._utils\n_rebuild_sparse_tensor\n)R", "_rebuild_sparse_tensor"),
    "a nested tensor": (b"ctorch._utils\n_rebuild_nested_tensor\n)R", "_rebuild_nested_tensor"),
    "a tensor without storage": (b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n)R", "_rebuild_meta_tensor"),
    "a subclass": (b"ctorch._tensor\n_rebuild_from_type_v2\n)R", "_rebuild_from_type_v2"),
    "a wrapper": (b"ctorch._utils\n_rebuild_wrapper_subclass\n)R", "_rebuild_wrapper_subclass"),
    "a tensor of NumPy": (b"ctorch._utils\n_rebuild_device_tensor_from_numpy\n)R", "_rebuild_device_tensor"),
    "an untyped storage": (b"ctorch.storage\nUntypedStorage\n" + integer(9) + b"\x85R", "torch.storage.UntypedStorage"),
    "a name of two words": (b"ctorch\nos system\n", "it refers to torch.os system"),
    "a name as a value": (b"ctorch\nFloatStorage\n", "it contains a value of type Name"),
    "a storage as a value": (stored(16), "it contains a value of type Storage"),
    "bytes as a value": (b"c__builtin__\nbytes\n)R", "it contains a value of type bytes"),
    "a type of NumPy as a value": (b"cnumpy\ndtype\n" + text("f4") + b"\x85R", "it contains a value of type dtype"),
    "a call of a type": (b"ctorch\nfloat32\n)R", "it calls a value of type dtype"),
    "a call of a storage": (b"ctorch\nFloatStorage\n)R", "it calls a value of type Name"),
    "a call of a number": (b"K\1)R", "it calls a value of type int"),
    "an unknown device": (b"ctorch\ndevice\n" + text("x") + b"\x85R", "RuntimeError"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_other_names_are_refused(tmp_path, kind):
    refused(tmp_path, *NAMES[kind])


SIDE = b"K\x10\x85"  # the tuple (16,)
BEYOND = "reaches beyond its stored data"
TENSORS = {
    "larger than its storage": (tensor(stored(16), numbers(17)), r"shape \(17,\) is larger than its stored data"),
    "expanded": (tensor(stored(16), numbers(10**12), numbers(0)), "is larger than its stored data"),
    "repeated": (tensor(stored(16), numbers(4), numbers(0)), r"the elements of a tensor of shape \(4,\) overlap"),
    "overlapping": (tensor(stored(16), numbers(3, 3), numbers(1, 2)), "overlap"),
    "a stride of 2⁶²": (tensor(stored(16), numbers(2), numbers(2**62)), BEYOND),
    "an offset of 2⁶²": (tensor(stored(16), numbers(2), numbers(1), numbers(2**62)[1:-1]), BEYOND),
    "an offset of one too many": (tensor(stored(16), SIDE, DIMENSION, b"K\1"), BEYOND),
    "a negative offset": (tensor(stored(16), SIDE, DIMENSION, integer(-1)), "not described as torch does"),
    "a negative stride": (tensor(stored(16), SIDE, numbers(-1)), "not described as torch does"),
    "a negative size": (tensor(stored(16), numbers(-1)), "not described as torch does"),
    "sizes that overflow": (tensor(stored(16), numbers(2**62, 2**62), numbers(1, 1)), "larger than its stored data"),
    "a size of 2⁶⁴": (tensor(stored(16), numbers(2**64 - 1)), "not described as torch does"),
    "no elements and a huge side": (tensor(stored(16), numbers(10**9, 0, 1, 1), numbers(1, 1, 1, 1)), "is larger than"),
    "fewer strides than sides": (tensor(stored(16), numbers(2, 2), numbers(1)), "ValueError"),
    "a flag as a side": (tensor(stored(16), b"\x88\x85"), "not described as torch does"),
    "words as sides": (tensor(stored(16), text("a") + b"\x85"), "not described as torch does"),
    "many dimensions": (tensor(stored(16), numbers(*[1] * 1000), numbers(*[1] * 1000)), "a tensor of 1000 dimensions"),
    "a storage that is shorter": (tensor(stored(10**9), SIDE), "the storage 0 has 64 bytes, which is not the stated"),
    "a storage that is longer": (tensor(stored(1), DIMENSION), "the storage 0 has 64 bytes, which is not the stated"),
    "a storage of another type": (tensor(stored(16, kind="DoubleStorage"), DIMENSION), "is not the stated length"),
    "a storage that is not there": (tensor(stored(16, key="1"), SIDE), "it has no data/1"),
    "a key of a path": (tensor(stored(16, key="../data.pkl"), SIDE), r"it has no data/\.\./data\.pkl"),
    "a long key": (tensor(stored(16, key="1" * 9999), SIDE), "it has no data/1111"),
    "a number for a storage": (tensor(b"K\1", SIDE), "not described as torch does"),
    "a reference of one part": (tensor(text("storage") + b"\x85Q", SIDE), "ValueError"),
    "a reference to a tensor": (tensor(b"(" + text("storage") + SIDE * 4 + b"tQ", SIDE), "in another way than torch"),
    "a parameter of a number": (b"ctorch._utils\n_rebuild_parameter\n(K\1\x88" + HOOKS + b"tR", "a parameter that is"),
    "a gradient of integers": (
        tensor(stored(8, kind="LongStorage"), DIMENSION).replace(b"\x89", b"\x88"),
        "RuntimeError",
    ),
    "a state": (tensor(stored(16), SIDE) + b"(K\1tb", "it sets the state of a value of type Tensor"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_a_tensor_that_is_not_within_its_stored_data_is_refused(tmp_path, kind):
    refused(tmp_path, *TENSORS[kind])


@pytest.mark.parametrize("device", ["meta", "cuda:99", "privateuseone", ""])
def test_a_tensor_of_any_device_is_read_on_the_cpu(device):
    assert read(entry(tensor(stored(16, device=device), SIDE)))["a"].device == torch.device("cpu")


NESTED = b"K\0" + b"\x85" * 2_000_000  # a tuple whose hash needs more than the stack of the process
VALUES = {
    "a deep tuple as a key": (b"}" + NESTED + b"K\0s", "it has a key of type tuple"),
    "a deep tuple": (NESTED, "it is nested more than 32 levels deep"),
    "a deep list": (b"]" * 40 + b"a" * 39, "it is nested more than 32 levels deep"),
    # each list is in the outermost one too, so that the nesting does not show from there
    "a deep list by parts": (
        b"](]q\1" + b"".join(b"]q%ch%ca" % (number + 1, number) for number in range(1, 60)) + b"e",
        "it is nested more than 32 levels deep",
    ),
    "a list in itself": (b"]q\0h\0a", "a value that contains itself"),
    "a dictionary in itself": (b"}q\0" + text("b") + b"h\0s", "a value that contains itself"),
    "a list in its tuple": (b"]q\0h\0\x85a", "a value that contains itself"),
    "versions in themselves": (HOOKS + b"}" + text("_metadata") + b"}q\0" + text("") + b"h\0ssb", "contains itself"),
    "versions of arrays": (
        HOOKS + b"}" + text("_metadata") + b"c_codecs\nencode\n" + text("a") + text("latin1") + b"\x86Rsb",
        "it contains a value of type bytes",
    ),
    "another attribute": (HOOKS + b"}" + text("x") + b"K\0sb", "it sets the state of a value of type OrderedDict"),
    "doubling lists": (
        b"](]q\1" + b"".join(b"]q%c(h%ch%ce" % (number + 1, number, number) for number in range(1, 28)) + b"e",
        "it would take much more memory than its size",
    ),
    "a key of a fraction": (b"}G?\xf0\0\0\0\0\0\0K\0s", "it has a key of type float"),
    "a key of a tensor": (b"}" + tensor(stored(16), SIDE) + b"K\0s", "it has a key of type Tensor"),
    "a key of 2³¹": (b"}" + numbers(2**31)[1:-1] + b"K\0s", "it has a key of type int"),
    "a key without a value": (b"}(K\0u", "ValueError"),
    "an entry of a list": (b"]K\0K\0s", "it sets an entry of a value of type list"),
    "an item of a dictionary": (b"}K\0a", "it appends to a value of type dict"),
    "an integer of 65 bits": (numbers(2**64)[1:-1], "it has an integer beyond 64 bits"),
    "a negative integer of 65 bits": (numbers(-(2**63) - 1)[1:-1], "it has an integer beyond 64 bits"),
    "half a character": (b"X\3\0\0\0\xed\xa0\x80", "UnicodeEncodeError"),
    "text that is no text": (b"X\1\0\0\0\xff", "UnicodeDecodeError"),
    "a memo of 2³¹ that is empty": (b"j\0\0\0\x80", "KeyError"),
    "more marks than stacks": (b"t", "IndexError"),
    "a tuple of what is missing": (b"}\x87\x87", "IndexError|its pickle is damaged"),
}


@pytest.mark.parametrize("kind", VALUES)
def test_other_values_are_refused(tmp_path, kind):
    refused(tmp_path, *VALUES[kind])


CODES = {operation.name: operation for operation in pickletools.opcodes}
WRITTEN = {name for name in CODES if hasattr(StackMachine, f"do_{name.lower()}")}
ARGUMENTS = {
    "INT": b"9" * 5000 + b"\n",
    "LONG": b"9" * 5000 + b"L\n",
    "FLOAT": b"1\n",
    "STRING": b"'a'\n",
    "UNICODE": b"a\n",
    "PERSID": b"a\n",
    "GET": b"0\n",
    "PUT": b"2147483648\n",
    "INST": b"os\nsystem\n",
    "GLOBAL": b"os\nsystem\n",
}


@pytest.mark.parametrize("name", sorted(set(CODES) - WRITTEN))
@pytest.mark.parametrize("tail", [b"\xff" * 8, bytes(16), b"\x01" + bytes(20)], ids=["huge", "zero", "one"])
def test_instructions_of_other_protocols_are_refused(tmp_path, name, tail):
    """Among them: text of 2⁶³ bytes, sets, buffers, frames, and extension codes."""
    pickled = b"\x80\x02}" + CODES[name].code.encode("latin-1") + ARGUMENTS.get(name, tail) + b"."
    (tmp_path / "s.pth").write_bytes(archive(pickled))
    with (
        watched(tmp_path),
        pytest.raises(UserError, match=f"instruction {name}, which torch|ValueError|Unicode|Overflow"),
    ):
        load_state(tmp_path / "s.pth")


@pytest.mark.parametrize("version", [0, 1, 3, 4, 5, 255])
def test_other_protocols_are_refused(version):
    with pytest.raises(NotTensorsError, match=f"protocol {version}, expected torch's 2"):
        read(b"\x80" + bytes([version]) + b"}.")


def test_a_large_index_of_the_memo_takes_no_memory(tmp_path):
    (tmp_path / "s.pth").write_bytes(archive(entry(b"]r\xff\xff\xff\xff")))
    with watched(tmp_path):
        assert load_state(tmp_path / "s.pth") == {"a": []}


def test_a_pickle_of_many_instructions_is_refused(monkeypatch):
    monkeypatch.setattr("ssr_mmseg.training.checkpoint.pickle_reader.MAX_OPERATIONS", 100)
    assert read(entry(b"](" + b"K\0" * 80 + b"e"))["a"] == [0] * 80
    with pytest.raises(NotTensorsError, match="more than 100 instructions"):
        read(entry(b"](" + b"K\0" * 100 + b"e"))


def test_very_many_tensors_are_refused(monkeypatch):
    monkeypatch.setattr("ssr_mmseg.training.checkpoint.named_objects.MAX_TENSORS", 10)
    with pytest.raises(NotTensorsError, match="more than 10 tensors"):
        read(entry(b"](" + tensor(stored(16), SIDE) * 11 + b"e"))


def test_many_references_to_a_storage_are_one(tmp_path):
    """Otherwise each would take a hundred times the bytes of its instructions."""
    reference = stored(16)[:-1] + b"q\1Q"
    (tmp_path / "s.pth").write_bytes(archive(entry(b"](" + reference + b"h\1Q" * 500_000 + b"e"), STORED))
    with watched(tmp_path), pytest.raises(UserError, match="it contains a value of type Storage"):
        load_state(tmp_path / "s.pth")


def test_tensors_that_share_a_storage_still_do():
    first, second = read(entry(b"](" + 2 * tensor(stored(16), SIDE) + b"e"))["a"]
    first[3] = 7
    assert second[3] == 7


def test_the_states_that_trainings_save_are_read_as_they_were(tmp_path):
    layer = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    state = {"model": OrderedDict(layer.state_dict()), "optimizers": optimizer.state_dict(), "history": [{"loss": 0.5}]}
    views = {
        "half": torch.arange(16, dtype=torch.half).view(4, 4)[1:, ::2],
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    flags = {"alive": torch.ones(3, dtype=torch.bool), "count": torch.tensor(3), "shape": torch.Size([1, 2])}
    empty = {
        "none": torch.zeros(0),
        "no rows": torch.zeros(0, 3),
        "no columns": torch.zeros(3, 0),
        "scalar": torch.ones(()),
    }
    kinds = {str(kind): torch.ones(3, dtype=kind) for kind in (torch.bfloat16, torch.float64, torch.int16, torch.uint8)}
    plain = {
        "type": torch.float32,
        "device": torch.device("cpu"),
        "large": 2**40,
        "largest": 2**64 - 1,
        "pair": (1, "α"),
    }
    save_state(tmp_path / "s.pth", {**state, **views, **flags, **empty, **kinds, **plain})
    loaded = load_state(tmp_path / "s.pth")
    expected = torch.load(tmp_path / "s.pth", weights_only=True)
    same(loaded, expected)
    optimizer.load_state_dict(loaded["optimizers"])
    layer.load_state_dict(loaded["model"])


def same(given, expected) -> None:
    assert type(given) is type(expected)
    if isinstance(expected, dict):
        assert list(given) == list(expected)
        for key, value in expected.items():
            same(given[key], value)
        assert getattr(given, "_metadata", None) == getattr(expected, "_metadata", None)
    elif isinstance(expected, list | tuple):
        assert len(given) == len(expected)
        for one, other in zip(given, expected, strict=True):
            same(one, other)
    elif torch.is_tensor(expected):
        assert torch.equal(given, expected)
        assert (given.dtype, given.stride(), given.requires_grad) == (
            expected.dtype,
            expected.stride() if expected.numel() else given.stride(),
            expected.requires_grad,
        )
    else:
        assert given == expected


KEYS = st.text(max_size=5) | st.integers(-9, 2**31 - 1)
SHAPES = st.lists(st.integers(0, 3), max_size=4).map(tuple)
TORCH = st.builds(
    lambda shape, kind: torch.ones(shape, dtype=kind), SHAPES, st.sampled_from([torch.float32, torch.int64])
)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=9)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        KEYS,
        st.recursive(
            PLAIN | TORCH,
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(KEYS, inner, max_size=3)
                | st.dictionaries(KEYS, inner, max_size=3).map(OrderedDict)
                | st.lists(inner, max_size=3).map(tuple)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_whatever_a_training_can_save_is_read_as_torch_reads_it(tmp_path, value):
    save_state(tmp_path / "s.pth", value)
    same(load_state(tmp_path / "s.pth"), torch.load(tmp_path / "s.pth", weights_only=True))


# of damaged pickles; among them are no RecursionError, MemoryError and SystemError
DAMAGE = (LookupError, TypeError, ValueError, AttributeError)


@given(st.lists(st.sampled_from(sorted(WRITTEN)), max_size=30), st.data())
def test_random_instructions_end_in_data_or_an_error(names, data):
    parts = []
    for name in names:
        code = CODES[name].code.encode("latin-1")
        if name == "GLOBAL":
            parts.append(code + data.draw(st.sampled_from([b"torch\nSize\n", b"torch\nFloatStorage\n", b"os\nx\n"])))
        elif name == "BINUNICODE":
            parts.append(text("storage"))
        elif CODES[name].arg is None:
            parts.append(code)
        else:
            parts.append(code + data.draw(st.binary(min_size=8, max_size=8))[: max(CODES[name].arg.n, 1)])
    value = None
    with contextlib.suppress(*DAMAGE):
        value = read(b"\x80\x02}" + b"".join(parts) + b".")
    assert isinstance(value, dict | list | tuple | str | int | float | torch.dtype | None)
