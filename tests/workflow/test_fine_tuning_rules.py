"""Trainings in the workflow that need another one: to start from its weights, or to learn from it as their teacher."""

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


TEACHER = """\
networks: [fast_scnn, searched]
datasets:
  town: {type: streets, size: [64, 64], retrain: {distill: {teacher: erfnet}}}
search: {cost: {type: macs, target: [0.1, 0.2], hold: 1000}}
"""


def test_a_teacher_is_trained_once_before_its_students(checkout):
    (checkout.folder / "config/teacher.yaml").write_text(TEACHER)
    changed = ("--configfile", "config/teacher.yaml", "--config", "evaluate={frames: 0}")
    targets = [
        f"results/{place}/seed0/retrain/{network}/weights.pth"
        for place, network in (("town", "fast_scnn"), ("town@0.1", "searched"), ("town@0.2", "searched"))
    ]
    counts = checkout.snakemake("--dry-run", *changed, "--", *targets).counts
    assert counts["retrain"] == len(targets) + 1
    call = checkout.snakemake(*changed, "--", *targets)
    assert call.status == 0, call.output
    trained = sorted(path.parent.name for path in (checkout.folder / "results").rglob("retrain/*/weights.pth"))
    assert trained == ["erfnet", "fast_scnn", "searched", "searched"]
    teacher = (checkout.folder / "results/town/seed0/retrain/erfnet/weights.pth").stat().st_mtime_ns
    assert all(teacher < (checkout.folder / target).stat().st_mtime_ns for target in targets)
    assert checkout.snakemake("--dry-run", *changed, "--", *targets).counts == {}
    longer = (*changed[:-1], "evaluate={frames: 0}", "retrain={epochs: 7}")
    assert checkout.snakemake("--dry-run", *longer, "--", *targets).counts["retrain"] == len(targets) + 1


def test_a_network_that_inherits_waits_for_the_end_of_its_search(checkout):
    text = "networks: [searched]\ndatasets: {town: {type: streets, size: [64, 64]}}\nretrain: {weights: supernet}\n"
    (checkout.folder / "config/inherit.yaml").write_text(text)
    target = "results/town/seed0/retrain/searched/weights.pth"
    call = checkout.snakemake("--configfile", "config/inherit.yaml", "--", target)
    assert call.status == 0, call.output
    rules = [job["rule"] for job in call.jobs]
    assert rules.index("retrain") > max(number for number, rule in enumerate(rules) if rule == "shrink")
    assert checkout.snakemake("--dry-run", "--configfile", "config/inherit.yaml", "--", target).counts == {}
