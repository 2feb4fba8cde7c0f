"""Strategies that make valid documents invalid, by editing their structure or damaging their bytes."""

import copy
import json
from typing import Any

import yaml
from hypothesis import strategies as st

ODD = st.one_of(
    st.sampled_from([None, True, False, 0, -1, 1.0, 0.5, 1e308, 2**31, 2**63 - 1, 2**64, 10**30, float("nan")]),
    st.sampled_from(
        ["", "x" * 300, "../../etc/passwd", "/etc/passwd", "a\x00b", "\x1b[2J", "=1+1", "\ud800", "\u202e"]
    ),
    st.sampled_from([[], {}, [[]], {"": None}, [1, "1", None], {"__class__": "os.system"}]).map(copy.deepcopy),
    st.integers(-1000, 10**6),
    st.floats(),
    st.text(max_size=20),
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Return the paths of all values within a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def edited(draw: st.DrawFn, values: st.SearchStrategy, most: int = 3, odd: st.SearchStrategy = ODD) -> Any:
    """Draw a value and replace, remove, repeat, copy or extend up to `most` of its parts."""
    value = copy.deepcopy(draw(values))
    for _ in range(draw(st.integers(0, most))):
        path = draw(st.sampled_from(places(value)))
        if not path:
            continue
        *above, last = path
        holder = value
        for key in above:
            holder = holder[key]
        action = draw(st.sampled_from(["replace", "replace", "remove", "repeat", "add", "copy"]))
        if action == "replace":
            holder[last] = draw(odd)
        elif action == "copy":
            holder[last] = copy.deepcopy(value)
        elif action == "remove":
            del holder[last]
        elif action == "repeat" and isinstance(holder, list):
            holder *= draw(st.integers(2, 20))
        elif isinstance(holder, list):
            holder.append(draw(odd))
        else:
            holder[draw(st.text(max_size=10))] = draw(odd)
    return value


@st.composite
def damaged(draw: st.DrawFn, documents: st.SearchStrategy[bytes], most: int = 3) -> bytes:
    """Draw bytes with up to `most` cuts, flips, repetitions or insertions."""
    data = bytearray(draw(documents))
    for _ in range(draw(st.integers(0, most))):
        if not data:
            break
        start = draw(st.integers(0, len(data) - 1))
        length = draw(st.sampled_from([1, 2, 4, 16, 512]))
        action = draw(st.sampled_from(["flip", "set", "cut", "drop", "repeat", "insert"]))
        if action == "flip":
            data[start] ^= 1 << draw(st.integers(0, 7))
        elif action == "set":
            data[start : start + length] = draw(st.sampled_from([b"\x00", b"\xff", b"\x7f", b"\x80"])) * length
        elif action == "cut":
            del data[start:]
        elif action == "drop":
            del data[start : start + length]
        elif action == "repeat":
            data[start:start] = bytes(data[start : start + length]) * draw(st.integers(1, 50))
        else:
            data[start:start] = draw(st.binary(min_size=1, max_size=length))
    return bytes(data)


def as_json(values: st.SearchStrategy) -> st.SearchStrategy[bytes]:
    """Return a strategy of JSON files of edited values, some with damaged bytes."""
    whole = edited(values).map(lambda value: json.dumps(value, ensure_ascii=True).encode())
    return whole | damaged(whole)


def as_yaml(values: st.SearchStrategy) -> st.SearchStrategy[bytes]:
    """Return a strategy of YAML files of edited values, some with damaged bytes; repeated parts become aliases."""

    def written(value: Any) -> bytes:
        return yaml.safe_dump(value, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass")

    whole = edited(values).map(written)
    return whole | damaged(whole)
