"""Summary of failed jobs, from Snakemake's own log."""

import pytest

from ssr_mmseg.jobs.failures import failure_report

ERROR = """\
Error in rule {rule}:
    message: None
    jobid: {job}
    input: a, b
    log: {log} (check log file(s) for error details)
    shell:
        python -m ssr_mmseg {rule} --config x
        (command exited with non-zero exit code)

"""


@pytest.fixture
def snakemake_log(tmp_path):
    """Return a function that writes a log of Snakemake and returns the report on it."""

    def report(text: str) -> str:
        (tmp_path / "snakemake.log").write_text(text)
        return failure_report([tmp_path / "snakemake.log"])

    return report


def test_only_the_last_message_of_the_project_is_reported(snakemake_log, tmp_path):
    log = tmp_path / "search.log"
    log.write_text("ssr-mmseg: earlier\nchatter\nssr-mmseg: no images; put them there\nmore chatter\n")
    report = snakemake_log(ERROR.format(rule="search", job=3, log=log))
    assert report == f"ssr-mmseg: search failed: no images; put them there\n    log: {log}"


def test_without_a_message_the_end_of_the_log_is_reported(snakemake_log, tmp_path):
    log = tmp_path / "search.log"
    log.write_text("\n\n".join(f"line {number}" for number in range(50)) + "\r" + "x" * 5000)
    report = snakemake_log(ERROR.format(rule="search", job=3, log=log)).splitlines()
    assert report[0] == f"ssr-mmseg: search failed; the end of its log {log}:"
    assert report[1] == "    line 39"
    assert len(report) == 13
    assert report[-1] == "    " + "x" * 400


@pytest.mark.parametrize("content", [None, "", "\n \n"])
def test_a_job_without_output_was_killed(snakemake_log, tmp_path, content):
    log = tmp_path / "search.log"
    if content is not None:
        log.write_text(content)
    report = snakemake_log(ERROR.format(rule="search", job=3, log=log))
    assert report.startswith(
        "ssr-mmseg: search produced no output: it was killed, possibly by the out-of-memory killer\n"
    )


def test_each_job_is_reported_once_unless_a_later_attempt_succeeded(snakemake_log, tmp_path):
    log = tmp_path / "a.log"
    log.write_text("ssr-mmseg: x; y\n")
    first, second = (ERROR.format(rule=rule, job=job, log=log) for rule, job in (("search", 3), ("retrain", 4)))
    assert len(snakemake_log(first + second + first).splitlines()) == 4
    later = "Finished jobid: 3 (Rule: search)\n1 of 4 steps (25%) done\n"
    assert "search failed" not in snakemake_log(first + second + first + later)
    assert "retrain failed" in snakemake_log(first + second + first + later)


def test_without_failures_nothing_is_reported(snakemake_log, tmp_path):
    assert snakemake_log("Finished jobid: 3 (Rule: search)\n") == ""
    assert failure_report([tmp_path / "none.log"]) == ""
