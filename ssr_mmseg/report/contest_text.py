"""Text of the contest: who won, means with intervals, paired tests against each rival, and rank correlations."""

from dataclasses import dataclass

import pandas as pd

from ssr_mmseg.evaluation.statistics import (
    Comparison,
    RankCorrelation,
    compare_paired,
    holm,
    mean_interval,
    outcome,
    rank_correlation,
)
from ssr_mmseg.report.markdown import interval_text, markdown, measure_text, p_text

OURS = "searched"
SUPERNETS = {"score_single_path": "trained by single paths", "score_relaxed": "searched without a regularizer"}


@dataclass(frozen=True)
class RivalTest:
    """The searched networks compared with those of one selector, on the seeds that both have.

    Attributes:
        rival: Name of the selector.
        ours, theirs: Mean mIoU on test in percent; of several draws with one seed, their mean counts.
        draws: Networks of the selector per seed.
        p: Two-sided paired t-test, Holm-corrected for the rivals on this dataset; None with one seed.
    """

    rival: str
    ours: float
    theirs: float
    draws: int
    comparison: Comparison
    p: float | None

    @property
    def outcome(self) -> str:
        """One of `larger`, `smaller`, `undetected`, and `untested` if there are too few seeds."""
        return outcome(self.comparison, self.p)


def report(table: pd.DataFrame) -> str:
    """Return the whole text in Markdown; `table` has the columns of `results/contest.csv`."""
    commits = ", ".join(sorted({str(value) for value in table.commit if value}))
    parts = [
        "# Contest of searched networks with those of selectors",
        f"{len(table)} networks{f' at commit {commits}' if commits else ''}, all retrained by one recipe. A selector "
        "chooses from the same space, for the cost of the network searched with the same seed.",
    ]
    for dataset, rows in table.groupby("dataset", sort=False):
        parts += [f"## {dataset}", *_dataset_parts(str(dataset), rows)]
    return "\n\n".join(parts) + "\n"


def _dataset_parts(dataset: str, rows: pd.DataFrame) -> list[str]:
    rows = rows.assign(miou=measure_column(rows))
    split = "test" if rows.miou_test.notna().all() else "val"
    seeds = searched_seeds(rows)
    tests = rival_tests(rows)
    return [
        verdict(dataset, split, tests),
        f"Means over the seeds, with 95 % t-intervals where there are several. Cost is relative to the searched "
        f"network of the same seed; hours are those of choosing a network, without its retraining. mIoU on {split}, %.",
        means_table(rows, seeds),
        "Paired by seed: searched minus rival. p: two-sided paired t-test; Holm: corrected for the rivals on this "
        "dataset; Wilcoxon: signed-rank test, with at least six pairs; d: mean divided by standard deviation of the "
        "differences.",
        tests_table(tests),
        *_searches_part(rows),
        *_ranking_parts(rows, split),
    ]


def measure_column(rows: pd.DataFrame) -> pd.Series:
    """Return the mIoU on test, or on val if test has no public labels."""
    return rows.miou_test if rows.miou_test.notna().all() else rows.miou_val


def searched_seeds(rows: pd.DataFrame) -> list[int]:
    """Return the seeds of the searched networks."""
    return rows[rows.selector == OURS].seed.tolist()


def by_seed(rows: pd.DataFrame, selector: str, column: str = "miou") -> pd.Series:
    """Return a measure of a selector by seed, the mean over its draws with each seed.

    Draws that only the ranking asks for, with the first seed, do not count: all seeds have the same draws.
    """
    chosen = rows[(rows.selector == selector) & rows.network.isin(common_networks(rows, selector))]
    return chosen.groupby("seed")[column].mean()


def common_networks(rows: pd.DataFrame, selector: str) -> list[str]:
    """Return the networks of a selector that every seed has."""
    seeds = set(searched_seeds(rows))
    groups = rows[rows.selector == selector].groupby("network", sort=False).seed
    return [str(name) for name, having in groups if set(having) >= seeds]


def rival_tests(rows: pd.DataFrame) -> list[RivalTest]:
    """Compare the searched networks with every selector's."""
    ours = by_seed(rows, OURS)
    rivals = [name for name in rows.selector.unique() if name != OURS]
    pairs = {name: pd.concat([ours, by_seed(rows, name)], axis=1, keys=["ours", "theirs"]).dropna() for name in rivals}
    pairs = {name: pair for name, pair in pairs.items() if len(pair)}
    compared = {name: compare_paired(pair.ours.tolist(), pair.theirs.tolist()) for name, pair in pairs.items()}
    corrected = holm([comparison.t_p for comparison in compared.values()])
    return [
        RivalTest(
            name,
            float(pairs[name].ours.mean()),
            float(pairs[name].theirs.mean()),
            len(common_networks(rows, name)),
            comparison,
            p,
        )
        for (name, comparison), p in zip(compared.items(), corrected, strict=True)
    ]


