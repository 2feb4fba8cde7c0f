import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from plain_values import PLAIN

from ssr_mmseg.utils import safe_parsing
from ssr_mmseg.utils.safe_parsing import ParseError, check_plain, parse_json, parse_yaml


@given(PLAIN)
def test_plain_values_pass_both_parsers(value):
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_yaml(yaml.safe_dump(value, allow_unicode=True).encode()) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' occurs twice in one object"),
        ('{"a": NaN}', "the number nan"),
        ("[1e999]", "the number inf"),
        (str(2**63), "beyond 64 bits"),
        ("9" * 5000, "Exceeds the limit"),
        (r'["\ud800"]', r"'\\ud800' contains an unpaired surrogate"),
        (r'{"\udfff": 1}', "an unpaired surrogate"),
        ("[" * 34 + "]" * 34, "nested more than 32 levels"),
        ("[" * 10**6, "nested more than 32 levels"),
        ("", "Expecting value"),
        ("{", "Expecting property name"),
    ],
)
def test_invalid_json_is_refused(text, problem):
    with pytest.raises(ParseError, match=problem):
        parse_json(text.encode())


def test_json_with_too_many_values_is_refused_before_parsing(monkeypatch):
    monkeypatch.setattr(safe_parsing, "MAX_VALUES", 10)
    assert parse_json(b"[1,2,3,4,5,6,7,8,9]")
    monkeypatch.setattr(safe_parsing.json, "loads", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(ParseError, match="more than 10 values"):
        parse_json(b"[1,2,3,4,5,6,7,8,9,10,11]")


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(30))
MERGES = "m0: &m0 {x0: 1, y0: 1}\n" + "".join(
    f"m{n + 1}: &m{n + 1}\n  <<: [*m{n}, *m{n}]\n  x{n + 1}: 1\n" for n in range(40)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", r"the key 'a' occurs twice in one mapping \(line 3\)"),
        (BOMB, "more than 50000 values"),
        (MERGES, "merges .* multiply"),
        ("a: &a [*a]", "nested more than 32 levels|more than 50000 values"),
        ("&a {<<: *a}", "nested more than 32 levels"),
        ("[" * 20000, "nested more than 32 levels"),
        ("a: 2020-01-01", r"'2020-01-01' is of type date: put it in quotes"),
        ("a: 2020-13-45", "month must be in"),
        ("a: .nan", "the number nan"),
        ("a: .inf", "the number inf"),
        ("1.5: a", "the key 1.5 is not text: put it in quotes"),
        ("? [a]\n: 1", "unhashable key"),
        ("a: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
        ("a: !!binary aGk=", "of type bytes"),
        ("a: !!set {b}", "of type set"),
        ("a: !!int ''", "index out of range"),
        ("a: !!float 'x'", "could not convert"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
        ("a: [1\nb: 2\n", "expected ',' or ']'"),
        ("a: *b", "undefined alias"),
    ],
)
def test_invalid_yaml_is_refused(text, problem):
    with pytest.raises(ParseError, match=problem) as caught:
        parse_yaml(text.encode())
    assert "\n" not in str(caught.value)


def test_yaml_may_use_anchors_and_merges():
    text = b"base: &base {x: 1, y: 2}\nown: {<<: *base, y: 3}\nlist: [&n 1, *n]\n"
    assert parse_yaml(text) == {"base": {"x": 1, "y": 2}, "own": {"x": 1, "y": 3}, "list": [1, 1]}


def test_invalid_utf8_and_too_large_documents_are_refused():
    for parse in (parse_json, parse_yaml):
        with pytest.raises(ParseError, match="can't decode"):
            parse(b"\xff\xfe")
    with pytest.raises(ParseError, match="larger than 1048576 bytes"):
        parse_yaml(b" " * (2**20 + 1))


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, {"a": {3}}, b"x", object(), [float("nan")]])
def test_other_values_are_not_plain(value):
    with pytest.raises(ParseError):
        check_plain(value)


@given(st.lists(PLAIN, max_size=5), st.integers(1, 20))
def test_values_are_counted(value, max_values):
    def count(item):
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        return 1 + sum(map(count, inner))

    if count(value) <= max_values:
        assert check_plain(value, max_values) is value
    else:
        with pytest.raises(ParseError, match=f"more than {max_values} values"):
            check_plain(value, max_values)
