"""The variants of the default ablation are what their names say."""

import pytest

from ssr_mmseg import settings
from ssr_mmseg.experiment.cfg_options import read_named_config
from ssr_mmseg.experiment.config_check.check import check_config
from ssr_mmseg.settings.named_configs import search_config
from ssr_mmseg.settings.paths import PROJECT

CELL = "ablation/ssr-shrink-joint"
CONFIG = settings.read_config(PROJECT / settings.DEFAULTS)


def search(suffix: str = "") -> tuple[dict, dict]:
    """Return settings and mmengine config of the search of a variant."""
    section = settings.for_dataset(CONFIG, CELL + suffix)["search"]
    return section, read_named_config(search_config(section)).to_dict()


@pytest.mark.parametrize("variant", CONFIG["ablation"]["variants"])
def test_a_variant_passes_the_check(variant):
    check_config(search_config(search(f"-{variant}")[0]))


def test_an_annealed_temperature_takes_the_place_of_the_regularizer():
    section, config = search("-temperature")
    assert section["regularizer"] == "none"
    assert config["custom_hooks"] == [{"type": "TemperatureHook", "end": 0.05}]


def test_operators_with_own_weights_share_none():
    (_, config), (_, changed) = search(), search("-own_weights")
    assert config["train_cfg"]["share_operators"]
    assert changed == {**config, "train_cfg": {**config["train_cfg"], "share_operators": False}}


@pytest.mark.parametrize(
    ("variant", "regularizer", "warmup", "ramp"),
    [
        ("da2s", "entropy", 0.25, {"begin": 0}),
        ("no_warmup", "ssr", 0, {}),
        ("constant_weight", "ssr", 0.25, {"factor": 1}),
        ("paper_schedule", "ssr", 0, {"factor": 1}),
    ],
)
def test_nothing_else_differs(variant, regularizer, warmup, ramp):
    (base, config), (section, changed) = search(), search(f"-{variant}")
    options = section["cfg_options"]
    assert section == {**base, "regularizer": regularizer, "warmup": warmup, "cfg_options": options}
    (usual,) = (hook for hook in config["custom_hooks"] if hook["type"] == "RegularizerRampHook")
    expected = [hook | ramp if hook == usual else hook for hook in config["custom_hooks"]]
    assert changed == {**config, "custom_hooks": expected}
