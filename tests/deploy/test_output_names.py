"""Outputs of any inputs: distinct, the same in each run, and never an input."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg.deploy.inputs import expand_inputs, is_video
from ssr_mmseg.deploy.output_names import output_targets
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.live_input import LiveInput

OUT = Path("/out")


def names(*sources, masks=False):
    """Names of the pictures and masks of inputs."""
    inputs = [Path(source) if isinstance(source, str) else source for source in sources]
    targets = output_targets(inputs, list(map(is_video, inputs)), OUT, masks)
    return [path.name for target in targets for path in target.paths]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("a/x.jpg", "b/y.jpg"), ["x.png", "y.png"]),
        (("a/x.jpg", "b/x.jpg"), ["a_x.png", "b_x.png"]),
        (("a/x.jpg", "b/x.png", "c/y.png"), ["a_x.png", "b_x.png", "y.png"]),
        (("a/x.jpg", "a/x.png"), ["x_jpg.png", "x_png.png"]),
        (("a/x.jpg", "a/x.png", "b/x.png"), ["a_x_jpg.png", "a_x_png.png", "b_x_png.png"]),
        (("/1/a/x.jpg", "/2/a/x.jpg"), ["1_a_x.png", "2_a_x.png"]),
        (("/x.jpg", "/a/x.jpg"), ["x.png", "a_x.png"]),
        (("a/x.mp4", "a/x.jpg"), ["x.mp4", "x.png"]),
        (("a/x.mp4", "a/x.avi"), ["x_mp4.mp4", "x_avi.mp4"]),
        (("a/X.jpg", "a/x.jpg"), ["X.png", "x_2.png"]),  # one file where case does not count
        (("/a_b/c/x.jpg", "/a/b_c/x.jpg"), ["c_x.png", "b_c_x.png"]),
        (("/a_b/x.jpg", "/a/b/x.jpg"), ["a_b_x.png", "b_x.png"]),
        (("a/x.jpg", "b/x.jpg", "c/a_x.jpg"), ["a_x.png", "b_x.png", "a_x_2.png"]),
        ((LiveInput(0), LiveInput(1)), ["camera0.mp4", "camera1.mp4"]),
        ((LiveInput("rtsp://h/a?k=1"), LiveInput("rtsp://h/a?k=2")), ["h_a.mp4", "h_a_2.mp4"]),
    ],
)
def test_names_are_as_long_as_they_must_be(sources, expected):
    assert names(*sources) == expected


def test_masks_have_names_of_their_own():
    assert names("x.jpg", "x.mp4", masks=True) == ["x.png", "x_mask.png", "x.mp4", "x_mask"]
    assert names("x.jpg", "x_mask.jpg", masks=True) == ["x.png", "x_mask.png", "x_mask_2.png", "x_mask_2_mask.png"]
    assert names("x_mask.jpg", "x.jpg", masks=True) == ["x_mask.png", "x_mask_mask.png", "x_2.png", "x_2_mask.png"]


paths = st.builds(
    lambda parts, stem, suffix: Path("/", *parts, f"{stem}.{suffix}"),
    st.lists(st.sampled_from(["a", "b", "a_b", "mask", "A"]), max_size=3),
    st.sampled_from(["x", "X", "a_x", "x_mask", "x_2", "b_x_jpg", "é", "\udcff"]),
    st.sampled_from(["jpg", "png", "JPG", "mp4", "avi"]),
)


@given(st.lists(paths, unique=True, max_size=12), st.booleans())
def test_any_inputs_have_outputs_that_differ_also_without_case(sources, masks):
    outputs = names(*map(str, sources), masks=masks)
    assert len({name.casefold() for name in outputs}) == len(outputs) == len(sources) * (1 + masks)
    assert outputs == names(*map(str, sources), masks=masks)


def test_an_input_is_never_overwritten(tmp_path):
    for name in ("x.jpg", "x.png", "y.jpg", "y_mask.png"):
        (tmp_path / name).touch()
    for taken, masks in ((["x.png"], False), (["y.jpg", "y_mask.png"], True)):
        inputs = [tmp_path / name for name in taken]
        with pytest.raises(UserError, match="is an input and would be overwritten; choose another folder for --out"):
            output_targets(inputs, [False] * len(inputs), tmp_path, masks)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(UserError, match="would be overwritten"):
        output_targets([tmp_path / "x.png"], [False], link, False)


def test_thousands_of_inputs_are_compared_in_linear_time(tmp_path, monkeypatch):
    sources = [tmp_path / f"{folder}/{number}.jpg" for folder in ("a", "b") for number in range(1000)]
    resolved, compared = [], []
    resolve, equal = Path.resolve, Path.__eq__
    monkeypatch.setattr(Path, "resolve", lambda path: resolved.append(path) or resolve(path))
    monkeypatch.setattr(Path, "__eq__", lambda path, other: compared.append(path) or equal(path, other))
    monkeypatch.setattr(Path, "__hash__", lambda path: hash(str(path)))
    assert len(output_targets(sources, [False] * len(sources), OUT, True)) == len(sources)
    assert len(resolved) <= 3 * len(sources)
    assert len(compared) <= 20 * len(sources)


def test_an_input_that_comes_twice_is_predicted_once(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.png").touch()
    monkeypatch.chdir(tmp_path)
    inputs = [Path("a"), Path("a/x.png"), Path("a/../a/x.png"), tmp_path / "a", LiveInput(0), LiveInput(0)]
    assert expand_inputs(inputs) == [Path("a/x.png"), LiveInput(0)]
    assert os.getcwd() == str(tmp_path)
