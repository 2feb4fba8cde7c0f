"""Checks of ONNX files before ONNX Runtime reads them: no more than networks of images need.

ONNX can also refer to other files, hold programs (loops, functions) and name operators of extensions. A file that does
is refused before a session is created, because creating one already computes.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from ssr_mmseg.deploy.protobuf import BYTES, MAX_VARINT_BYTES, WireError, fields, varints
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_bytes
from ssr_mmseg.utils.safe_parsing import quote

MAX_FILE_BYTES = 2**30  # 250 million weights
MAX_STRUCTURE_BYTES = 2**24  # of all but the weights, of which each byte may become an object of a hundred bytes
MAX_MESSAGES = 10_000  # operators, and as many weights
MAX_FIELDS = 1_000_000
MAX_RANK = 16
MAX_NAME_BYTES = 200  # of a name in a message

# What networks of images consist of, in ONNX's own domain: a function of dense tensors of numbers each. Not among them
# are those that run a graph, make random numbers, or handle text, sequences, images or sparse tensors.
OPERATORS = frozenset(
    """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast CastLike Ceil Celu Clip Concat Constant
    ConstantOfShape Conv ConvInteger ConvTranspose Cos CumSum DepthToSpace DequantizeLinear Div DynamicQuantizeLinear
    Einsum Elu Equal Erf Exp Expand Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
    GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Identity
    InstanceNormalization LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LRN MatMul
    MatMulInteger Max MaxPool Mean Min Mish Mod Mul Neg Not Or Pad Pow PRelu QLinearConv QLinearMatMul QuantizeLinear
    Range Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Resize RMSNormalization Round ScatterElements ScatterND Selu Shape Sigmoid Sign Sin
    Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tanh ThresholdedRelu Tile
    Transpose Trilu Unsqueeze Where
    """.split()  # noqa: SIM905  a list would take a line each
)
DOMAINS = ("", "ai.onnx")

# Bytes of an element, by ONNX's number of its type: floats, integers and truth values of 8 bits and more.
ITEM_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}

# Fields of onnx.proto3 by number: those that are passed over, and what the others that are refused mean.
PLAIN = {
    "model": {1, 2, 3, 4, 5, 6, 8, 14},
    "graph": {2, 10, 11, 12, 13, 14, 16},
    "node": {1, 2, 3, 6, 8, 9},
    "attribute": {1, 2, 3, 4, 7, 8, 9, 13, 20},
    "tensor": {8, 12, 16},
}
REFUSED = {
    ("model", 20): "a program for training",
    ("model", 25): "functions",
    ("graph", 15): "sparse weights",
    ("attribute", 6): "a graph within an operator",
    ("attribute", 11): "graphs within an operator",
    ("attribute", 22): "sparse weights",
    ("attribute", 23): "sparse weights",
    ("tensor", 6): "text as weights",
    ("tensor", 13): "weights in other files",
    ("tensor", 14): "weights in other files",
}
# Messages within messages, by the number of their field.
INNER = {
    ("model", 7): "graph",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 10): "tensor",
}
COUNTED = {"node": "operators", "tensor": "weights"}
DIMENSIONS, TYPE, FLOATS, INT32, INT64, RAW, DOUBLES, UINT64, LOCATION = 1, 2, 4, 5, 7, 9, 10, 11, 14
OPERATOR, DOMAIN = 4, 7
METADATA, NAME = 14, 1  # of a model, and of an entry in it


class RefusedError(ValueError):
    """The file holds something that an exported network does not need."""


def read_model(path: Path) -> bytes:
    """Read and check an ONNX file; a session for these bytes reads no file.

    Raises:
        UserError: The file cannot be read, is too large, or holds more than an exported network needs.
    """
    try:
        data = read_bytes(path, MAX_FILE_BYTES)
    except OSError as error:
        raise UserError(f"could not read {path}: {error.strerror}; check the file") from error
    check_model(data, str(path))
    return data


def check_model(data: bytes, origin: str) -> None:
    """Check the bytes of an ONNX file.

    Raises:
        UserError: They are not an ONNX model, or hold more than an exported network needs.
    """
    try:
        seen = _Seen()
        _check("model", memoryview(data), seen)
        if not seen.messages["node"]:
            raise WireError("it has no operators")
        if len(data) - seen.weight_bytes > MAX_STRUCTURE_BYTES:
            raise RefusedError(f"more than {MAX_STRUCTURE_BYTES} bytes besides weights")
    except WireError as error:
        raise UserError(f"{origin} is not an ONNX model ({error}); create it with: ssr-mmseg export") from error
    except RefusedError as error:
        raise UserError(f"{origin} has {error}, which predict does not read; check where it is from") from error


def has_metadata(data: bytes, key: str) -> bool:
    """Return whether a checked ONNX file has metadata under a key."""
    for number, _, entry in fields(memoryview(data)):
        named = fields(entry) if number == METADATA and isinstance(entry, memoryview) else ()
        if any(inner == NAME and value == key.encode() for inner, _, value in named):
            return True
    return False


class _Seen:
    """What was seen of a file: how many messages of each kind, how many fields, and the bytes of its weights."""

    def __init__(self) -> None:
        self.fields = self.weight_bytes = 0
        self.messages: Counter[str] = Counter()

    def count(self, kind: str) -> None:
        """Count a message."""
        self.messages[kind] += 1
        if kind in COUNTED and self.messages[kind] > MAX_MESSAGES:
            raise RefusedError(f"more than {MAX_MESSAGES} {COUNTED[kind]}")

    def within(self, message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
        """Iterate over the fields of a message, up to `MAX_FIELDS` of the file."""
        for each in fields(message):
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise RefusedError(f"more than {MAX_FIELDS} fields")
            yield each


def _check(kind: str, message: memoryview, seen: _Seen) -> None:
    """Check a message of one of the kinds in `PLAIN`, and those within it, which are at most five deep."""
    seen.count(kind)
    if kind == "tensor":
        _check_tensor(message, seen)
        return
    for number, wire, value in seen.within(message):
        inner = INNER.get((kind, number))
        if inner is not None and isinstance(value, memoryview) and wire == BYTES:
            _check(inner, value, seen)
        elif kind == "node" and number == OPERATOR:
            name = _text(value)
            if name not in OPERATORS:
                raise RefusedError(f"the operator {quote(name)}")
        elif kind == "node" and number == DOMAIN:
            domain = _text(value)
            if domain not in DOMAINS:
                raise RefusedError(f"an operator of {quote(domain)}")
        elif number not in PLAIN[kind]:
            _refuse(kind, number)


def _check_tensor(message: memoryview, seen: _Seen) -> None:
    """Check that a tensor has as many bytes as its dimensions need, before memory is taken for these."""
    dimensions: list[int] = []
    kind = raw = other = 0
    for number, wire, value in seen.within(message):
        size = len(value) if isinstance(value, memoryview) else 1
        if number == DIMENSIONS:
            if size > MAX_RANK * MAX_VARINT_BYTES:
                raise RefusedError(f"weights of more than {MAX_RANK} dimensions")
            dimensions += varints(wire, value)
        elif number == TYPE and isinstance(value, int):
            kind = value
        elif number == RAW:
            raw += size
        elif number in (FLOATS, INT32, INT64, DOUBLES, UINT64):
            other += size
        elif number == LOCATION and value == 0:
            continue
        elif number not in PLAIN["tensor"]:
            _refuse("tensor", number)
        if len(dimensions) > MAX_RANK:
            raise RefusedError(f"weights of more than {MAX_RANK} dimensions")
    seen.weight_bytes += raw
    if kind not in ITEM_BYTES:
        raise RefusedError(f"weights of type {kind}")
    expected = math.prod(dimensions)
    # Numbers that are not stored raw take at least a byte each.
    if raw != expected * ITEM_BYTES[kind] if raw else other < expected:
        raise RefusedError(f"weights of shape {dimensions} with {raw or other} bytes")


def _refuse(kind: str, number: int) -> NoReturn:
    if (kind, number) in REFUSED:
        raise RefusedError(REFUSED[kind, number])
    raise WireError(f"field {number} of a {kind} is unknown")


def _text(value: int | memoryview) -> str:
    if isinstance(value, int):
        raise WireError("a name is stored as a number")
    return bytes(value[:MAX_NAME_BYTES]).decode("utf-8", "replace")
