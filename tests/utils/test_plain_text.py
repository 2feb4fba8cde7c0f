import pytest

from ssr_mmseg import settings
from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.plain_text import check_class_names, check_path, class_name_problem

BAD = {
    "ca\nr": "has a control character",
    "car\x1b[2J": "has a control character",
    "car\x7f": "has a control character",
    "car\x9b": "has a control character",
    "\udcff": "has a character that is not UTF-8",
    "": "is empty",
    " \t": "is empty",
    "x" * 1001: "has 1001 characters, expected at most 1000",
}
ENTRY = {"type": "folder", "source": "own", "size": [32, 64]}


@pytest.mark.parametrize("name", BAD)
def test_the_configuration_refuses_names_that_results_cannot_have(name):
    for entry in ({"classes": ["road", name]}, {"label_map": {"0": "road", "1": name}}):
        with pytest.raises(UserError) as raised:
            settings.complete({"datasets": {"mine": {**ENTRY, **entry}}})
        expected = "unpaired surrogate" if "UTF-8" in BAD[name] else f"which {BAD[name]}; see config/README.md"
        assert expected in str(raised.value)
        assert one_line(raised.value) == str(raised.value)


@pytest.mark.parametrize("name", BAD)
def test_names_from_files_are_refused(name):
    with pytest.raises(UserError) as raised:
        check_class_names(["road", name], "dataset mine")
    assert str(raised.value).startswith("dataset mine: the name ")
    assert f" of class 1 {BAD[name]}; rename the class" in str(raised.value)


@pytest.mark.parametrize("name", ["road", "Straße", "道路", "traffic light", "a, b", '"', "[/b]", "x" * 1000])
def test_other_names_are_accepted_by_the_results_too(name):
    assert class_name_problem(name) is None
    check_class_names(["road" * 2, name], "dataset mine")
    settings.complete({"datasets": {"mine": {**ENTRY, "classes": ["road" * 2, name]}}})
    assert "classes" not in str(json_schema.violation({"classes": ["road" * 2, name]}, "results/dataset"))


@pytest.mark.parametrize(
    ("names", "match"),
    [(["a", "b", "a"], "'a' of class 2 is the name of another class, too"), (["a", 3], "of type int, expected text")],
)
def test_names_that_occur_twice_or_are_no_text_are_refused(names, match):
    with pytest.raises(UserError, match=match):
        check_class_names(names, "dataset mine")


@pytest.mark.parametrize("path", ["a\nb.png", "a\x1b.png", "a\udcff.png"])
def test_paths_that_messages_cannot_quote_are_refused(path):
    with pytest.raises(UserError, match=r"split train: the path .* has a .*; rename the file or folder") as raised:
        check_path(path, "split train")
    assert str(raised.value).isprintable()
    check_path("ö/字 [1].png", "split train")
