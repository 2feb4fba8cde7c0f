"""Text of the ablation: means with intervals, paired tests, and the conclusion in sentences.

Regularizers are compared with SSR, and variants with the same combination without a variant.
"""

from dataclasses import dataclass

import pandas as pd

from ssr_mmseg.evaluation.statistics import Comparison, compare_paired, holm, outcome
from ssr_mmseg.report.ablation_variants import variant_parts
from ssr_mmseg.report.markdown import interval_text, markdown, measure_text, p_text

OURS = "ssr"
WITHOUT = "none"
MEASURES = {
    "relaxed_miou": "relaxed mIoU",
    "one_hot_miou": "one-hot mIoU",
    "gap": "gap",
    "gates_decided": "gates decided",
    "entropy": "entropy (nats)",
    "cost_ratio": "cost ratio",
}


@dataclass(frozen=True)
class RegularizerTest:
    """A measure of SSR compared with another regularizer's in one setting, on the seeds that both have."""

    shrink: str
    dimensions: str
    other: str
    ours_mean: float
    other_mean: float
    comparison: Comparison
    p: float | None  # paired t-test, Holm-corrected for the regularizers compared in the setting

    @property
    def outcome(self) -> str:
        """One of `smaller`, `larger`, `undetected`, and `untested` if there are too few seeds."""
        return outcome(self.comparison, self.p)


def report(table: pd.DataFrame) -> str:
    """Return the whole text in Markdown; `table` has the columns of `results/ablation.csv`."""
    table = table.assign(variant=table.variant.fillna(""))
    plain = table[table.variant == ""]
    tests = paired_tests(plain, "gap")
    datasets, commits = (", ".join(sorted({str(v) for v in table[key] if v})) for key in ("dataset", "commit"))
    parts = [
        f"# Ablation of the discretization gap on {datasets}",
        f"{len(table)} searches{f' at commit {commits}' if commits else ''}. The gap is the mIoU of the relaxed "
        "supernet minus that of the same supernet with one-hot gates, on the same validation images, in points.",
        "## Is SSR's gap smaller than without it?",
        answer(tests),
        "## Means over the seeds",
        "With 95 % t-intervals where there are several seeds. Gates decided and entropy refer to the searched "
        "dimensions. A search learns nothing after the stage that decides its last gate, so compare gaps, not mIoU.",
        means_table(table),
        "## Paired tests of the gap against SSR",
        "SSR's gap minus the other's, paired by seed. p: two-sided paired t-test; Holm: corrected for the regularizers "
        "compared in the same setting; Wilcoxon: signed-rank test, with at least six pairs; d: mean divided by "
        "standard deviation of the differences.",
        tests_table(tests) if tests else "No setting has both SSR and another regularizer on the same seeds.",
        *retraining_parts(paired_tests(plain, "retrained_miou")),
        *variant_parts(table),
    ]
    return "\n\n".join(parts) + "\n"


def retraining_parts(tests: list[RegularizerTest]) -> list[str]:
    """Return the paragraphs on mIoU after retraining; nothing if no network was retrained."""
    if not tests:
        return []
    return [
        "## Paired tests of the mIoU after retraining against SSR",
        "SSR's mIoU minus the other's, in the same way. The networks of two regularizers may differ in cost: see "
        "one-hot multiply-adds above.",
        count_sentence(tests),
        tests_table(tests),
    ]


def count_sentence(tests: list[RegularizerTest]) -> str:
    """Return a sentence on how many differences of mIoU are significant, with the regularizers that they refer to."""
    tested = [test for test in tests if test.outcome != "untested"]
    if not tested:
        return "No difference can be tested on one seed."
    clauses, rest = [], len(tested)
    for kind, text in (("larger", "higher"), ("smaller", "lower")):
        names = [f"`{test.other}` {_shrinking(test)}" for test in tested if test.outcome == kind]
        which = f" ({', '.join(names)})" if names else ""
        clauses.append(f"significantly {text} in {len(names)}{which}")
        rest -= len(names)
    ending = f"; in {rest} there is no significant difference" if rest else ""
    return f"Of {len(tested)} differences, SSR's mIoU is {' and '.join(clauses)}{ending}."


