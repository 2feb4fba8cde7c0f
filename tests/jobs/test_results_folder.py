"""Results of one experiment do not replace those of another."""

import pytest

from ssr_mmseg import settings
from ssr_mmseg.jobs.results_folder import check_table, check_targets
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.utils.errors import UserError


def experiment(*datasets, name=None):
    entries = {dataset: {"type": "streets", "size": [64, 64]} for dataset in datasets}
    return settings.complete({"name": name, "datasets": entries})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/mars").mkdir(parents=True)


@pytest.mark.parametrize("content", ["", "\n", "a,b\n1,2\n", "dataset\n", "\0", "dataset,network\ntown,x\nmars,y\n"])
def test_a_table_that_is_none_or_has_a_common_dataset_may_be_replaced(content):
    (paths.RESULTS / "table.csv").write_text(content)
    check_table(experiment("mars", "moon"), "own.yaml")


def test_a_table_of_other_datasets_is_not_replaced():
    (paths.RESULTS / "table.csv").write_text("dataset,network\nvillage,x\ntown,x\n")
    with pytest.raises(
        UserError, match=r"^results/table.csv has results on town, village, and own.yaml is about mars;"
    ):
        check_table(experiment("mars"), "own.yaml")
    check_table(experiment("mars", name="mars"), "own.yaml")
    (paths.RESULTS / "mars/table.csv").write_text("dataset,network\ntown,x\n")
    with pytest.raises(UserError, match=r"^results/mars/table.csv has results on town"):
        check_table(experiment("mars", name="mars"), "own.yaml")


def test_joined_results_of_another_experiment_are_no_targets():
    joined = [path for stage in STAGES.values() if not stage.wildcards for path in stage.outputs.values()]
    assert len(joined) >= 9
    check_targets(experiment("mars"), joined)
    for path in joined:
        with pytest.raises(UserError, match="did you mean results/mars/"):
            check_targets(experiment("mars", name="mars"), ["--cores", "2", path])
    check_targets(experiment("mars", name="mars"), ["results/mars/table.csv", "all", "--config", "results/x"])


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", 3, True, "x" * 101])
def test_a_name_is_a_folder_name(name):
    with pytest.raises(UserError, match="name: expected a name"):
        experiment("mars", name=name)
