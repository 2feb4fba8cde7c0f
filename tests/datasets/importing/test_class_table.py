import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg.datasets.importing.class_table import KNOWN, find_table, read_table, write_table
from ssr_mmseg.utils.errors import UserError

ROWS = [("road", "#804080"), ("car", "#00008e")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("class_dict.csv", "name,r,g,b\nroad,128,64,128\ncar,0,0,142\n"),
        ("classes.csv", "\ufeffname, red, green, blue\r\nroad, 128, 64, 128\r\n\r\ncar,0,0,142\r\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nroad:128,64,128::\ncar:0,0,142::\n"),
        ("label_colors.txt", "128 64 128\troad\n0 0 142\tcar\n"),
    ],
)
def test_tables_of_colors(name, text, tmp_path):
    (tmp_path / name).write_text(text)
    assert read_table(tmp_path / name) == ROWS
    assert find_table(tmp_path) == tmp_path / name


def test_tables_of_values_and_of_names(tmp_path):
    (tmp_path / "_classes.csv").write_text("Pixel Value, Class\n0, road\n7, car\n")
    assert read_table(tmp_path / "_classes.csv") == [("road", "0"), ("car", "7")]
    (tmp_path / "classes.txt").write_text("road\ncar\n")
    assert read_table(tmp_path / "classes.txt") == [("road", None), ("car", None)]


@given(st.lists(st.text(min_size=1).filter(lambda name: name.strip() == name and name.isprintable()), min_size=1))
def test_the_projects_own_table_is_read_as_it_was_written(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("table") / "classes.csv"
    palette = [[number % 256, number // 256, 9] for number in range(len(names))]
    write_table(path, names, palette)
    read = read_table(path)
    assert [name for name, _ in read] == names
    assert [key for _, key in read] == [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in palette]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"colour,x\nroad,1\n", "has the columns colour, x; expected name, r, g and b, or value and class"),
        ("a.csv", b"name,r,g,b\nroad,1,2\n", "has the line 'road,1,2'; expected "),
        ("a.csv", b"name,r,g,b\nroad,1,2,300\n", "has the line 'road,1,2,300'"),
        ("a.csv", b"name,r,g,b\nroad,1,2,3\ncar,1,2,3\n", "has #010203 twice"),
        ("a.csv", b"\xff\xfe", "is not UTF-8 text"),
        ("a.txt", b"300 0 0 road\n", "expected colors of numbers from 0 to 255"),
        ("a.txt", b"1 2 road\n", "expected a class name, or a name with its color"),
    ],
)  # fmt: skip
def test_malformed_tables_are_one_line(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"could not read the class table .*no.csv: No such file"):
        read_table(tmp_path / "no.csv")


@given(st.sampled_from(KNOWN), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, name, content):
    path = tmp_path_factory.mktemp("table") / name
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert all(isinstance(row[0], str) for row in read_table(path))
