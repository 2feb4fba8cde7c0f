"""Rivals by file in the workflow: evaluated and timed without a training, and again when the file is replaced."""

CONFIG = """\
networks:
  - erfnet
  - {onnx: rivals/yolo.onnx, name: yolo, classes: {0: Road}}
datasets:
  town: {type: streets, size: [64, 64]}
"""
RIVALS = ("--configfile", "config/rivals.yaml")
JOINED = {"table": 1, "summary": 1, "report": 1, "all": 1}


def write(checkout, content: bytes = b"first") -> None:
    (checkout.folder / "config/rivals.yaml").write_text(CONFIG)
    (checkout.folder / "rivals").mkdir(exist_ok=True)
    (checkout.folder / "rivals/yolo.onnx").write_bytes(content)


def test_a_rival_is_a_row_without_a_training_and_a_replaced_file_runs_again(checkout):
    write(checkout)
    planned = checkout.snakemake("--dry-run", *RIVALS)
    assert planned.counts == {"prepare": 1, "retrain": 1, "evaluate": 2, "profile": 2, **JOINED}, planned.output
    call = checkout.snakemake(*RIVALS)
    assert call.status == 0, call.output
    assert "town/seed0/evaluate/yolo/per_image.csv" in checkout.files()
    assert not [name for name in checkout.files() if "retrain/yolo" in name]
    assert "Nothing to be done" in checkout.snakemake("--dry-run", *RIVALS).output
    write(checkout, b"other")
    again = checkout.snakemake("--dry-run", *RIVALS)
    assert again.counts == {"evaluate": 1, "profile": 1, **JOINED}
    assert "ssr-mmseg: changed since results were made: the file of yolo changed" in again.output
    assert {job["network"] for job in again.jobs if "network" in job} == {"yolo"}


def test_a_missing_file_ends_the_planning_in_one_line(checkout):
    write(checkout)
    (checkout.folder / "rivals/yolo.onnx").unlink()
    call = checkout.snakemake("--dry-run", *RIVALS)
    assert call.status != 0
    line = next(line for line in call.output.splitlines() if line.startswith("ssr-mmseg: "))
    assert line.startswith("ssr-mmseg: networks: the rival yolo has no file: file rivals/yolo.onnx not found in ")
    assert checkout.files() == []
