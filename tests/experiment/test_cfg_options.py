"""Values of `search.cfg_options` over an mmengine config."""

import copy
import json
from dataclasses import replace

import pytest
import yaml
from mmengine.config import Config, ConfigDict

from ssr_mmseg import settings
from ssr_mmseg.experiment.cfg_options import REPLACED, lay_options, read_named_config
from ssr_mmseg.experiment.config_check.check import check_config
from ssr_mmseg.settings.named_configs import named_configs, search_config
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

NAME = "config/mmseg/supernet_streets.py"
RATE = "optim_wrapper.architecture.optimizer.lr"
SEARCH = {**settings.read_config(PROJECT / settings.DEFAULTS)["search"], "config": NAME}


def named(**options):
    return search_config({**SEARCH, "cfg_options": options})


@pytest.mark.parametrize(
    "options",
    [
        {RATE: 0.3},
        {"train_cfg.objective.operator": 60, RATE: 0.3, "optim_wrapper.architecture.optimizer.weight_decay": 0},
        {"optim_wrapper": {"architecture": {"optimizer": {"lr": 0.3}}}},
        {"optim_wrapper.architecture.optimizer": {"_delete_": True, "type": "SGD", "lr": 0.1}},
        {"optim_wrapper.weights.clip_grad": {"max_norm": 1}},
        {"custom_hooks": [{"type": "HistoryHook"}]},
        {"custom_hooks.1.threshold": 0.5},
        {"param_scheduler.weights.0": {"power": 2}},
        {"load_from": None},
        {},
    ],
    ids=str,
)
def test_values_are_laid_over_as_mmengine_does(options):
    expected = Config.fromfile(PROJECT / NAME)
    expected.merge_from_dict(copy.deepcopy(options))
    before = copy.deepcopy(options)
    assert read_named_config(named(**options)).to_dict() == expected.to_dict()
    assert options == before


def test_the_options_pass_the_check_and_a_search_without_any_reads_the_file():
    check_config(named(**{RATE: 0.3}))
    assert read_named_config(named()).to_dict() == Config.fromfile(PROJECT / NAME).to_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"optim_wrapper.architecure.optimizer.lr": 0.3},
            f"expected a key of {NAME}, which has no optim_wrapper.architecure; did you mean architecture?",
        ),
        ({"zzz.a": 3}, f"expected a key of {NAME}, which has no zzz; "),
        ({"max_epoch": 3}, f"expected a key of {NAME}, which cannot have it; did you mean max_epochs?"),
        ({"train_cfg.objective.cost.weight": 3}, f"expected a key of {NAME}, which cannot have it; known are: none"),
        (
            {"train_cfg.objective.cost.a.b": 3},
            f"expected a key of {NAME}, which has no train_cfg.objective.cost.a; known are: none",
        ),
        ({"custom_hooks.7.threshold": 3}, f"expected a key of {NAME}, which has no custom_hooks.7; known are: 0, 1, 2"),
        ({"custom_hooks.7": {"type": "A"}}, f"expected a key of {NAME}, which cannot have it; known are: 0, 1, 2"),
        ({"custom_hooks.1": 3}, f"expected a value that fits {NAME}, found 3; give the same kind of value"),
        ({"train_cfg.": 3}, f"expected a key of {NAME}, which cannot have it; "),
        ({"": 3}, f"expected a key of {NAME}, which cannot have it; "),
        ({"..": 3}, f"expected a key of {NAME}, which has no ; "),
    ],
    ids=str,
)
def test_a_wrong_key_is_one_line(options, message):
    config = Config.fromfile(PROJECT / NAME)
    with pytest.raises(UserError) as caught:
        lay_options(config, options, NAME)
    assert str(caught.value).startswith(f"search.cfg_options: {next(iter(options))}: {message}")
    assert "\n" not in str(caught.value)
    assert config.to_dict() == Config.fromfile(PROJECT / NAME).to_dict()


