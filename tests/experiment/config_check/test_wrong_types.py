"""Values of wrong types anywhere in an mmengine config are refused in one line, or do not matter."""

import copy

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mmengine.config import Config

from ssr_mmseg.experiment import cfg_options
from ssr_mmseg.experiment.config_check.check import check_config
from ssr_mmseg.experiment.mmseg_config import read_mmseg_config
from ssr_mmseg.settings.named_configs import DERIVED, SUPERNET, NamedConfig
from ssr_mmseg.utils.errors import UserError

CONFIGS = {
    "search": NamedConfig("search", "config/mmseg/supernet_streets.py", SUPERNET),
    "retrain": NamedConfig("retrain", "config/mmseg/ssrnet_streets.py", DERIVED),
    "baseline": NamedConfig("baseline", "config/mmseg/_base_/models/erfnet.py"),
}
READ = ("model", "train_dataloader", "val_dataloader", "optim_wrapper", "param_scheduler", "train_cfg", "val_cfg")
VALUES = [None, 5, -1, 1.5, float("nan"), "", "x", "\x1b[2J", "x" * 100_000, [], {}, [5], [None], [[]], True, (), b"x"]
VALUES += [{"type": None}, {"type": 5}, {"type": []}, {"type": "x" * 100_000}, {"type": "os.system"}, {5: 5}]


def places(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def check(part, path, value, monkeypatch):
    """Check a config with another value at a place; return whether it is accepted."""
    config = read_mmseg_config(CONFIGS[part].name).to_dict()
    node = config
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = copy.deepcopy(value)
    message = ""
    with monkeypatch.context() as patch:
        patch.setattr(cfg_options, "read_mmseg_config", lambda _: Config(config))
        try:
            check_config(CONFIGS[part])
        except UserError as error:
            message = str(error)
    assert message.isprintable()
    assert len(message) < 1500
    return not message


@pytest.mark.parametrize("part", CONFIGS)
@given(data=st.data())
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_wrong_value_anywhere_is_one_line_or_does_not_matter(monkeypatch, part, data):
    paths = list(places(read_mmseg_config(CONFIGS[part].name).to_dict()))
    check(part, data.draw(st.sampled_from(paths)), data.draw(st.sampled_from(VALUES)), monkeypatch)


@pytest.mark.parametrize("key", READ)
@pytest.mark.parametrize("value", [5, {}, "x", None, [5]], ids=repr)
def test_a_wrong_value_of_a_key_that_is_read_is_refused(monkeypatch, key, value):
    assert not check("retrain", (key,), value, monkeypatch)


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_a_backbone_is_a_dict(monkeypatch, value):
    assert not check("baseline", ("model", "backbone"), value, monkeypatch)
