import csv
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ablation_files import write_metrics
from scipy import stats

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.report.ablation_text import answer, paired_tests, report
from ssr_mmseg.report.ablation_variants import variant_tests
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.ablation import COLUMNS, write_ablation
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError

NOISE = (0.3, -0.2, 0.1, -0.4, 0.2, 0.0)
MEASURED = {
    "relaxed_miou": 60.0,
    "one_hot_miou": 50.0,
    "gates_decided": 0.5,
    "entropy": 0.5,
    "cost_ratio": 0.7,
    "one_hot_macs": 2_500_000,
}


def table(gaps: dict[tuple[str, str, str], list[float]]) -> pd.DataFrame:
    """Return the rows of searches from their gaps by regularizer, shrinking and dimensions: one value per seed."""
    rows = [
        {
            **dict.fromkeys(COLUMNS),
            **MEASURED,
            **dict(zip(("regularizer", "shrink", "dimensions"), cell, strict=True)),
            "dataset": "town",
            "seed": seed,
            "gap": gap,
            "commit": "abc",
        }
        for cell, values in gaps.items()
        for seed, gap in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def around(mean: float, seeds: int = 6, order: int = 1) -> list[float]:
    return [mean + noise for noise in NOISE[:seeds][::order]]


def one_setting(ours: list[float], without: list[float]) -> pd.DataFrame:
    return table({("ssr", "on", "joint"): ours, ("none", "on", "joint"): without})


@pytest.fixture
def config():
    blocks = [{"regularizer": ["ssr", "none"], "shrink": [True, False], "dimensions": ["joint"]}]
    axes = {"dimensions": {"joint": ["depth", "dilation"]}, "blocks": blocks}
    ablation = {"dataset": "town", "seeds": [0, 3], "search": {"shrink_stages": 1}, "retrain": False, **axes}
    return settings.complete({"datasets": {"town": {"type": "streets", "size": [64, 64]}}, "ablation": ablation})


@pytest.fixture
def results(tmp_path, monkeypatch):
    """The metrics of all searches of `config`."""
    monkeypatch.chdir(tmp_path)
    for regularizer, shrink, seed in itertools.product(("ssr", "none"), ("shrink", "keep"), (0, 3)):
        gap = {"ssr": 1.0, "none": 9.0}[regularizer] + seed / 10
        for stage in range(2):
            cell = f"ablation/{regularizer}-{shrink}-joint"
            write_metrics(cell, seed, stage, relaxed_miou=50.0 + gap, one_hot_miou=50.0 if stage else 0.0)


def test_a_row_per_cell_and_seed_from_the_last_stage(config, results):
    write_ablation(config)
    with open("results/ablation.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 2
    assert tuple(rows[0]) == COLUMNS
    wanted = {"dataset": "town", "regularizer": "none", "shrink": "off", "dimensions": "joint", "seed": "3"}
    (row,) = [row for row in rows if wanted.items() <= row.items()]
    assert (row["relaxed_miou"], row["one_hot_miou"], row["gap"]) == ("59.3", "50.0", "9.3")
    assert (row["hours"], row["commit"], row["retrained_miou"]) == ("0.5", "abc", "")
    assert (row["entropy"], row["gates_decided"], row["alive_out_width"]) == ("0.5", "0.5", "4")
    text = Path("results/ablation.md").read_text(encoding="utf-8")
    assert "8 searches at commit abc" in text
    assert "SSR's discretization gap" in text


def test_variants_have_rows_and_a_table_of_comparisons(config, results):
    ablation = config["ablation"]
    ablation["variants"] = {"fast": {"epochs": 3}}
    ablation["blocks"] = [*ablation["blocks"], {**ablation["blocks"][0], "regularizer": ["ssr"], "variants": ["fast"]}]
    for shrink, seed in itertools.product(("shrink", "keep"), (0, 3)):
        for stage in range(2):
            cell = f"ablation/ssr-{shrink}-joint-fast"
            write_metrics(cell, seed, stage, relaxed_miou=53.0 + seed / 3, one_hot_miou=50.0)
    write_ablation(config)
    rows = pd.read_csv("results/ablation.csv", keep_default_na=False)
    assert len(rows) == 2 * 2 * 2 + 2 * 2
    assert rows.variant.tolist().count("fast") == 4
    text = Path("results/ablation.md").read_text(encoding="utf-8")
    assert "Searching `joint` with shrinking, SSR's discretization gap is" in text, "variants are no part of it"
    assert "| joint | on | ssr | fast | 2 | 1.15 | 3.50 | 2.35 |" in text.partition("### Discretization gap")[2]
    assert "mIoU after retraining" not in text


def test_retrained_networks_are_included_on_request(config, results):
    config["ablation"]["retrain"] = True
    with pytest.raises(UserError, match=r"results/ablation/ssr-shrink-joint/seed0/evaluate/searched/.* is missing"):
        write_ablation(config)
    for regularizer, shrink, seed in itertools.product(("ssr", "none"), ("shrink", "keep"), (0, 3)):
        names = {"dataset": f"ablation/{regularizer}-{shrink}-joint", "seed": seed, "network": "searched"}
        files.write_json(Path(paths.EVALUATION.format(**names)), {"val": {"miou": 61.0}})
    write_ablation(config)
    assert set(pd.read_csv("results/ablation.csv").retrained_miou) == {61.0}
    text = Path("results/ablation.md").read_text(encoding="utf-8")
    assert "| one-hot multiply-adds (M) | retrained mIoU |" in text
    assert "| joint | on | none | 2 | 0.00 | 0.00 to 0.00 | 1.000 | 1.000 |" in text.partition("after retraining")[2]


def test_mious_after_retraining_are_tested_and_counted():
    gaps = {(name, "on", "joint"): around(1.0) for name in ("ssr", "none", "entropy", "zero_one")}
    gaps |= {("ssr", "off", "joint"): around(1.0), ("none", "off", "joint"): around(1.0)}
    rows = table(gaps)
    levels = {"ssr": 60.0, "none": 52.0, "entropy": 63.0, "zero_one": 60.0}
    noise = pd.Series([*NOISE, *NOISE[::-1]] * 3)
    rows["retrained_miou"] = rows.regularizer.map(levels) + noise
    rows.loc[(rows.regularizer == "none") & (rows["shrink"] == "off") & (rows.seed == 5), "retrained_miou"] = None
    means, _, section = report(rows).partition("## Paired tests of the mIoU after retraining against SSR\n")
    assert "| 2.50 [2.50, 2.50] |" in means, "multiply-adds in millions"
    assert (
        "Of 4 differences, SSR's mIoU is significantly higher in 2 (`none` with shrinking, `none` without shrinking) "
        "and significantly lower in 1 (`entropy` with shrinking); in 1 there is no significant difference." in section
    )
    assert "| joint | on | zero_one | 6 | 0.00 |" in section
    assert "| joint | off | none | 5 | 8." in section
    one = report(rows[rows.seed == 0]).partition("## Paired tests of the mIoU after retraining")[2]
    assert "No difference can be tested on one seed." in one
    assert "nan" not in one


def test_a_missing_search_is_one_line_and_the_old_table_stays(config, results):
    files.write_text(Path("results/ablation.csv"), "old\n")
    path = paths.stage_metrics_path({}, "ablation/none-keep-joint", 3, 1)
    path.unlink()
    with pytest.raises(UserError, match=f"{path} is missing; make it with: snakemake --cores all {path}"):
        write_ablation(config)
    assert Path("results/ablation.csv").read_text() == "old\n"


def test_a_configuration_without_an_ablation_is_an_error(config, results):
    del config["ablation"]
    with pytest.raises(UserError, match="the configuration has no section ablation"):
        write_ablation(config)


@pytest.mark.parametrize(
    ("ours", "without", "sentence"),
    [
        (
            around(1.0),
            around(9.0, order=-1),
            "Searching `joint` with shrinking, SSR's discretization gap is smaller than without it: 1.00 against 9.00 "
            "points of mIoU (6 seeds, difference -8.00, 95 % interval -8.",
        ),
        (
            around(9.0),
            around(1.0, order=-1),
            "Searching `joint` with shrinking, SSR's discretization gap is larger than without it: 9.00 against 1.00 "
            "points of mIoU (6 seeds, difference 8.00, ",
        ),
        (
            around(1.0),
            around(1.01, order=-1),
            "Searching `joint` with shrinking, SSR's discretization gap does not differ significantly from the gap "
            "without it: 1.00 against 1.01 points of mIoU (6 seeds, difference -0.01, ",
        ),
        (
            [2.0],
            [3.0],
            "Searching `joint` with shrinking, SSR's discretization gap cannot be tested against that without it on "
            "one seed: 2.00 against 3.00 points of mIoU.",
        ),
        ([0.0] * 3, [0.0] * 3, "Searching `joint` with shrinking, SSR's discretization gap does not differ "),
    ],
)
def test_the_conclusion_states_what_the_numbers_show(ours, without, sentence):
    text = answer(paired_tests(one_setting(ours, without), "gap"))
    assert text.startswith(sentence)
    assert text.endswith(".")
    assert ("does not prove that they are equal" in text) == ("does not differ" in text)


def test_several_settings_are_counted_and_listed_one_by_one():
    gaps = {
        ("ssr", "on", "joint"): around(1.0),
        ("none", "on", "joint"): around(9.0, order=-1),
        ("ssr", "off", "joint"): around(1.0),
        ("none", "off", "joint"): around(1.0, order=-1),
        ("ssr", "on", "depth"): around(5.0),
        ("none", "on", "depth"): around(1.0, order=-1),
    }
    overall, _, *lines = answer(paired_tests(table(gaps), "gap")).splitlines()
    assert overall == (
        "Of 3 settings, SSR's gap is significantly smaller than without it in 1 and significantly larger in 1; in 1 "
        "there is no significant difference."
    )
    assert [line[:40] for line in lines] == [
        "- Searching `joint` with shrinking, SSR'",
        "- Searching `joint` without shrinking, S",
        "- Searching `depth` with shrinking, SSR'",
    ]


def test_tests_are_paired_by_seed_and_corrected_within_a_setting():
    gaps = {
        ("none", "on", "joint"): [9.0, 8.0, 9.5],
        ("entropy", "on", "joint"): [5.0, 1.0, 2.0],
        ("ssr", "on", "joint"): [1.0, 0.5, 1.0],
        ("ssr", "off", "joint"): [1.0, 0.0, 2.0],
        ("none", "off", "joint"): [4.0, 4.5, 7.0],
    }
    rows = table(gaps)
    shuffled = rows.sample(frac=1, random_state=0)
    by_name = {(test.shrink, test.other): test for test in paired_tests(shuffled, "gap")}
    assert by_name == {(test.shrink, test.other): test for test in paired_tests(rows, "gap")}
    assert set(by_name) == {("on", "none"), ("on", "entropy"), ("off", "none")}
    none, entropy, alone = by_name["on", "none"], by_name["on", "entropy"], by_name["off", "none"]
    assert none.p == pytest.approx(2 * none.comparison.t_p)
    assert entropy.p == pytest.approx(max(entropy.comparison.t_p, none.p))
    assert alone.p == alone.comparison.t_p


def test_only_seeds_that_both_have_are_paired():
    rows = one_setting([1.0, 2.0, 3.0], [2.0, 4.0])
    (test,) = paired_tests(rows, "gap")
    assert (test.comparison.pairs, test.ours_mean, test.other_mean) == (2, 1.5, 3.0)


@pytest.mark.parametrize("names", [("none", "entropy"), ("ssr",), ("ssr", "entropy")])
def test_an_ablation_without_a_comparison_has_no_conclusion(names):
    text = report(table({(name, "on", "joint"): around(1.0) for name in names}))
    assert "No conclusion: no setting has both SSR and a search without a regularizer." in text


def test_the_report_shows_means_intervals_and_tests():
    text = report(one_setting(around(1.0), around(9.0, order=-1)))
    (line,) = [line for line in text.splitlines() if line.startswith("| joint | on | ssr | 6 |")]
    assert "| 1.00 [0.73, 1.27] |" in line
    (line,) = [line for line in text.splitlines() if line.startswith("| joint | on | none | 6 | -8.00 |")]
    assert line.split(" | ")[6:9] == ["< 0.001", "< 0.001", "0.031"]


def test_one_seed_has_means_and_no_intervals():
    text = report(one_setting([1.0], [9.0]))
    assert "| joint | on | ssr | 1 | 60.00 | 50.00 | 1.00 | 0.50 | 0.50 | 0.70 |" in text
    assert "nan" not in text


def varied(measures: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    """Return rows of one setting from measures by variant and column: one value per seed."""
    tables = []
    for variant, columns in measures.items():
        rows = table({("ssr", "on", "joint"): next(iter(columns.values()))})
        tables.append(rows.assign(variant=variant, **columns))
    return pd.concat(tables)


def test_variants_are_paired_with_the_cell_without_one_and_corrected_together():
    base, low, high = [60.0, 61.0, 62.5], [58.0, 59.5, 60.0], [60.5, 61.0, 63.5]
    rows = varied({name: {"retrained_miou": values} for name, values in (("", base), ("low", low), ("high", high))})
    tests = {test.variant: test for test in variant_tests(rows.sample(frac=1, random_state=1), "retrained_miou")}
    assert set(tests) == {"low", "high"}
    raw = {name: stats.ttest_rel(values, base).pvalue for name, values in (("low", low), ("high", high))}
    for name, values in (("low", low), ("high", high)):
        test = tests[name]
        assert test.comparison.t_p == pytest.approx(raw[name])
        assert test.comparison.difference == pytest.approx(np.mean(values) - np.mean(base))
        assert (test.base_mean, test.variant_mean) == pytest.approx((np.mean(base), np.mean(values)))
    smaller = min(raw.values())
    assert tests["low"].p == pytest.approx(min(1, 2 * smaller))
    assert tests["high"].p == pytest.approx(max(raw["high"], 2 * smaller))
    assert tests["low"].significant
    assert not tests["high"].significant
    text = report(rows)
    section = text.partition("## Variants\n")[2].partition("### mIoU after retraining\n")[2].partition("\n### ")[0]
    assert "Of 2 differences, 1 is significant: `low`." in section
    assert "| joint | on | ssr | low | 3 | 61.17 | 59.17 | -2.00 |" in section
    means = text.partition("## Means over the seeds\n")[2].partition("\n## ")[0]
    assert "| dimensions | shrinking | regularizer | variant | seeds |" in means
    assert "| joint | on | ssr |  | 3 |" in means
    assert "| joint | on | ssr | high | 3 |" in means


def test_only_seeds_that_a_variant_shares_with_its_cell_are_paired():
    rows = varied({"": {"gap": [1.0, 2.0, 3.0]}, "fast": {"gap": [2.0, 4.0]}})
    (test,) = variant_tests(rows, "gap")
    assert (test.comparison.pairs, test.base_mean, test.variant_mean) == (2, 1.5, 3.0)


def test_variants_that_cannot_be_compared_are_reported_as_such():
    alone = report(varied({"fast": {"gap": [2.0, 4.0]}}))
    assert "No variant has a combination to compare with on the same seeds: add a block without variants." in alone
    one = report(varied({"": {"gap": [1.0]}, "fast": {"gap": [2.0]}}))
    assert "No difference can be tested on one seed." in one
    assert "nan" not in one
    same = report(varied({"": {"gap": [1.0, 2.0]}, "fast": {"gap": [1.0, 2.0]}}))
    assert "Of 1 differences, 0 are significant, which does not prove that they are equal." in same


def test_a_table_without_variants_has_no_section_on_them():
    assert "ariant" not in report(one_setting(around(1.0), around(9.0, order=-1)))


def test_the_command_ends_in_one_line_if_searches_are_missing(config, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    files.write_json(Path("own.json"), config)
    assert main(["ablation", "--config", "own.json"]) == 2
    first = "results/ablation/ssr-shrink-joint/seed0/search/metrics.json"
    assert capfd.readouterr().err == f"ssr-mmseg: {first} is missing; make it with: snakemake --cores all {first}\n"
