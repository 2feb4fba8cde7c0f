"""Markdown tables and the figures in them."""

from ssr_mmseg.evaluation.statistics import Interval, mean_interval


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """Format a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measure_text(values: list[float]) -> str:
    """Format values as `mean [low, high]`; only the mean for one value, empty for none."""
    if not values:
        return ""
    mean, interval = mean_interval(values)
    return f"{mean:.2f}" if interval is None else f"{mean:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


def interval_text(interval: Interval | None) -> str:
    """Format an interval as `low to high`; empty for None."""
    return "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"


def p_text(p: float | None, equals: bool = False) -> str:
    """Format a p-value with three digits, with an equals sign if `equals`; empty for None."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{'= ' if equals else ''}{p:.3f}"
