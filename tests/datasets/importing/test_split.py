import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ssr_mmseg.datasets.importing.split import draw_split, read_split, write_split
from ssr_mmseg.utils.errors import UserError

SHARES = {"val": 0.15, "test": 0.15}


@st.composite
def labeled_groups(draw, fewest=3, most=30, classes=6):
    """Groups of 1 to 8 images; a class is in an image with a probability of its own."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = draw(st.lists(st.integers(1, 8), min_size=fewest, max_size=most))
    groups = {f"g{index}": [f"g{index}/{image}" for image in range(size)] for index, size in enumerate(sizes)}
    chance = rng.random(classes) ** 3
    keys = [key for members in groups.values() for key in members]
    return groups, {key: rng.integers(1, 1000, classes) * (rng.random(classes) < chance) for key in keys}


def shares(least=0.01):
    return st.dictionaries(st.sampled_from(["val", "test"]), st.floats(least, 0.45), min_size=1)


def splits_of_groups(groups, assignment):
    """Return the split of each group, after checking that it has one."""
    assert sorted(assignment) == sorted(key for members in groups.values() for key in members)
    found = {name: {assignment[key] for key in members} for name, members in groups.items()}
    assert all(len(splits) == 1 for splits in found.values()), "a group is in two splits"
    return {name: splits.pop() for name, splits in found.items()}


def classes_in(groups, pixels, members):
    return {int(c) for name in members for key in groups[name] for c in np.flatnonzero(pixels[key])}


@given(labeled_groups(), shares(), st.integers(0, 2**32))
def test_groups_stay_whole_and_no_split_is_empty(data, shares, seed):
    groups, pixels = data
    splits = splits_of_groups(groups, draw_split(groups, pixels, shares, seed))
    assert set(splits.values()) == {"train", *shares}


@given(labeled_groups(), st.integers(0, 2**32), st.randoms())
def test_the_seed_decides_and_the_order_does_not(data, seed, random):
    groups, pixels = data
    shuffled = {
        name: random.sample(groups[name], len(groups[name])) for name in random.sample(sorted(groups), len(groups))
    }
    assert draw_split(groups, pixels, SHARES, seed) == draw_split(
        shuffled, dict(reversed(pixels.items())), dict(reversed(SHARES.items())), seed
    )


def test_seeds_draw_different_splits():
    groups = {f"{index:03d}": [f"{index:03d}"] for index in range(100)}
    pixels = {name: np.array([1]) for name in groups}
    draws = {tuple(sorted(draw_split(groups, pixels, SHARES, seed).items())) for seed in range(20)}
    assert len(draws) == 20


@given(labeled_groups(fewest=20), shares(least=0.15), st.integers(0, 2**32))
def test_shares_are_met_within_the_largest_group(data, shares, seed):
    groups, pixels = data
    pixels = {key: np.ones(3, int) for key in pixels}  # no class competes with the shares
    largest, total = max(map(len, groups.values())), len(pixels)
    assume(min(shares.values()) * total >= largest)  # otherwise one group alone may be too much
    assignment = draw_split(groups, pixels, shares, seed)
    for split, share in {"train": 1 - sum(shares.values()), **shares}.items():
        assert abs(list(assignment.values()).count(split) - share * total) <= largest + 1e-6


def test_rare_classes_do_not_outgrow_the_shares():
    """In some of these draws, the groups with rare classes alone give a split too many images."""
    for seed in range(150):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 9, 25)
        groups = {f"g{index}": [f"g{index}/{image}" for image in range(size)] for index, size in enumerate(sizes)}
        chance = rng.random(6) ** 3
        pixels = {key: rng.random(6) < chance for members in groups.values() for key in members}
        splits = list(draw_split(groups, pixels, SHARES, seed).values())
        for split, share in {"train": 0.7, **SHARES}.items():
            assert abs(splits.count(split) - share * sizes.sum()) <= sizes.max()


def missing_classes(groups, pixels, splits, names):
    """Count the classes of at least as many groups as splits that each split misses, and any that train misses."""
    has = {name: classes_in(groups, pixels, [name]) for name in groups}
    everywhere = {c for c in range(6) if sum(c in classes for classes in has.values()) >= len(names)}
    wanted = dict.fromkeys(names, everywhere) | {"train": set().union(*has.values())}
    present = {name: set().union(*(has[group] for group in groups if splits[group] == name)) for name in names}
    return sum(len(wanted[name] - present[name]) for name in names)


@given(labeled_groups(fewest=12, most=30), st.integers(0, 2**32))
def test_no_move_or_exchange_would_bring_a_missing_class(data, seed):
    groups, pixels = data
    names = ["train", "val", "test"]
    splits = splits_of_groups(groups, draw_split(groups, pixels, SHARES, seed))
    missing = missing_classes(groups, pixels, splits, names)
    if missing == 0:
        return
    moves = [splits | {group: name} for group in groups for name in names]
    exchanges = [splits | {a: splits[b], b: splits[a]} for a, b in itertools.combinations(groups, 2)]
    for other in [*moves, *exchanges]:
        assert set(other.values()) != set(names) or missing_classes(groups, pixels, other, names) >= missing


@given(st.lists(st.integers(3, 9), min_size=1, max_size=6), st.integers(0, 2**32))
def test_classes_of_three_groups_are_in_every_split(counts, seed):
    """Each group has one rare class, so that the splits can always have all of them."""
    groups = {f"{c}-{index}": [f"{c}-{index}"] for c, count in enumerate(counts) for index in range(count)}
    pixels = {name: np.eye(6, dtype=int)[int(name[0])] for name in groups}
    splits = draw_split(groups, pixels, SHARES, seed)
    for split in ("train", "val", "test"):
        assert classes_in(groups, pixels, [name for name in groups if splits[name] == split]) == set(range(len(counts)))


@pytest.mark.parametrize("seed", range(10))
def test_a_class_of_one_group_is_in_train(seed):
    groups = {f"{index:02d}": [f"{index:02d}"] for index in range(12)}
    pixels = {name: np.array([1, name == "05"]) for name in groups}
    assert draw_split(groups, pixels, {"val": 0.45, "test": 0.45}, seed)["05"] == "train"


def test_large_groups_and_rare_classes_are_stratified():
    rng = np.random.default_rng(0)
    groups = {f"g{index}": [f"g{index}/{image}" for image in range(10)] for index in range(200)}
    chance = np.array([1, 0.5, 0.1, 0.02])
    pixels = {key: (rng.random(4) < chance).astype(int) for members in groups.values() for key in members}
    assignment = draw_split(groups, pixels, SHARES, 0)
    contains = np.array([pixels[key] > 0 for key in assignment])  # (images, classes)
    splits = np.array(list(assignment.values()))
    for split, share in {"train": 0.7, **SHARES}.items():
        assert contains[splits == split].sum(0) / contains.sum(0) == pytest.approx(share, abs=0.04)


def test_fewer_groups_than_splits():
    groups = {"a": ["a/1", "a/2"], "b": ["b/1"]}
    pixels = {key: np.array([1]) for key in ("a/1", "a/2", "b/1")}
    with pytest.raises(UserError, match=r"at least 3 groups .*folders or sequences.* found 2; .*split: {by: image}"):
        draw_split(groups, pixels, SHARES, 0)
    assert set(draw_split(groups, pixels, {"val": 0.2}, 0).values()) == {"train", "val"}


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"val": 0.0}, "val is 0.0, expected a share"),
        ({"val": 1.0}, "val is 1.0, expected a share"),
        ({"test": -0.1}, "test is -0.1, expected a share"),
        ({"val": float("nan")}, "val is nan, expected a share"),
        ({"val": "0.1"}, "val is '0.1', expected a share"),
        ({"val": 0.7, "test": 0.3}, "sum to 1, expected less than 1"),
        ({"val": 0.7, "test": 0.7}, "sum to 1.4, expected less than 1"),
        ({"valid": 0.1}, "a share of 'valid', expected shares of val and test"),
        ({"train": 0.7, "val": 0.3}, "a share of 'train', expected shares of val and test"),
    ],
)
def test_invalid_shares(shares, message):
    groups = {name: [name] for name in "abcd"}
    with pytest.raises(UserError, match=message):
        draw_split(groups, {name: np.array([1]) for name in groups}, shares, 0)


NAMES = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(NAMES, st.tuples(st.sampled_from(["train", "val", "test"]), NAMES), min_size=1))
def test_written_splits_are_read_back(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("split") / "split.csv"
    assignment = {key: split for key, (split, _) in entries.items()}
    write_split(path, assignment, {key: group for key, (_, group) in entries.items()})
    assert read_split(path) == assignment


def test_written_table(tmp_path):
    write_split(tmp_path / "split.csv", {"b/2": "val", "a/1": "train"}, {"a/1": "a", "b/2": "b"})
    assert (tmp_path / "split.csv").read_text() == "image,split,group\na/1,train,a\nb/2,val,b\n"


def test_names_that_are_not_text(tmp_path):
    with pytest.raises(UserError, match=r"split.csv: the name of an image is not UTF-8"):
        write_split(tmp_path / "split.csv", {"\udcff": "val"}, {"\udcff": "a"})


def test_tables_of_spreadsheets_are_read(tmp_path):
    (tmp_path / "split.csv").write_bytes("\ufeffsplit,image\r\ntrain,a\r\n\r\nval,b\r\n".encode())
    assert read_split(tmp_path / "split.csv") == {"a": "train", "b": "val"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected the columns image,split,group in the first line, found nothing"),
        (b"image;split;group\na;train;a\n", "expected the columns .*, found image;split;group"),
        (b"image,split\na,training\n", "row 2 has the split 'training', expected one of: train, val, test"),
        (b"image,split\na,train\na,val\n", "row 3 names the image 'a' again"),
        (b"image,split\n,train\n", "row 2 has no image"),
        (b"image,split\na\n", "row 2 has 1 columns, expected 2"),
        (b"image,split\n\xff,train\n", "is not a CSV file in UTF-8"),
        (b'image,split\n"a,train\n', "is not a CSV file in UTF-8"),
    ],
)
def test_damaged_tables(tmp_path, content, message):
    (tmp_path / "split.csv").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_split(tmp_path / "split.csv")
    assert "\n" not in str(error.value)


def test_missing_table(tmp_path):
    with pytest.raises(UserError, match=r"could not read .*split.csv: No such file"):
        read_split(tmp_path / "split.csv")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("split") / "split.csv"
    path.write_bytes(b"image,split\n" + content)
    with contextlib.suppress(UserError):
        assert set(read_split(path).values()) <= {"train", "val", "test"}
