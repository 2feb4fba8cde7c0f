"""Results say what they were made from: the workflow reruns those of another configuration and names the setting."""

import json
import re
import shutil

import pytest

TWO = ("--configfile", "config/two.yaml")
SEARCHED = ("results/town/seed0/gap.json", *TWO)


@pytest.fixture
def foreign(copied):
    """Results that were copied without Snakemake's own records."""
    for name in ("metadata", "locks", "incomplete", "metadata.db"):
        shutil.rmtree(copied.folder / ".snakemake" / name, ignore_errors=True)
        (copied.folder / ".snakemake" / name).unlink(missing_ok=True)
    return copied


def test_copied_results_are_up_to_date(foreign):
    call = foreign.snakemake("-n", *TWO)
    assert "Nothing to be done" in call.output
    assert "ssr-mmseg:" not in call.output


@pytest.mark.parametrize(
    ("setting", "reason", "rules"),
    [
        ("retrain={epochs: 3}", r"retrain.epochs \d+ → 3\n", {"retrain", "evaluate", "gap"}),
        ("evaluate={frames: 0}", r"evaluate.frames \d+ → 0\n", {"evaluate", "gap"}),
        (
            "search={epochs: 99}",
            r"search.epochs \d+ → 99\n",
            {"search", "shrink", "discretize", "retrain", "evaluate", "gap"},
        ),
    ],
)
@pytest.mark.parametrize("records", ["with", "without"])
def test_a_changed_setting_is_named_and_reruns_what_depends_on_it(setting, reason, rules, records, request):
    checkout = request.getfixturevalue("copied" if records == "with" else "foreign")
    call = checkout.snakemake("-n", *SEARCHED, "--config", setting)
    assert set(call.counts) == rules
    assert re.search(f"^ssr-mmseg: changed since results were made: {reason}", call.output, re.MULTILINE)
    assert "exclusive params" not in call.output, "two digests say nothing"


def test_what_was_made_again_is_not_made_a_third_time(foreign):
    changed = (*SEARCHED, "--config", "evaluate={frames: 0}")
    assert foreign.snakemake(*changed).status == 0
    assert "Nothing to be done" in foreign.snakemake("-n", *changed).output


def test_results_elsewhere_in_the_experiment_are_not_made_for_a_target(foreign):
    """Only those that the target needs are compared."""
    prepared = "results/village/prepare/dataset.json"
    call = foreign.snakemake("-n", prepared, *TWO, "--config", "retrain={epochs: 3}")
    assert "Nothing to be done" in call.output
    assert "ssr-mmseg:" not in call.output


def test_rerun_triggers_without_parameters_accept_the_results(foreign):
    call = foreign.snakemake("-n", *TWO, "--config", "retrain={epochs: 3}", "--rerun-triggers", "mtime")
    assert "Nothing to be done" in call.output


def test_an_edited_record_reruns(foreign):
    path = foreign.folder / "results/town/seed0/evaluate/erfnet/evaluation.json"
    path.write_text(json.dumps({"made_from": {"identity": "0" * 12}}))
    call = foreign.snakemake("-n", str(path.relative_to(foreign.folder)), *TWO)
    assert call.counts == {"evaluate": 1}


def test_named_experiments_keep_apart(copied):
    table = copied.folder / "results/table.csv"
    table.write_text("dataset,network,seed\ntown,erfnet,0\n")
    other = ("--configfile", "config/other.yaml", "--config", "networks=[erfnet]")
    (copied.folder / "config/other.yaml").write_text("datasets: {mars: {type: streets, size: [64, 64]}}\n")
    call = copied.snakemake(*other)
    assert call.status != 0
    line = call.output.splitlines()[-1]
    assert line.startswith("ssr-mmseg: results/table.csv has results on town, and config/other.yaml is about mars; ")
    assert "--config name=mars" in line
    before = copied.files()
    call = copied.snakemake(*other, "name=mars")
    assert call.status == 0, call.output
    new = set(copied.files()) - set(before)
    assert {"mars/table.csv", "mars/mars/seed0/retrain/erfnet/training.json", "mars/logs/table.log"} <= new
    assert all(path.startswith("mars/") for path in new)
    assert table.read_text() == "dataset,network,seed\ntown,erfnet,0\n"
    call = copied.snakemake("results/table.csv", *other, "name=mars")
    assert call.output.splitlines()[-1].endswith("did you mean results/mars/table.csv?")
