"""Summary of failed jobs for the user: the last error message of each job, and the path of its log.

Must not import torch: the Snakefile imports this module.
"""

import re
from collections.abc import Iterable
from pathlib import Path

PREFIX = "ssr-mmseg: "  # of the project's own messages
LINES = 12  # shown from the end of a log without such a message
WIDTH = 400  # characters shown of a line


def failure_report(logs: Iterable[str | Path]) -> str:
    """Return a few lines on every job that failed and was not repeated with success; empty if there is none.

    Args:
        logs: Paths of Snakemake's own logs.
    """
    text = "\n".join(_read(Path(log)) for log in logs)
    failed: dict[str, tuple[str, str]] = {}
    for match in re.finditer(
        r"^(?:Error in rule (\w+):\n((?:    .*\n?)+)|Finished jobid: (\d+)\b)", text, re.MULTILINE
    ):
        rule, block, finished = match.groups(default="")
        if finished:  # a later attempt succeeded
            failed.pop(finished, None)
            continue
        fields = dict(re.findall(r"^    (jobid|log): (.*?)(?: \(check log.*)?$", block, re.MULTILINE))
        failed[fields.get("jobid", rule)] = (rule, fields.get("log", ""))
    return "\n".join(_summary(rule, log) for rule, log in failed.values())


def _summary(rule: str, log: str) -> str:
    lines = [line.rstrip()[:WIDTH] for line in re.split(r"[\n\r]", _read(Path(log))) if line.strip()] if log else []
    messages = [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]
    location = f"log: {log}" if log else "it has no log"
    if messages:
        return f"{PREFIX}{rule} failed: {messages[-1]}\n    {location}"
    if not lines:
        return f"{PREFIX}{rule} produced no output: it was killed, possibly by the out-of-memory killer\n    {location}"
    return "\n".join([f"{PREFIX}{rule} failed; the end of its log {log}:", *(f"    {line}" for line in lines[-LINES:])])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
