"""Text on the variants of an ablation: paired tests against the same combination without a variant."""

from dataclasses import dataclass

import pandas as pd

from ssr_mmseg.evaluation.statistics import LEVEL, Comparison, compare_paired, holm
from ssr_mmseg.report.markdown import interval_text, markdown, p_text

AXES = ("dimensions", "shrink", "regularizer")
MEASURES = {  # columns that are compared, if they have values, with their titles
    "retrained_miou": "mIoU after retraining",
    "one_hot_miou": "One-hot mIoU",
    "gap": "Discretization gap",
}


@dataclass(frozen=True)
class VariantTest:
    """One measure of a variant compared with the combination that it changes, on the seeds that both have."""

    setting: tuple[str, str, str]  # the combination, in the order of `AXES`
    variant: str
    base_mean: float
    variant_mean: float
    comparison: Comparison  # variant minus combination
    p: float | None  # paired t-test, Holm-corrected for the variants of the combination

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below the level."""
        return self.p is not None and self.p < LEVEL


def variant_parts(table: pd.DataFrame) -> list[str]:
    """Return the paragraphs and tables on variants; nothing for a table without variants."""
    if not table.variant.any():
        return []
    parts = [
        "## Variants",
        "Each variant minus the same combination without a variant, paired by seed. p: two-sided paired t-test; Holm: "
        "corrected for the variants of the combination in the same table; Wilcoxon: signed-rank test, with at least "
        "six pairs; d: mean divided by standard deviation of the differences.",
    ]
    for column, title in MEASURES.items():
        tests = variant_tests(table, column)
        if tests:
            parts += [f"### {title}", summary(tests), variants_table(tests)]
    if len(parts) == 2:
        parts.append("No variant has a combination to compare with on the same seeds: add a block without variants.")
    return parts


def variant_tests(table: pd.DataFrame, column: str) -> list[VariantTest]:
    """Compare a column of every variant with that of the combination that it changes, where both have values."""
    tests = []
    for setting, rows in table.groupby(list(AXES), sort=False):
        values = rows.pivot(index="seed", columns="variant", values=column).astype(float)
        if "" not in values:
            continue
        pairs = {name: values[["", name]].dropna() for name in rows.variant.unique() if name}
        pairs = {name: pair for name, pair in pairs.items() if len(pair)}
        compared = {name: compare_paired(pair[name].tolist(), pair[""].tolist()) for name, pair in pairs.items()}
        corrected = holm([comparison.t_p for comparison in compared.values()])
        for (name, comparison), p in zip(compared.items(), corrected, strict=True):
            base_mean, variant_mean = (float(pairs[name][key].mean()) for key in ("", name))
            dimensions, shrink, regularizer = map(str, setting)
            tests.append(VariantTest((dimensions, shrink, regularizer), name, base_mean, variant_mean, comparison, p))
    return tests


def summary(tests: list[VariantTest]) -> str:
    """Return a sentence on how many differences are significant."""
    tested = [test for test in tests if test.p is not None]
    if not tested:
        return "No difference can be tested on one seed."
    names = ", ".join(f"`{test.variant}`" for test in tested if test.significant)
    count = sum(test.significant for test in tested)
    ending = f": {names}" if names else ", which does not prove that they are equal"
    return f"Of {len(tested)} differences, {count} {'is' if count == 1 else 'are'} significant{ending}."


def variants_table(tests: list[VariantTest]) -> str:
    """Return the table of the comparisons of one measure."""
    rows = [
        [
            *(*test.setting, test.variant, str(test.comparison.pairs)),
            *(f"{value:.2f}" for value in (test.base_mean, test.variant_mean, test.comparison.difference)),
            interval_text(test.comparison.interval),
            *(p_text(p) for p in (test.comparison.t_p, test.p, test.comparison.wilcoxon_p)),
            "" if test.comparison.effect is None else f"{test.comparison.effect:.2f}",
        ]
        for test in tests
    ]
    head = ["dimensions", "shrinking", "regularizer", "variant", "seeds", "without", "variant's", "difference"]
    return markdown([*head, "95 % interval", "p", "Holm", "Wilcoxon", "d"], rows)
