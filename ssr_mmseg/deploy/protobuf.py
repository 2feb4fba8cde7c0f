"""A strict reader of Protocol Buffers' wire format, which leaves it to its caller what the fields mean.

The package `onnx` reads ONNX files but is not installed where exported networks only run.
"""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4, groups, are obsolete
MAX_VARINT_BYTES = 10


class WireError(ValueError):
    """The bytes are not in the wire format."""


def fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Iterate over the fields of a message: number, wire type and value.

    A value is an unsigned integer for `VARINT`, and bytes for any other type. Fields come as often and in the order as
    they are stored; parsers merge repeated ones, so that each of them counts.

    Raises:
        WireError: The message is damaged.
    """
    position, end = 0, len(message)
    while position < end:
        key, position = read_varint(message, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise WireError("a field has number 0")
        if wire == VARINT:
            value, position = read_varint(message, position)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, position = read_varint(message, position)
        elif wire in (FIXED32, FIXED64):
            length = 4 if wire == FIXED32 else 8
        else:
            raise WireError(f"a field is of the unknown type {wire}")
        if length > end - position:
            raise WireError("it ends early")
        yield number, wire, message[position : position + length]
        position += length


def read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return the unsigned integer at a position, and the position after it.

    Raises:
        WireError: The integer does not end, or has more than 64 bits.
    """
    value = 0
    for index, byte in enumerate(message[position : position + MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >= 2**64:
                break
            return value, position + index + 1
    raise WireError("an integer does not end")


def varints(wire: int, value: int | memoryview) -> Iterator[int]:
    """Iterate over the integers of one occurrence of a repeated integer field, packed or not."""
    if isinstance(value, int):
        yield value
    elif wire == BYTES:
        position = 0
        while position < len(value):
            number, position = read_varint(value, position)
            yield number
    else:
        raise WireError("an integer is stored as a float")
