"""Classes of a file are mapped to those of a dataset by name and number, and mistakes end in one line."""

import numpy as np
import pytest

from ssr_mmseg.deploy.class_mapping import OTHER, map_classes, map_names
from ssr_mmseg.utils.errors import UserError

DATASET = ["Sky", "Road", "Car"]
ALL = np.arange(256, dtype=np.uint8)


def test_without_a_list_the_file_has_the_classes_of_the_dataset_in_order():
    mapping = map_classes(None, DATASET, "f")
    assert mapping.apply(ALL)[:4].tolist() == [0, 1, 2, OTHER]
    assert mapping.count == 3
    assert mapping.has(3)
    assert not mapping.has(4)


@pytest.mark.parametrize("entries", [["Car", None, "Sky", 1, "Car"], ["Car", None, 0, "Road", 2]])
def test_a_list_has_names_numbers_and_none(entries):
    mapping = map_classes(entries, DATASET, "f")
    assert mapping.apply(ALL)[:6].tolist() == [2, OTHER, 0, 1, 2, OTHER]
    assert mapping.has(5)
    assert not mapping.has(6)


def test_a_mapping_may_leave_classes_out_and_does_not_say_how_many_there_are():
    mapping = map_classes({"7": "Car", "2": 1}, DATASET, "f")
    assert np.flatnonzero(mapping.apply(ALL) != OTHER).tolist() == [2, 7]
    assert (mapping.apply(ALL)[2], mapping.apply(ALL)[7]) == (1, 2)
    assert [mapping.has(count) for count in (7, 8, 19, 256, 257)] == [False, True, True, True, False]


def test_names_of_a_file_are_mapped_in_any_order_and_further_ones_count_as_wrong():
    mapping = map_names(["Car", "Tree", "Sky", "Road"], DATASET, "f")
    assert mapping.apply(ALL)[:5].tolist() == [2, OTHER, 0, 1, OTHER]


def test_a_class_that_the_file_lacks_must_be_meant():
    with pytest.raises(UserError, match="f has no class 'Road' of the dataset; if that is meant, list the dataset's"):
        map_names(["Car", "Sky"], DATASET, "f")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            ["Sky", "Raod"],
            "f: classes: the dataset has no class 'Raod'; did you mean 'Road'\\? it has 'Sky', 'Road', 'Car'",
        ),
        ({"0": "Tree"}, "no class 'Tree'; it has .*; write null for a class of the file that the dataset lacks"),
        ([0, 3], "f: classes: the dataset has the numbers 0 to 2, found 3; correct it"),
        ({"300": "Sky"}, "f: classes: expected numbers of at most 255, found 300; correct it"),
        ([None, None], "f: classes: expected a class of the dataset at least, found none; name one"),
    ],
)
def test_mistakes_are_one_line(entries, message):
    with pytest.raises(UserError, match=message) as caught:
        map_classes(entries, DATASET, "f")
    assert "\n" not in str(caught.value)
