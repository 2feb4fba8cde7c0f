import json

import pytest
from latency_tables import key, synthetic
from spaces import SPACE

from ssr_mmseg.costs.latency_table.table import LatencyTable, check_device, difference
from ssr_mmseg.utils.errors import UserError


def test_a_table_survives_the_round_trip(tmp_path):
    table = synthetic(SPACE, points=2)
    table.write(tmp_path / "table.json")
    read = LatencyTable.read(tmp_path / "table.json")
    assert read == table
    assert read.digest == table.digest


def test_the_digest_depends_on_every_latency():
    table, other = synthetic(SPACE, points=2), synthetic(SPACE, points=2)
    name = next(iter(other.entries))
    other.entries[name] *= 1.01
    assert table.digest != other.digest


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{}", "is not a latency table"),
        ("[1]", "is not a latency table"),
        ('{"format": "ssr-latency-1", "entries": {}}', "is not as expected"),
        ('{"format": "ssr-latency-1", "color": 1}', "is not as expected"),
        ("{", "is not valid JSON"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused_in_one_line(tmp_path, value, message):
    path = tmp_path / "table.json"
    path.write_text(value)
    with pytest.raises(UserError, match=message) as caught:
        LatencyTable.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("time", [0, -1.0, float("nan"), "fast", None])
def test_latencies_that_are_not_positive_numbers_are_refused(time):
    value = json.loads(json.dumps(synthetic(SPACE, points=2).to_dict()))
    value["entries"]["block"] = time
    with pytest.raises(UserError, match="delete it and create it again with ssr-mmseg latency-table"):
        LatencyTable.from_dict(value)


def test_the_first_difference_is_described():
    assert difference(key(), key()) is None
    assert difference(key(threads=4), key(threads=2)) == "threads 4, not 2"
    assert difference(key(versions={"torch": "1", "numpy": "2"}), key(versions={"torch": "2", "numpy": "2"})) == (
        "versions torch 1, not 2"
    )


def test_a_table_of_another_device_is_refused_in_one_line():
    table = synthetic(SPACE, points=2)
    check_device(table, "abacus", "table.json")
    with pytest.raises(UserError, match=r"table\.json was measured on abacus, not on slide rule; create one") as caught:
        check_device(table, "slide rule", "table.json")
    assert "\n" not in str(caught.value)
