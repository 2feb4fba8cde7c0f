"""The sweeps of the authors' log: the published figures, and the configuration that repeats them at a small scale."""

import csv
import re
from fractions import Fraction

import pytest

from ssr_mmseg import settings
from ssr_mmseg.experiment.cfg_options import read_named_config
from ssr_mmseg.settings.named_configs import search_config
from ssr_mmseg.settings.paths import PROJECT, PUBLISHED
from ssr_mmseg.settings.scenario import cells

LOG = "authors_log.csv"
SWEPT = {  # place of each published setting in a configuration or in its mmengine config
    "shrinking threshold": "threshold",
    "learning rate of alpha": "optim_wrapper.architecture.optimizer.lr",
    "weight decay of alpha": "optim_wrapper.architecture.optimizer.weight_decay",
    "regularizer weight of operators": "train_cfg.objective.operator",
}
NOISE = "sum of the candidates"


def published() -> list[dict[str, str]]:
    with open(PUBLISHED / LOG, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def value_at(search: dict, place: str) -> float:
    """Return the value that a search uses, from its settings or from its config with its options."""
    value = search if place == "threshold" else read_named_config(search_config(search))
    for part in place.split("."):
        value = value[part]
    return value


@pytest.fixture(scope="module")
def config():
    return settings.read_config(PROJECT / "config/log_trends.yaml")


def test_the_published_figures_have_a_source_and_one_default_per_setting():
    rows = published()
    assert {row["setting"] for row in rows} == {*SWEPT, NOISE}
    assert all(re.fullmatch(r"IJCV22-SSR, comment in \w+\.py, lines? \d.*", row["source"]) for row in rows)
    assert all(60 < float(row["miou"]) < 70 for row in rows)
    for setting in SWEPT:
        sweep = [row for row in rows if row["setting"] == setting]
        (default,) = (row for row in sweep if row["relative"] == "1")
        assert float(default["miou"]) == max(float(row["miou"]) for row in sweep) == 68.04
        for row in sweep:
            ratio = float(row["value"]) / float(default["value"])
            assert ratio == pytest.approx(float(Fraction(row["relative"])))


def test_the_variants_have_the_ratios_of_the_published_values(config):
    base = settings.for_dataset(config, "ablation/ssr-shrink-joint")["search"]
    defaults = {place: value_at(base, place) for place in SWEPT.values()}
    assert defaults == {**dict(zip(SWEPT.values(), (0.1, 0.1, 4e-3, 30), strict=True))}
    expected = [
        (SWEPT[row["setting"]], pytest.approx(float(Fraction(row["relative"])) * defaults[SWEPT[row["setting"]]]))
        for row in published()
        if row["setting"] != NOISE and row["relative"] != "1"
    ]
    changes = []
    for name, cell in cells(config).items():
        search = settings.for_dataset(config, name)["search"]
        values = {place: value_at(search, place) for place in SWEPT.values()}
        changed = {place: value for place, value in values.items() if value != defaults[place]}
        assert len(changed) == bool(cell.variant), name
        changes += changed.items()
    assert sorted(changes) == sorted(expected, key=lambda pair: (pair[0], pair[1].expected))


def test_the_small_search_is_that_of_the_default_ablation(config):
    default = settings.read_config(PROJECT / settings.DEFAULTS)
    for stage in ("prepare", "search", "discretize"):
        ours, theirs = (settings.stage_identity(one, stage, "ablation/ssr-shrink-joint") for one in (config, default))
        assert ours == theirs, "a finished search of one is a search of the other"
    assert config["ablation"]["retrain"]
    assert len(cells(config)) == 1 + 10


def test_the_page_shows_the_published_figures():
    page = (PROJECT / "docs/ablation.md").read_text(encoding="utf-8").partition("## The authors' own log\n")[2]
    for row in published():
        assert row["miou"] in page
    for row in published():
        if row["setting"] != NOISE:
            assert f"{row['value']}: {row['miou']}" in page
