import time
import warnings
from pathlib import Path

import pytest
import yaml

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.experiment.cfg_options import REPLACED
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.search.loop import halves
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

TEXT = """
datasets:
  town: {type: streets, size: [32, 64], options: {train: 9, val: 2, test: 1, seed: 0}}
search: {batch_size: 4, min_steps: 1}
retrain: {batch_size: 4, min_steps: 1, epochs: 5}
device: cpu
"""
GENOTYPE = Genotype.read(PROJECT / "config/genotypes/paper_cityscapes.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = settings.complete(yaml.safe_load(TEXT))
        prepare(settings.for_dataset(config, "town")["dataset"], folder / "results/town/prepare")
    return folder


@pytest.fixture
def make(folder, monkeypatch):
    """Build the experiment of TEXT with some keys changed."""
    monkeypatch.chdir(folder)

    def build(changes: str = "{}", seed: int = 0) -> Experiment:
        config = settings.complete(settings.merge(yaml.safe_load(TEXT), yaml.safe_load(changes)))
        return Experiment(config, "town", seed)

    return build


def test_the_halves_are_disjoint_and_nearly_cover_the_training_set():
    weights, architecture = halves(9, seed=0)
    assert len(weights) == 4
    assert sorted(weights + architecture) == list(range(9))
    assert halves(9, seed=1) != (weights, architecture)


@pytest.mark.parametrize("split", ["halves", "whole"])
def test_the_two_loaders_of_a_search_use_the_configured_images(make, split, tmp_path):
    runner = make(f"search: {{split: {split}}}").search_runner(None, 1, 2, tmp_path)
    loop = runner.build_train_loop(runner._train_loop)
    seen = [set(loader.dataset.indices) for loader in (loop.dataloader, loop.architecture_dataloader)]
    assert (seen[0] & seen[1] == set()) == (split == "halves")
    assert seen[0] | seen[1] == set(range(9))


def test_runners_of_one_second_have_loggers_hubs_and_visualizers_of_their_own(make, tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr("mmengine.runner.runner.time.time", lambda: now)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".* has been created, the method `get_instance`")
        one, other = (make().search_runner(None, 1, 2, tmp_path / folder / "work") for folder in "ab")
    for part in ("logger", "message_hub", "visualizer"):
        assert getattr(one, part) is not getattr(other, part)
    assert (one.timestamp, Path(one.log_dir)) == (other.timestamp, tmp_path / f"a/work/log/{other.timestamp}")


def test_options_reach_the_optimizer_and_the_objective_of_a_search(make, tmp_path):
    options = "{optim_wrapper.architecture.optimizer.lr: 0.3, train_cfg.objective.operator: 60, custom_hooks: []}"
    runner = make(f"search: {{cfg_options: {options}}}").search_runner(None, 1, 2, tmp_path)
    assert runner.optim_wrapper["architecture"]["optimizer"]["lr"] == 0.3
    loop = runner.build_train_loop(runner._train_loop)
    assert (loop.objective.weights["operator"], loop.objective.weights["depth"]) == (60, 15)
    hooks = [type(hook).__name__ for hook in runner.hooks]
    assert {"HistoryHook", "ShrinkingHook", "GateHistoryHook"} <= set(hooks), "the workflow needs them"
    assert "cfg_options" not in (tmp_path / "log/config.py").read_text()


def test_a_wrong_option_is_one_line_before_anything_is_written(make, folder):
    from ssr_mmseg.stages.search import search

    experiment = make("search: {cfg_options: {optim_wrapper.architecure.lr: 0.3}}")
    before = sorted(folder.rglob("*"))
    with pytest.raises(UserError, match=r"^search\.cfg_options: optim_wrapper\.architecure\.lr: expected a key of"):
        search(experiment.config, "town", 0)
    assert sorted(folder.rglob("*")) == before


def test_every_training_key_that_a_search_replaces_is_refused_as_an_option(make, monkeypatch, tmp_path):
    changes: dict = {}

    def lay_over(self, config, values, *_):
        changes.update(values)
        raise KeyboardInterrupt

    monkeypatch.setattr(Experiment, "_lay_over", lay_over)
    with pytest.raises(KeyboardInterrupt):
        make().search_runner(None, 1, 2, tmp_path)
    replaced, refused = ({key for key in keys if key.startswith("train_cfg.")} for keys in (changes, REPLACED))
    assert replaced == refused


def test_every_head_has_the_number_of_classes_and_their_measured_weights(make):
    experiment = make()
    for model in (experiment.supernet(None), experiment.network("fast_scnn", None), experiment.network("p", GENOTYPE)):
        heads = [model["decode_head"], *model.get("auxiliary_head", [])]
        assert {head["num_classes"] for head in heads} == {11}
        assert all(len(head["loss_decode"]["class_weight"]) == 11 for head in heads)
    searching, training = experiment.supernet(None), experiment.network("p", GENOTYPE)
    weights = [model["decode_head"]["loss_decode"]["class_weight"] for model in (searching, training)]
    assert weights[0] != weights[1], "frequencies and formulas differ between labels at 1/8 and at full size"


@pytest.mark.parametrize(("config", "end"), [("ssrnet_cityscapes", 6), ("ssrnet_streets", 5)])
def test_the_learning_rate_is_not_zero_in_the_last_epoch(make, tmp_path, config, end):
    """mmengine's polynomial is 0 at its end, which must come one epoch after the last if it changes by epoch."""
    runner = make(f"retrain: {{config: config/mmseg/{config}.py}}").retrain_runner("p", GENOTYPE, tmp_path)
    assert [scheduler["end"] for scheduler in runner.param_schedulers] == [end]


def test_a_training_that_ends_within_its_warm_up_is_one_line(make, tmp_path):
    short = "retrain: {epochs: 1, config: config/mmseg/ssrnet_camvid_short.py}"
    with pytest.raises(UserError, match="1 epochs end within the schedule's warm-up: PolyLR begins at 1; train longer"):
        make(short).retrain_runner("p", GENOTYPE, tmp_path)


def test_a_config_may_have_several_metrics_and_no_hooks(make, tmp_path):
    (tmp_path / "plain.py").write_text(
        f"_base_ = [{str(PROJECT / 'config/mmseg/ssrnet_streets.py')!r}]\n"
        "val_evaluator = [dict(type='IoUMetric', iou_metrics=[name], prefix=name) for name in ('mIoU', 'mDice')]\n"
        "custom_hooks = []\n"
    )
    runner = make(f"retrain: {{config: {tmp_path}/plain.py}}").retrain_runner("p", GENOTYPE, tmp_path / "work")
    runner.train()
    assert [metric.metrics for metric in runner.val_loop.evaluator.metrics] == [["mIoU"], ["mDice"]]
    assert {metric.collect_device for metric in runner.val_loop.evaluator.metrics} == {"gpu"}
    assert len(runner.message_hub.get_info("history")) == runner.max_epochs


def test_train_and_val_are_both_trained_on_if_configured(make, tmp_path):
    both = make("datasets: {town: {train_split: train+val}}")
    assert both.train_splits == ["train", "val"]
    loader = both.retrain_runner("p", GENOTYPE, tmp_path)._train_dataloader
    assert len(loader["dataset"]["datasets"]) == 2
    assert both.data.image_count(both.train_splits) == 11


def test_a_batch_larger_than_the_training_set_is_one_line(make, tmp_path):
    runner = make("retrain: {batch_size: 16}").retrain_runner("p", GENOTYPE, tmp_path)
    with pytest.raises(UserError, match="batch_size is 16 but there are only 9 images to train on; lower it"):
        runner.train()


def test_a_work_folder_is_named_by_settings_and_data(make):
    experiment = make()
    name = experiment.work_folder("search", "abc")
    assert name == make().work_folder("search", "abc")
    assert name != experiment.work_folder("search", "abd")
    experiment.manifest["digest"] = "other data"
    assert name != experiment.work_folder("search", "abc")
