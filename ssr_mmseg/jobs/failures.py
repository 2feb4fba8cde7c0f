"""What to tell a person when jobs of the workflow have failed: each stage's own last words and where its log is.

Light on purpose: the Snakefile imports it.
"""

import re
from collections.abc import Iterable
from pathlib import Path

OURS = "ssr-mmseg: "
LINES = 12  # of a log that does not end with a message of ours
WIDTH = 400


def failure_report(logs: Iterable[str | Path]) -> str:
    """A few lines on every job that failed for good, from the logs that Snakemake itself wrote; empty if none did."""
    text = "\n".join(_read(Path(log)) for log in logs)
    failed: dict[str, tuple[str, str]] = {}
    for match in re.finditer(
        r"^(?:Error in rule (\w+):\n((?:    .*\n?)+)|Finished jobid: (\d+)\b)", text, re.MULTILINE
    ):
        rule, block, finished = match.groups(default="")
        if finished:  # a later attempt went through
            failed.pop(finished, None)
            continue
        fields = dict(re.findall(r"^    (jobid|log): (.*?)(?: \(check log.*)?$", block, re.MULTILINE))
        failed[fields.get("jobid", rule)] = (rule, fields.get("log", ""))
    return "\n".join(_told(rule, log) for rule, log in failed.values())


def _told(rule: str, log: str) -> str:
    lines = [line.rstrip()[:WIDTH] for line in re.split(r"[\n\r]", _read(Path(log))) if line.strip()] if log else []
    ours = [line.removeprefix(OURS) for line in lines if line.startswith(OURS)]
    where = f"its log: {log}" if log else "it has no log"
    if ours:
        return f"{OURS}{rule} failed: {ours[-1]}\n    {where}"
    if not lines:
        return f"{OURS}{rule} ended without a word: killed, perhaps for want of memory\n    {where}"
    return "\n".join([f"{OURS}{rule} failed; {where} ends with", *(f"    {line}" for line in lines[-LINES:])])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
