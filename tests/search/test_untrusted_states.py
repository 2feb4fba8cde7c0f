"""States and weights with malicious code, wherever a stage reads them: the stage fails with one line."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from malicious import write_all
from tiny_experiment import DATASET, EXPERIMENT, experiment

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.training.checkpoint.state_file import save_state
from ssr_mmseg.utils.files import write_json

NAMES = {"dataset": DATASET, "seed": 0, "network": "paper_cityscapes"}
KINDS = ["legacy.pth", "plain.pth", "reaching.pth", "zipped.pth"]


@pytest.fixture
def place(workplace, tmp_path):
    """Enter a working directory, return a folder of malicious files, and check afterwards that none has run."""
    folder = workplace("here")
    (folder / "own.yaml").write_text(yaml.safe_dump(EXPERIMENT | {"networks": ["searched", NAMES["network"]]}))
    files = tmp_path / "files"
    files.mkdir()
    write_all(files, tmp_path / "marker")
    yield files
    assert not (tmp_path / "marker").exists()


def fails(capfd, *arguments: str) -> str:
    assert main([*arguments, "--config", "own.yaml", "--dataset", DATASET]) == 2
    return capfd.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("command", "pattern"),
    [
        (("shrink", "--stage", "1"), paths.SEARCH_STATE),
        (("discretize",), paths.SHRINK_STATE.replace("{stage}", "1")),
        (("evaluate", "--network", NAMES["network"]), paths.WEIGHTS),
    ],
)
def test_malicious_results_of_an_earlier_stage_are_refused(place, capfd, command, pattern, kind):
    path = Path(pattern.format(**NAMES))
    path.parent.mkdir(parents=True)
    shutil.copy(place / kind, path)
    assert f"{path} is not a readable state file" in fails(capfd, *command)


def test_a_malicious_state_to_resume_from_does_not_run(place):
    config = settings.read_config("own.yaml")
    one = Experiment(config, DATASET, 0)
    work = one.work_folder("search", settings.stage_identity(config, "search", DATASET, 0))
    work.mkdir(parents=True)
    shutil.copy(place / "zipped.pth", work / "state.pth")
    main(
        ["search", "--config", "own.yaml", "--dataset", DATASET]
    )  # it may start over or fail; the fixture checks that nothing ran


def test_malicious_weights_named_in_an_mmengine_config_are_refused(place, capfd):
    base = PROJECT / "config/mmseg/supernet_streets.py"
    Path("mine.py").write_text(f"_base_ = {str(base)!r}\nload_from = {str(place / 'zipped.pth')!r}\n")
    config = settings.merge(experiment(), {"search": {"config": "mine.py"}})
    write_json(Path("own.yaml"), config)
    assert "zipped.pth is not a readable state file" in fails(capfd, "search")


@pytest.mark.parametrize(
    ("command", "pattern", "state"),
    [
        (("shrink", "--stage", "1"), paths.SEARCH_STATE, {}),
        (("shrink", "--stage", "1"), paths.SEARCH_STATE, {"model": {"backbone.architecture.alive_depth": 3}}),
        (("discretize",), paths.SHRINK_STATE.replace("{stage}", "1"), {"model": {"x": torch.zeros(1)}}),
        (("discretize",), paths.SHRINK_STATE.replace("{stage}", "1"), {"model": [1]}),
        (("evaluate", "--network", NAMES["network"]), paths.WEIGHTS, {"model": {"x": torch.zeros(1)}}),
        (("evaluate", "--network", NAMES["network"]), paths.WEIGHTS, {"model": {1: 2}}),
    ],
)
def test_a_valid_file_with_other_content_is_refused(place, capfd, command, pattern, state):
    path = Path(pattern.format(**NAMES))
    save_state(path, state)
    weights = pattern == paths.WEIGHTS
    expected = f"{path} are not the weights of" if weights else "is not the state that this stage needs"
    assert expected in fails(capfd, *command)
