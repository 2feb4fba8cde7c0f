"""Fine-tuning in the workflow: the training that another one starts from is made first."""

CONFIG = """\
networks: [erfnet]
datasets:
  town: {type: streets, size: [64, 64]}
  village:
    type: streets
    size: [64, 64]
    retrain: {weights: "PATTERN"}
"""
TARGET = "results/village/seed0/retrain/erfnet/weights.pth"
RESULT = "results/{dataset}/seed0/retrain/{network}/weights.pth"


def plan(checkout, pattern: str):
    (checkout.folder / "config/fine.yaml").write_text(CONFIG.replace("PATTERN", pattern))
    return checkout.snakemake("--dry-run", "--configfile", "config/fine.yaml", "--", TARGET)


def test_a_training_of_the_same_configuration_is_made_first(checkout):
    pattern = RESULT.replace("{dataset}", "town")
    assert plan(checkout, pattern).counts == {"prepare": 2, "retrain": 2}
    call = checkout.snakemake("--configfile", "config/fine.yaml", "--", TARGET)
    assert call.status == 0, call.output
    weights = [f"{dataset}/seed0/retrain/erfnet/weights.pth" for dataset in ("town", "village")]
    times = [(checkout.folder / "results" / name).stat().st_mtime_ns for name in weights]
    assert times[0] < times[1]
    assert plan(checkout, pattern).counts == {}


def test_the_result_of_another_experiment_is_read_and_a_replaced_one_reruns_the_training(checkout):
    start = checkout.folder / "results/city/seed0/retrain/erfnet/weights.pth"
    start.parent.mkdir(parents=True)
    start.write_text("weights")
    pattern = RESULT.replace("{dataset}", "city")
    assert plan(checkout, pattern).counts == {"prepare": 1, "retrain": 1}
    assert checkout.snakemake("--configfile", "config/fine.yaml", "--", TARGET).status == 0
    assert plan(checkout, pattern).counts == {}
    start.write_text("other weights")
    assert plan(checkout, pattern).counts == {"retrain": 1}


def test_a_missing_file_is_one_line(checkout):
    call = plan(checkout, RESULT.replace("{dataset}", "city"))
    assert call.status != 0
    line = "results/city/seed0/retrain/erfnet/weights.pth does not exist; train that network first, or correct the path"
    assert f"datasets.village: retrain.weights: {line}" in call.output
    assert "Traceback" not in call.output
