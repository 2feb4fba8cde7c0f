"""Rivals by file in the stages: the accuracy of the file, its timing, its row of the table, and `evaluate --onnx`."""

import csv
import json
import re
from pathlib import Path

import onnx
import pytest
from color_files import color_file
from small_experiment import NETWORK, configuration, make

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata
from ssr_mmseg.report.collect import collect
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.evaluate import evaluate
from ssr_mmseg.stages.profile import profile
from ssr_mmseg.stages.rivals import file_backends
from ssr_mmseg.stages.table import write_table
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, sha256, write_json

EXPORTED = Path(paths.EXPORTED.format(dataset="town", seed=0, network=NETWORK))
OWN = {"onnx": "rivals/own.onnx", "name": "own"}
ANONYMOUS = {"onnx": "rivals/anonymous.onnx", "name": "anonymous"}


def config(*networks, **profiled) -> dict:
    changes = {"networks": list(networks), "evaluate": {"frames": 1}}
    return settings.complete(settings.merge(configuration(**profiled), changes))


def result(pattern: str, network: str) -> Path:
    return Path(pattern.format(dataset="town", seed=0, network=network))


def pixels(network: str) -> str:
    return result(paths.PER_IMAGE, network).read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with an evaluated network, and its exported file as a rival with and without its metadata."""
    folder = tmp_path_factory.mktemp("town")
    make(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        evaluate(config(NETWORK), "town", 0, NETWORK)
        model = onnx.load(EXPORTED)
        Path("rivals").mkdir()
        onnx.save(model, OWN["onnx"])
        del model.metadata_props[:]
        onnx.save(model, ANONYMOUS["onnx"])
    return folder


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def normalization() -> dict:
    metadata = {entry.key: entry.value for entry in onnx.load(EXPORTED).metadata_props}
    about = OnnxMetadata.from_metadata(metadata, KEY)
    return {"scale": 1.0, "mean": list(about.mean), "std": list(about.std)}


def test_our_exported_file_as_a_rival_has_the_same_pixels(here):
    evaluate(config(OWN), "town", 0, "own")
    assert pixels("own") == pixels(NETWORK)
    recorded, exported = (read_json(result(paths.EVALUATION, name)) for name in ("own", NETWORK))
    assert recorded["exported"] == {
        **exported["exported"],
        "bytes": Path(OWN["onnx"]).stat().st_size,
        "sha256": sha256(Path(OWN["onnx"])),
    }
    assert (recorded["val"], recorded["test"]) == (exported["exported"]["val"], exported["exported"]["test"])
    assert "weights" not in recorded
    assert sorted(path.name for path in result(paths.PREDICTIONS, "own").iterdir()) == ["test_0000.png", "val_0000.png"]


def test_without_its_metadata_it_has_the_same_pixels_if_the_entry_says_how_it_is_fed(here):
    entry = {**ANONYMOUS, "preprocess": normalization()}
    evaluate(config(entry), "town", 0, "anonymous")
    assert pixels("anonymous") == pixels(NETWORK)
    evaluate(config(ANONYMOUS), "town", 0, "anonymous")  # pixels from 0 to 1
    assert pixels("anonymous") != pixels(NETWORK)


def test_other_names_in_another_order_are_mapped_and_missing_ones_refused(here):
    model = onnx.load(EXPORTED)
    (entry,) = (entry for entry in model.metadata_props if entry.key == KEY)
    about = json.loads(entry.value)
    names = list(about["classes"])
    about["classes"] = [f"other {name}" for name in names]
    entry.value = json.dumps(about)
    onnx.save(model, "rivals/renamed.onnx")
    renamed = {"onnx": "rivals/renamed.onnx", "name": "renamed"}
    with pytest.raises(
        UserError, match=f"networks: renamed: .* has no class '{names[0]}', .* of the dataset; if that is"
    ):
        evaluate(config(renamed), "town", 0, "renamed")
    evaluate(config({**renamed, "classes": names}), "town", 0, "renamed")
    assert pixels("renamed") == pixels(NETWORK)
    with pytest.raises(UserError, match=f"has {len(names)} classes, expected 2 by classes; correct them"):
        evaluate(config({**renamed, "classes": names[:2]}), "town", 0, "renamed")


def test_what_the_file_says_itself_is_not_said_again(here):
    with pytest.raises(UserError, match="is a file of ssr-mmseg export, which says this itself; remove preprocess"):
        evaluate(config({**OWN, "preprocess": {"channels": "bgr"}}), "town", 0, "own")


def test_a_profile_has_a_record_of_the_file(here):
    backends = ["eager", "onnxruntime", {"name": "onnxruntime", "precision": "int8"}]
    profile(
        config({**ANONYMOUS, "preprocess": normalization()}, backends=backends, weights="trained", sizes=[[64, 64]]),
        "town",
        0,
        "anonymous",
    )
    (record,) = read_json(result(paths.PROFILE, "anonymous"))["records"]
    assert (record["size"], record["batch"], record["backend"]) == ([32, 64], 1, "onnxruntime")
    assert (record["precision"], record["graph"], record["threads"]) == ("fp32", "file", 1)
    assert record["latency_ms_p50"] > 0
    assert record["runs"] >= 5
    counted = sum(
        int(onnx.numpy_helper.to_array(t).size)
        for t in onnx.load(ANONYMOUS["onnx"]).graph.initializer
        if t.data_type == 1
    )
    assert record["params"] == counted
    assert record["macs"] > 0


def test_a_file_of_open_size_and_batch_is_timed_at_those_of_the_configuration(here):
    color_file(Path("rivals/open.onnx"), size=("h", "w"), batch="n")
    entry = {"onnx": "rivals/open.onnx", "name": "open", "classes": [0, 1, 2]}
    profile(config(entry, sizes=[[64, 64]], batches=[1, 2]), "town", 0, "open")
    records = read_json(result(paths.PROFILE, "open"))["records"]
    assert [(record["batch"], record["size"]) for record in records] == [
        (batch, size) for batch in (1, 2) for size in ([32, 64], [64, 64])
    ]
    assert [record["macs"] for record in records] == [32 * 64 * 9, 64 * 64 * 9] * 2


def test_backends_that_run_no_files_are_named(capsys):
    configured = [
        "eager",
        "openvino",
        {"name": "openvino", "precision": "bf16"},
        {"name": "onnxruntime", "precision": "int8"},
    ]
    assert file_backends(configured, "yolo") == [("onnxruntime", None), ("openvino", "fp32"), ("openvino", "bf16")]
    assert capsys.readouterr().err.splitlines() == [
        "profile: yolo is a file, which backend eager in fp32 does not run",
        "profile: yolo is a file, which backend onnxruntime in int8 does not run",
    ]


def test_a_rival_is_a_row_of_table_and_report_at_its_own_size(here):
    color_file(Path("rivals/colors.onnx"), size=(24, 40))
    entry = {"onnx": "rivals/colors.onnx", "name": "colors", "classes": [0, 1, 2]}
    changed = config(entry, sizes=[[64, 64]])
    evaluate(changed, "town", 0, "colors")
    profile(changed, "town", 0, "colors")
    write_table(changed)
    with open(paths.TABLE, newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    exported = read_json(result(paths.EVALUATION, "colors"))["exported"]
    assert (row["network"], row["kind"], row["input_size"]) == ("colors", "rival", "24x40")
    assert float(row["miou_test"]) == float(row["miou_exported"]) == round(exported["test"]["miou"], 2)
    assert float(row["miou_val"]) == round(exported["val"]["miou"], 2)
    assert (row["train_split"], row["pretrained"], row["train_hours"], row["graph"]) == ("", "", "", "file")
    results = collect(changed)
    (shown,) = results.rows
    assert (shown["kind"], shown["input_size"], shown["miou_exported"]) == ("rival", "24×40", exported["test"]["miou"])
    assert not [missing for missing in results.missing if "colors" in missing.what]


def test_a_replaced_file_must_be_evaluated_again(here):
    color_file(Path("rivals/replaced.onnx"), size=(24, 40))
    entry = {"onnx": "rivals/replaced.onnx", "name": "replaced", "classes": [0, 1, 2]}
    changed = config(entry)
    for stage in (evaluate, profile):
        stage(changed, "town", 0, "replaced")
    write_table(changed)
    color_file(Path("rivals/replaced.onnx"), size=(24, 48))
    with pytest.raises(UserError, match=r"is a result of another configuration \(the file of replaced changed\)"):
        write_table(changed)


def test_the_command_prints_a_line_or_json(here, capsys):
    write_json(Path("config.json"), config(NETWORK))
    arguments = ["evaluate", "--config", "config.json", "--dataset", "town", "--onnx", str(EXPORTED)]
    exported = read_json(result(paths.EVALUATION, NETWORK))["exported"]
    assert main(arguments) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{EXPORTED}: mIoU {exported['test']['miou']:.2f} %, pixel accuracy ")
    assert line.endswith("on 1 images of test of town")
    assert main([*arguments, "--split", "val", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {key: printed[key] for key in exported["val"]} == exported["val"]
    assert (printed["sha256"], printed["split"]) == (exported["sha256"], "val")


def test_the_command_uses_the_entry_of_the_file(here, capsys):
    write_json(Path("config.json"), config({**ANONYMOUS, "preprocess": normalization()}))
    assert (
        main(["evaluate", "--config", "config.json", "--dataset", "town", "--onnx", ANONYMOUS["onnx"], "--json"]) == 0
    )
    exported = read_json(result(paths.EVALUATION, NETWORK))["exported"]
    assert json.loads(capsys.readouterr().out)["miou"] == exported["test"]["miou"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--network", NETWORK, "--json"], "expected --split and --json with --onnx only"),
        (["--onnx", "rivals/none.onnx"], "file .*none.onnx not found; correct the path"),
        (["--onnx", "config.json"], "is not an ONNX model"),
        (["--onnx", str(EXPORTED), "--dataset", "village"], "dataset village is not configured"),
    ],
)
def test_mistakes_of_the_command_are_one_line(here, capsys, arguments, message):
    write_json(Path("config.json"), config(NETWORK))
    assert main(["evaluate", "--config", "config.json", "--dataset", "town", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)


@pytest.mark.parametrize("arguments", [[], ["--network", "a", "--onnx", "b"]])
def test_a_network_or_a_file_is_evaluated(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "--dataset", "town", *arguments])
    assert "--network" in capsys.readouterr().err