def verdict(dataset: str, split: str, tests: list[RivalTest]) -> str:
    """Return a paragraph that says who won."""
    if not tests:
        return f"No conclusion on {dataset}: there is no rival with the seeds of the search."
    ours, best = tests[0].ours, max(tests, key=lambda test: test.theirs)
    order = "have the highest mean mIoU" if ours > best.theirs else f"are behind those of {best.rival}"
    figures = f"{ours:.2f} % on {split}"
    rest = f"{best.rival}, the best of the others, has {best.theirs:.2f} %"
    if any(test.outcome == "untested" for test in tests):
        return f"On {dataset} the searched networks {order}: {figures}; {rest}. One seed proves nothing."
    sentences = [f"On {dataset} the searched networks {order}: {figures}; {rest}."]
    for kind, text in (
        ("larger", "They are significantly better than those of {}."),
        ("smaller", "They are significantly worse than those of {}."),
        ("undetected", "There is no significant difference to {}, which does not prove that there is none."),
    ):
        names = [f"{test.rival} ({test.comparison.difference:+.2f})" for test in tests if test.outcome == kind]
        if names:
            sentences.append(text.format(", ".join(names)))
    return " ".join(sentences)


def means_table(rows: pd.DataFrame, seeds: list[int]) -> str:
    """Return the table of means by selector."""
    lines = []
    for name in rows.selector.unique():
        names = common_networks(rows, name)
        chosen = rows[(rows.selector == name) & rows.network.isin(names) & rows.seed.isin(seeds)]
        test, val, hours = (by_seed(rows, name, column).tolist() for column in ("miou", "miou_val", "search_hours"))
        cost = f"{chosen.cost_ratio.mean():.3f} ({chosen.cost_ratio.min():.3f} to {chosen.cost_ratio.max():.3f})"
        lines.append(
            [
                name,
                str(len(test)),
                str(len(names)),
                measure_text(test),
                measure_text(val),
                cost,
                f"{mean_interval(hours)[0]:.3f}",
            ]
        )
    return markdown(["selector", "seeds", "networks per seed", "mIoU", "mIoU on val", "cost", "hours"], lines)


def tests_table(tests: list[RivalTest]) -> str:
    """Return the table of the paired tests."""
    lines = [
        [
            test.rival,
            str(test.comparison.pairs),
            f"{test.comparison.difference:+.2f}",
            interval_text(test.comparison.interval),
            *(p_text(p) for p in (test.comparison.t_p, test.p, test.comparison.wilcoxon_p)),
            "" if test.comparison.effect is None else f"{test.comparison.effect:.2f}",
        ]
        for test in tests
    ]
    return markdown(["searched against", "seeds", "difference", "95 % interval", "p", "Holm", "Wilcoxon", "d"], lines)


def _searches_part(rows: pd.DataFrame) -> list[str]:
    """Return a sentence on the ends of the searches."""
    ours = rows[rows.selector == OURS]
    decided = int((ours.gates_decided == 1).sum())
    gaps = measure_text(ours.gap.dropna().tolist())
    return [
        f"{decided} of {len(ours)} searches decided every gate. The discretization gap on val, relaxed minus one-hot, "
        f"is {gaps} points; the largest is {ours.gap.max():.2f}."
    ]


def _ranking_parts(rows: pd.DataFrame, split: str) -> list[str]:
    """Return the table of rank correlations over the random networks of the ranking, if there is one."""
    ranked = rows.dropna(subset=list(SUPERNETS))
    if len(ranked) < 3:
        return []
    pairs = [("mIoU on val after retraining", "miou_val", "miou")]
    pairs += [
        (f"score in the supernet {text}", column, goal)
        for column, text in SUPERNETS.items()
        for goal in ("miou_val", "miou")
    ]
    goals = {"miou": f"mIoU on {split}", "miou_val": "mIoU on val"}
    lines = []
    for name, column, goal in pairs:
        if column == goal or (split == "val" and goal == "miou" and column == "miou_val"):
            continue
        result: RankCorrelation = rank_correlation(ranked[column].tolist(), ranked[goal].tolist())
        lines.append([name, goals[goal], f"{result.tau:.2f}", interval_text(result.interval), p_text(result.p)])
    spread = ranked.miou.std(ddof=1)
    return [
        f"Ranks of {len(ranked)} random networks of equal cost, whose mIoU on {split} has a standard deviation of "
        f"{spread:.2f} points after retraining. Kendall's τ between the two columns, with a 95 % interval from "
        "bootstrap samples of the networks.",
        markdown(["score", "retrained", "τ", "95 % interval", "p"], lines),
    ]
