import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg.datasets.importing.sequences import GROUPINGS, auto_grouping, group_keys, sequence_of
from ssr_mmseg.utils.errors import UserError


@pytest.mark.parametrize(
    ("key", "sequence", "number"),
    [
        ("seq1/frame_0001", "seq1/frame", 1),
        ("aachen_000001_000019", "aachen_000001", 19),
        ("aachen/aachen_000001_000019", "aachen/aachen_000001", 19),
        ("0016E5_07959", "0016E5", 7959),
        ("0006R0_f00930", "0006R0", 930),
        ("drive_Frame-12", "drive", 12),
        ("cam_frame_0012_left", "cam_left", 12),
        ("leaf_12", "leaf", 12),
        ("roof12", "roof", 12),
        ("DJI_0042", "DJI", 42),
        ("IMG_20240131_101500", "IMG_20240131", 101500),
        ("0001_left", "left", 1),
        ("drive/0012_left", "drive/left", 12),
        ("cam-0012-left", "cam-left", 12),
        ("left12right", "leftright", 12),
        ("frame (7)", "frame", 7),
        ("seq1/0001", "seq1", 1),
        ("0001", ".", 1),
        ("day2/photo", "day2/photo", None),  # the folder's digits are no frame number
        ("photo", "photo", None),
    ],
)
def test_names_of_cameras_and_data_sets(key, sequence, number):
    assert sequence_of(key) == (sequence, number)


@given(
    st.sampled_from(["", "a/", "a/b7/"]),
    st.text("abfFXYZ_-", max_size=6),
    st.integers(0, 10**6),
    st.integers(0, 8),
    st.integers(0, 10**6),
)
def test_frames_that_differ_only_in_their_number_are_one_sequence(folder, prefix, first, digits, second):
    one, other = (sequence_of(f"{folder}{prefix}{number:0{digits}d}") for number in (first, second))
    assert one[0] == other[0]
    assert (one[1], other[1]) == (first, second)


KEYS = ["b/t_10", "b/t_9", "a/t_2", "a/u_1", "a/t_1", "root_3", "root"]


def test_groups_are_sorted_by_frame_number():
    assert group_keys(KEYS, "sequence") == {
        "a/t": ["a/t_1", "a/t_2"],
        "a/u": ["a/u_1"],
        "b/t": ["b/t_9", "b/t_10"],
        "root": ["root", "root_3"],
    }
    assert group_keys(KEYS, "folder") == {
        ".": ["root", "root_3"],
        "a": ["a/t_1", "a/u_1", "a/t_2"],
        "b": ["b/t_9", "b/t_10"],
    }
    assert group_keys(KEYS, "image") == {key: [key] for key in sorted(KEYS)}


@given(st.permutations(KEYS), st.sampled_from(sorted(GROUPINGS)))
def test_groups_do_not_depend_on_the_order_of_the_keys(keys, by):
    assert list(group_keys(keys, by).items()) == list(group_keys(KEYS, by).items())


def test_unknown_grouping():
    with pytest.raises(UserError, match=r"by is 'city', expected one of: sequence, folder, image"):
        group_keys(KEYS, "city")


@pytest.mark.parametrize(
    ("keys", "grouping"),
    [
        (["a/1", "a/2", "b/1"], "folder"),
        (["1", "a/1"], "folder"),
        (["a/x_1", "a/x_2", "a/y_1", "a/y_2"], "sequence"),
        (["x_1", "x_2", "y_1", "z_1"], "sequence"),  # half of the images have company
        (["x_1", "x_2", "y_1", "z_1", "w_1"], "image"),
        (["x_1", "x_2", "x_3"], "image"),  # a single sequence cannot be split
        (["berlin", "paris"], "image"),
        ([], "image"),
    ],
)
def test_automatic_grouping(keys, grouping):
    assert auto_grouping(keys) == grouping
