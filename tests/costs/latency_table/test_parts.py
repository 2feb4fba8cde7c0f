"""The number of parts of a latency table, before they are listed."""

import pytest

from ssr_mmseg.architecture.search_space import SearchSpace, StageSpace
from ssr_mmseg.costs.latency_table import parts
from ssr_mmseg.costs.latency_table.measure import list_parts
from ssr_mmseg.costs.latency_table.predictor import LatencyModel
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.utils.errors import UserError

PAPER = (StageSpace(6, 64, 4), StageSpace(11, 128, 4))
FINE = (StageSpace(2, 600, 1), StageSpace(2, 700, 1))


@pytest.mark.parametrize("points", [2, 3, 9, 64])
def test_the_count_is_an_upper_bound(points, monkeypatch):
    space = SearchSpace(PAPER)
    count = sum(1 for _ in parts.block_parts(space, points))
    monkeypatch.setattr(parts, "MAX_PARTS", 2 * count)
    parts.check_extent(space, points)
    monkeypatch.setattr(parts, "MAX_PARTS", count - 1)
    with pytest.raises(UserError, match="a latency table of this search space has about"):
        parts.check_extent(space, points)


@pytest.mark.parametrize(
    ("space", "points", "message"),
    [
        (SearchSpace(FINE, dilations=(1, 2), width_options=64), 64, "fewer latency.points"),
        (SearchSpace(FINE, dilations=(1,), width_options=500), 2, "fewer width_options in search.space"),
    ],
)
def test_a_table_that_would_fill_the_memory_is_refused(space, points, message):
    table = LatencyTable({"size": [64, 64], "align": 1}, points, 0)
    for use in (list_parts, LatencyModel):
        with pytest.raises(UserError, match=message):
            use(space, table)
