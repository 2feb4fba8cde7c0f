"""The reader of the wire format agrees with Google's, and rejects what is damaged."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from ssr_mmseg.deploy.protobuf import BYTES, VARINT, WireError, fields, varints

NUMBERS = st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=200, database=None)
@given(st.lists(NUMBERS, max_size=5), st.binary(max_size=300), st.integers(0, 2**31 - 1))
def test_it_reads_what_was_written(dimensions, data, kind):
    message = TensorProto(dims=dimensions, raw_data=data, data_type=kind)
    read = list(fields(memoryview(message.SerializeToString())))
    assert [number for number, wire, value in read] == [1] * len(dimensions) + [2, 9]
    stored = [value for number, wire, value in read if number == 1]
    assert stored == [number % 2**64 for number in dimensions]
    assert read[-2] == (2, VARINT, kind)
    assert bytes(read[-1][2]) == data


@given(st.lists(NUMBERS, max_size=20))
def test_packed_integers(numbers):
    read = list(fields(memoryview(TensorProto(int64_data=numbers).SerializeToString())))
    assert [number for number, _, _ in read] == [7] * bool(numbers)
    assert [each for _, wire, value in read for each in varints(wire, value)] == [each % 2**64 for each in numbers]


@settings(max_examples=500, database=None)
@given(st.binary(max_size=40))
def test_what_is_read_are_the_fields_of_the_same_message(data):
    """Google's reader may reject more: groups, and names that are not UTF-8."""
    try:
        read = list(fields(memoryview(data)))
    except WireError:
        return
    assert all(number > 0 for number, _, _ in read)
    try:
        parsed = TensorProto.FromString(data)
    except DecodeError:
        return
    raw = [bytes(value) for number, wire, value in read if number == 9 and wire == BYTES]
    assert parsed.raw_data == (raw[-1] if raw else b"")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x08", "does not end"),
        (b"\x08" + b"\xff" * 10, "does not end"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "does not end"),
        (b"\x0a\x05ab", "ends early"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends early"),
        (b"\x0d\0\0\0", "ends early"),
        (b"\x09\0\0\0\0", "ends early"),
        (b"\x0b\x0c", "unknown type 3"),
        (b"\x0f", "unknown type 7"),
        (b"\x00\x01", "number 0"),
    ],
)
def test_what_is_rejected(data, problem):
    with pytest.raises(WireError, match=problem):
        list(fields(memoryview(data)))
