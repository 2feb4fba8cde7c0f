"""SECURITY.md names code, tests and commands that exist."""

import re

import pytest

from ssr_mmseg.settings.paths import PROJECT

TEXT = (PROJECT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[3] for line in TEXT.splitlines() if line.startswith("|")][2:]


@pytest.mark.parametrize("row", ROWS)
def test_each_check_names_existing_code_and_tests(row):
    code, _, tests = row.partition(";")
    for part, folder in ((code, "ssr_mmseg"), (tests, "tests")):
        names = re.findall(r"`([^`]+)`", part)
        assert names, row
        for name in names:
            places = (PROJECT / name, *(PROJECT / folder).rglob(name.rstrip("/")))
            assert any(place.exists() for place in places), name


def test_commands_name_existing_files():
    for path in re.findall(r"\b(?:benchmarks|tests)/[\w/]+(?:\.py)?", TEXT):
        assert (PROJECT / path).exists() or path.startswith("benchmarks/records"), path
