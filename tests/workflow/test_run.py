"""Runs of the workflow with errors of the user, failing stages and other working directories."""

import json

import pytest

TWO = ("--configfile", "config/two.yaml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--config", "retrain={epochs: many}"),
            'config/config.yaml and --config: retrain.epochs: expected an integer from 1 to 1000000, found "many"',
        ),
        (
            ("--configfile", "config/own.yaml"),
            "config/own.yaml: unknown key sise at datasets.mars; did you mean size? known keys: classes,",
        ),
    ],
)
def test_an_invalid_configuration_ends_in_one_line(checkout, arguments, message):
    (checkout.folder / "config/own.yaml").write_text("datasets: {mars: {type: streets, size: [64, 64], sise: 1}}\n")
    call = checkout.snakemake("--dry-run", *arguments)
    assert call.status != 0
    assert call.output.splitlines()[-1].startswith(f"ssr-mmseg: {message}")
    assert "Traceback" not in call.output


def test_a_configuration_that_cannot_be_written_ends_in_one_line(checkout):
    (checkout.folder / ".snakemake/ssr_mmseg").mkdir(parents=True)
    (checkout.folder / ".snakemake/ssr_mmseg/configs").write_text("a file, not a folder\n")
    call = checkout.snakemake()
    assert call.status != 0
    assert "ssr-mmseg: could not write .snakemake/ssr_mmseg/configs/" in call.output
    assert "Traceback" not in call.output
    assert checkout.files() == []


def test_a_failing_stage_shows_its_message_and_a_later_call_continues(copied):
    changed = (*TWO, "--config", "evaluate={frames: 0}", "networks=[erfnet]")
    call = copied.snakemake(*changed, PRETEND_FAILURE="evaluate")
    assert call.status != 0
    log = "results/logs/evaluate/town-seed0-erfnet.log"
    end = call.output[call.output.index("ssr-mmseg: ") :]
    assert end.startswith("ssr-mmseg: ")
    assert f"ssr-mmseg: evaluate failed: a setting is wrong; change it\n    log: {log}\n" in end, "in any order"
    assert "output of a framework" not in call.output
    assert not (copied.folder / "results/town/seed0/evaluate/erfnet/evaluation.json").exists()
    call = copied.snakemake(*changed)
    assert call.status == 0, call.output
    assert {job["rule"] for job in call.jobs} == {"evaluate", "table", "summary", "report", "all"}


def test_a_doubtful_result_is_named_at_the_end(copied):
    changed = (*TWO, "--config", "evaluate={frames: 0}", "networks=[erfnet]")
    assert "warning: town" not in copied.snakemake(*changed).output
    iou = {"road": 30.0, "car": 0.0, "sky": 0.0}
    file = copied.folder / "results/town/seed0/evaluate/erfnet/evaluation.json"
    file.write_text(json.dumps({"val": {"iou": iou}, "test": {"iou": iou}}))
    (copied.folder / "results/table.csv").unlink()
    call = copied.snakemake(*changed)
    assert call.status == 0, call.output
    assert "ssr-mmseg: warning: town, seed 0: erfnet recognizes road only; train longer" in call.output


def test_results_can_be_written_to_another_folder(checkout):
    call = checkout.snakemake("--directory", "elsewhere", "--config", "networks=[erfnet]")
    assert call.status == 0, call.output
    assert (checkout.folder / "elsewhere/results/table.csv").is_file()
    assert checkout.files() == []


def test_jobs_get_the_configured_threads(finished):
    town = finished.folder / "results/town"
    assert (town / "seed0/search/state.pth").read_text() == "search, 2 threads\n"
    assert (town / "seed0/retrain/erfnet/weights.pth").read_text() == "retrain, 1 threads\n"


def test_a_crash_shows_the_end_and_the_path_of_its_log(copied):
    call = copied.snakemake(*TWO, "--config", "evaluate={frames: 0}", "networks=[erfnet]", PRETEND_CRASH="evaluate")
    assert call.status != 0
    log = "results/logs/evaluate/town-seed0-erfnet.log"
    _, _, end = call.output.partition(f"ssr-mmseg: evaluate failed; the end of its log {log}:\n")
    assert "    RuntimeError: an internal error\n" in end
