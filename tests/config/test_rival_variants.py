"""The example of variants in docs/ablation.md: it is a configuration, and its searches are the rivals that it names."""

import re

import pytest
import yaml

from ssr_mmseg import settings
from ssr_mmseg.experiment.cfg_options import read_named_config
from ssr_mmseg.experiment.config_check.check import check_config
from ssr_mmseg.settings.named_configs import search_config
from ssr_mmseg.settings.paths import PROJECT

PAGE = (PROJECT / "docs/ablation.md").read_text(encoding="utf-8")
CELL = "ablation/ssr-shrink-joint"


@pytest.fixture(scope="module")
def config():
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return settings.complete(yaml.safe_load(block), "docs/ablation.md")


def search(config: dict, variant: str) -> dict:
    return settings.for_dataset(config, f"{CELL}-{variant}")["search"]


@pytest.mark.parametrize("variant", ["temperature", "da2s"])
def test_a_rival_passes_the_check(config, variant):
    check_config(search_config(search(config, variant)))


def test_the_rivals_are_those_of_the_text(config):
    temperature, da2s = (read_named_config(search_config(search(config, name))) for name in ("temperature", "da2s"))
    assert search(config, "temperature")["regularizer"] == "none"
    assert temperature["custom_hooks"] == [{"type": "TemperatureHook", "end": 0.05}]
    assert search(config, "da2s")["regularizer"] == "entropy"
    assert da2s["custom_hooks"] == [{"type": "RegularizerRampHook", "begin": 0, "factor": 10}]
    usual = read_named_config(search_config(settings.for_dataset(config, CELL)["search"]))["train_cfg"]["objective"]
    grown = da2s["train_cfg"]["objective"]
    for term in ("operator", "out_width", "mid_width", "depth"):
        assert grown[term] == pytest.approx(usual[term] / 4), "the ramp's mean, 9 / ln 10, is nearly 4"
    assert {term: grown[term] for term in ("cross_entropy", "cost")} == {
        term: usual[term] for term in ("cross_entropy", "cost")
    }
