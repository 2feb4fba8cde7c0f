from pathlib import Path

import pytest
from ablation_files import write_metrics

from ssr_mmseg import settings
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.gap import stage_records, write_gap
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError

TOWN = {"type": "streets", "size": [64, 64]}


def configured(**town) -> dict:
    return settings.complete({"datasets": {"town": {**TOWN, **town}}, "search": {"shrink_stages": 2}})


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A search of three stages whose network was retrained and evaluated."""
    monkeypatch.chdir(tmp_path)
    for stage in range(3):
        write_metrics("town", 7, stage)
    path = Path(paths.EVALUATION.format(dataset="town", seed=7, network="searched"))
    files.write_json(path, {"val": {"miou": 57.5}, "test": {"miou": 40.0}})


def read_gap() -> dict:
    return files.read_json(Path("results/town/seed7/gap.json"))


def test_the_gap_has_a_record_per_stage_and_one_for_the_end(results):
    write_gap(configured(), "town", 7)
    gap = read_gap()
    assert [stage["gap"] for stage in gap["stages"]] == [10.0, 7.0, 4.0]
    assert (gap["hours"], gap["peak_gb"]) == (0.75, 3.0)
    end = gap["end"]
    assert (end["relaxed_miou"], end["one_hot_miou"], end["retrained_miou"]) == (58.0, 54.0, 57.5)
    assert (end["gap"], end["gap_after_retraining"]) == (4.0, 0.5)
    assert (end["cost_ratio"], end["expected_macs"], end["one_hot_macs"]) == (0.7, 700, 600)
    assert end["dimensions_alive"]["resolution"] == 2


def test_a_network_retrained_on_val_is_not_compared_there(results):
    write_gap(configured(train_split="train+val"), "town", 7)
    assert (read_gap()["end"]["retrained_miou"], read_gap()["end"]["gap_after_retraining"]) == (None, None)


def test_decided_share_and_entropy_are_over_the_groups_of_searched_gates(results):
    groups = {"depth": (2, 2), "operator": (4, 1), "mid_width": (8, 8), "out_width": (8, 8)}
    groups = {gate: {"exist": exist, "decided": decided} for gate, (exist, decided) in groups.items()}
    entropy = {"depth": 0.0, "operator": 0.9, "mid_width": 0.0, "out_width": 0.0}
    write_metrics("town", 7, 2, groups=groups, entropy=entropy)
    for dimensions, decided, mean in (
        (["dilation"], 1 / 4, 0.9),
        (["depth", "resolution"], 3 / 6, 3.6 / 6),
        (["depth", "dilation", "resolution", "mid_width", "out_width"], 19 / 22, 3.6 / 22),
        ([], 1.0, 0.0),
    ):
        config = configured(search={"dimensions": dimensions})
        last = stage_records(config, "town", 7)[-1]
        assert (last["gates_decided"], last["mean_entropy"]) == pytest.approx((decided, mean))


def test_a_missing_result_is_named_with_the_command_that_makes_it(results):
    Path("results/town/seed7/shrink1/metrics.json").unlink()
    with pytest.raises(UserError, match=r"shrink1/metrics\.json is missing; make it with: snakemake --cores all "):
        write_gap(configured(), "town", 7)
    write_metrics("town", 7, 1)
    Path("results/town/seed7/evaluate/searched/evaluation.json").unlink()
    with pytest.raises(UserError, match=r"evaluate/searched/evaluation\.json is missing"):
        write_gap(configured(), "town", 7)
    assert not Path("results/town/seed7/gap.json").exists()


def test_metrics_without_a_key_are_one_line(results):
    path = paths.stage_metrics_path({}, "town", 7, 0)
    files.write_json(path, {key: value for key, value in files.read_json(path).items() if key != "cost_ratio"})
    with pytest.raises(UserError, match=f"{path} has no 'cost_ratio'; delete it and make it again"):
        write_gap(configured(), "town", 7)