def paired_tests(table: pd.DataFrame, column: str) -> list[RegularizerTest]:
    """Compare a column of SSR with that of every other regularizer in each setting of shrinking and dimensions."""
    tests = []
    for (shrink, dimensions), setting in table.groupby(["shrink", "dimensions"], sort=False):
        values = setting.pivot(index="seed", columns="regularizer", values=column).astype(float)
        if OURS not in values:
            continue
        others = [name for name in setting.regularizer.unique() if name != OURS]
        pairs = {name: values[[OURS, name]].dropna() for name in others}
        pairs = {name: pair for name, pair in pairs.items() if len(pair)}
        compared = {name: compare_paired(pair[OURS].tolist(), pair[name].tolist()) for name, pair in pairs.items()}
        corrected = holm([comparison.t_p for comparison in compared.values()])
        for (name, comparison), p in zip(compared.items(), corrected, strict=True):
            ours_mean, other_mean = (float(pairs[name][column].mean()) for column in (OURS, name))
            tests.append(RegularizerTest(str(shrink), str(dimensions), name, ours_mean, other_mean, comparison, p))
    return tests


def answer(tests: list[RegularizerTest]) -> str:
    """Return a sentence per setting with both SSR and no regularizer, preceded by a count if there are several."""
    against_none = [test for test in tests if test.other == WITHOUT]
    if not against_none:
        return "No conclusion: no setting has both SSR and a search without a regularizer."
    if len(against_none) == 1:
        return verdict(against_none[0])
    count = {outcome: sum(test.outcome == outcome for test in against_none) for outcome in ("smaller", "larger")}
    rest = len(against_none) - count["smaller"] - count["larger"]
    overall = (
        f"Of {len(against_none)} settings, SSR's gap is significantly smaller than without it in {count['smaller']} "
        f"and significantly larger in {count['larger']}; in {rest} there is no significant difference."
    )
    return "\n".join([overall, "", *(f"- {verdict(test)}" for test in against_none)])


def verdict(test: RegularizerTest) -> str:
    """Return a sentence on SSR compared with no regularizer in one setting."""
    setting = f"Searching `{test.dimensions}` {_shrinking(test)}"
    figures = f"{test.ours_mean:.2f} against {test.other_mean:.2f} points of mIoU"
    if test.outcome == "untested":
        return f"{setting}, SSR's discretization gap cannot be tested against that without it on one seed: {figures}."
    comparison = test.comparison
    grounds = (
        f"{comparison.pairs} seeds, difference {comparison.difference:.2f}, 95 % interval "
        f"{interval_text(comparison.interval)}, Holm-corrected p {p_text(test.p, equals=True)}"
    )
    if test.outcome == "undetected":
        return (
            f"{setting}, SSR's discretization gap does not differ significantly from the gap without it: {figures} "
            f"({grounds}); this does not prove that they are equal."
        )
    return f"{setting}, SSR's discretization gap is {test.outcome} than without it: {figures} ({grounds})."


def _shrinking(test: RegularizerTest) -> str:
    return f"{'with' if test.shrink == 'on' else 'without'} shrinking"


def means_table(table: pd.DataFrame) -> str:
    """Return the table of means and intervals by regularizer, shrinking, dimensions and, if there are any, variant."""
    rows = []
    measures = dict(MEASURES)
    axes = {"dimensions": "dimensions", "shrink": "shrinking", "regularizer": "regularizer"}
    if table.variant.any():
        axes["variant"] = "variant"
    if table.retrained_miou.notna().any():
        measures |= {"one_hot_millions": "one-hot multiply-adds (M)", "retrained_miou": "retrained mIoU"}
        table = table.assign(one_hot_millions=table.one_hot_macs / 1e6)
    for setting, cell in table.groupby(list(axes), sort=False):
        figures = [measure_text(cell[key].dropna().tolist()) for key in measures]
        rows.append([*map(str, setting), str(len(cell)), *figures])
    return markdown([*axes.values(), "seeds", *measures.values()], rows)


def tests_table(tests: list[RegularizerTest]) -> str:
    """Return the table of the paired tests."""
    rows = [
        [
            *(test.dimensions, test.shrink, test.other, str(test.comparison.pairs)),
            f"{test.comparison.difference:.2f}",
            interval_text(test.comparison.interval),
            *(p_text(p) for p in (test.comparison.t_p, test.p, test.comparison.wilcoxon_p)),
            "" if test.comparison.effect is None else f"{test.comparison.effect:.2f}",
        ]
        for test in tests
    ]
    head = ["dimensions", "shrinking", "SSR against", "seeds", "difference", "95 % interval", "p", "Holm", "Wilcoxon"]
    return markdown([*head, "d"], rows)
