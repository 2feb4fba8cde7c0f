"""Files of mmengine configs: plain Python that reads back equal."""

import pytest
from mmengine.config import Config

from ssr_mmseg.experiment.standalone_config import standalone, write_config
from ssr_mmseg.utils.errors import UserError

VALUES = {
    "model": {"type": "A", "size": (2, 3), "parts": [{"type": "B", "none": None}, (1.5, True)], "empty": {}},
    "words": "quotes ' \" and \\ and \n and ümlaut, " + 50 * "long ",
    "numbers": [1e-7, -3, *range(200)],
}


def test_a_written_config_reads_back_equal(tmp_path):
    write_config(tmp_path / "config.py", Config(VALUES))
    assert Config.fromfile(tmp_path / "config.py").to_dict() == VALUES
    assert all(len(line) <= 120 for line in (tmp_path / "config.py").read_text().splitlines() if "long" not in line)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), int, {1, 2}])
def test_a_value_without_a_literal_is_one_line(tmp_path, value):
    with pytest.raises(UserError, match=r"has .* as model\.parts\.1, expected text, numbers, lists and dicts only"):
        write_config(tmp_path / "config.py", Config({"model": {"parts": [0, value]}}))
    assert not list(tmp_path.iterdir())


def test_the_parts_that_mmsegs_tools_need_are_added_and_others_left_out():
    data = {"type": "D", "pipeline": [{"type": "LoadImageFromFile"}]}
    config = Config({"model": {"type": "A"}, "val_evaluator": {"type": "E"}, "test_cfg": None, "max_epochs": 3})
    result = standalone(config, data)
    assert result["custom_imports"]["imports"] == ["ssr_mmseg.experiment.register"]
    assert result["visualizer"]["type"] == "SegLocalVisualizer"
    assert result["test_evaluator"] == {"type": "E"}
    assert result["test_cfg"] == {"type": "TestLoop"}
    assert result["test_dataloader"]["dataset"] == data
    assert result["test_pipeline"] == data["pipeline"]
    assert "max_epochs" not in result