@pytest.mark.parametrize(
    ("options", "key", "setting"),
    [
        ({"train_cfg.regularizer": "none"}, "train_cfg.regularizer", "search.regularizer"),
        ({"train_cfg": {"cost": {"target": 0.3}}}, "train_cfg.cost.target", "search.cost"),
        ({"train_dataloader.batch_size": 2}, "train_dataloader.batch_size", "search.batch_size"),
        ({"model.backbone.space.width_options": 3}, "model.backbone.space.width_options", "search.space"),
    ],
)
def test_a_value_that_the_workflow_would_replace_is_refused(options, key, setting):
    with pytest.raises(UserError) as caught:
        read_named_config(named(**options))
    assert str(caught.value) == (
        f"search.cfg_options: {key}: expected a value that the experiment leaves to the config, found one that it "
        f"decides; set {setting} instead"
    )


def test_the_settings_named_for_replaced_values_exist():
    config = settings.read_config(PROJECT / settings.DEFAULTS)
    for setting in REPLACED.values():
        place = config
        for part in setting.split("."):
            place = place[part]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optim_wrapper.weights.optimizer.type": "Adamm"}, "unknown optimizer Adamm; did you mean Adam?"),
        ({"optim_wrapper.weights.optimizer.lrr": 1}, "Adam has no argument lrr; "),
        ({"train_cfg.objective.operatr": 1}, "unknown term operatr; did you mean operator?"),
        ({"custom_hooks": [{"type": "RegularizerRampHook", "begin": 0.5}]}, "missing; RegularizerRampHook needs it"),
    ],
)
def test_a_mistake_in_a_value_names_the_options(options, message):
    with pytest.raises(UserError) as caught:
        check_config(named(**options))
    assert str(caught.value).startswith(f"{NAME} with search.cfg_options")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1e-6", "'0.003'", "3E5", "-1e300", '"7"'])
def test_a_number_that_yaml_reads_as_text_is_refused_with_the_way_to_write_it(text):
    for written in (f"{{{RATE}: {text}}}", f"{{custom_hooks: [{{type: PlateauHook, wait: [{text}]}}]}}"):
        options = yaml.safe_load(written)
        with pytest.raises(UserError, match="expected a number, found the text") as caught:
            lay_options(read_named_config(named()), options, NAME)
        remedy = str(caught.value).partition("write ")[2].partition(",")[0]
        assert yaml.safe_load(remedy) == float(yaml.safe_load(text))


def test_configs_that_differ_in_options_are_checked_apart():
    one, other = named(**{RATE: 0.3}), named(**{RATE: 0.4})
    assert len({one.digest(), other.digest(), named().digest()}) == 3
    assert replace(one, cfg_options=json.dumps({RATE: 0.4})) == other
    variants = {"fast": {"cfg_options": {RATE: 0.3}}, "lazy": {"threshold": 0.05}}
    block = {"regularizer": ["ssr"], "shrink": [True], "dimensions": ["joint"]}
    ablation = {
        "dataset": "town",
        "seeds": [0],
        "search": {},
        "retrain": False,
        "variants": variants,
        "dimensions": {"joint": ["depth"]},
        "blocks": [block, {**block, "variants": ["fast", "lazy"]}],
    }
    config = settings.complete({"datasets": {"town": {"type": "streets", "size": [64, 64]}}, "ablation": ablation})
    options = [config.options for config in named_configs(config) if config.part == "search"]
    assert options == [{}, {RATE: 0.3}]


def test_the_config_is_not_shared_with_the_options():
    """mmengine's merge takes dicts as they are."""
    optimizer = {"_delete_": True, "type": "SGD", "lr": 0.1}
    config = Config({"a": ConfigDict()})
    lay_options(config, {"a.b": optimizer}, NAME)
    config["a"]["b"]["lr"] = 5
    assert optimizer == {"_delete_": True, "type": "SGD", "lr": 0.1}
