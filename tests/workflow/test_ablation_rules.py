"""The ablation in the workflow: shared jobs, and jobs that a changed value reruns."""

import pytest

NOTHING = "Nothing to be done"
SMALL = ("--configfile", "config/small.yaml")
CONFIG = """\
datasets:
  town: {type: streets, size: [64, 64]}
search: {shrink_stages: 0}
ablation:
  dataset: town
  seeds: [0, 2]
  search: {epochs: 2}
  retrain: false
  dimensions: {joint: [depth, dilation], depth: [depth]}
  blocks:
    - {regularizer: [ssr, none], shrink: [true], dimensions: [joint]}
    - {regularizer: [ssr], shrink: [false], dimensions: [joint, depth]}
"""
TARGET = "results/ablation.csv"


@pytest.fixture
def small(checkout):
    (checkout.folder / "config/small.yaml").write_text(CONFIG)
    return checkout


@pytest.fixture
def ablated(small):
    call = small.snakemake(TARGET, *SMALL)
    assert call.status == 0, call.output
    return small


def plan(checkout, *arguments):
    call = checkout.snakemake("--dry-run", TARGET, *arguments)
    assert call.status == 0, call.output
    return call


def test_the_default_configuration_has_an_ablation(checkout):
    counts = plan(checkout, "--config", "ablation={seeds: [7]}").counts
    each = dict.fromkeys(("search", "discretize", "retrain", "evaluate"), 16)
    assert counts == {"prepare": 1, **each, "shrink": 32, "ablation": 1}
    assert checkout.files() == []


def test_all_searches_share_one_preparation_and_nothing_is_retrained(small):
    assert plan(small, *SMALL).counts == {"prepare": 1, "search": 8, "ablation": 1}


def test_retraining_is_an_option(small):
    counts = plan(small, *SMALL, "--config", "ablation={retrain: true}").counts
    searched = dict.fromkeys(("search", "discretize", "retrain", "evaluate"), 8)
    assert counts == {"prepare": 1, "ablation": 1, **searched}


def test_the_ablation_runs_once_and_a_changed_value_reruns_only_its_cells(ablated):
    assert {"ablation.csv", "ablation.md"} <= set(ablated.files())
    assert "ablation/ssr-keep-depth/seed2/search/metrics.json" in ablated.files()
    assert "town/prepare/dataset.json" in ablated.files()
    ablated.edit("config/small.yaml", "  seeds: [0, 2]", "  # two\n  seeds: [0,  2]")
    assert NOTHING in plan(ablated, *SMALL).output
    jobs = plan(ablated, *SMALL, "--config", "ablation={dimensions: {depth: [out_width]}}").jobs
    assert {job["dataset"] for job in jobs if "dataset" in job} == {"ablation/ssr-keep-depth"}
    jobs = plan(ablated, *SMALL, "--config", "ablation={seeds: [0,2,5]}").jobs
    assert {job["seed"] for job in jobs if "seed" in job} == {"5"}
    assert plan(ablated, *SMALL, "--config", "retrain={epochs: 3}", "threads={search: 2}").counts == {}


def test_variants_are_added_and_a_changed_one_reruns_only_its_cells(ablated):
    block = "    - {regularizer: [ssr], shrink: [true], dimensions: [joint], variants: [fast]}\n"
    path = ablated.folder / "config/small.yaml"
    path.write_text(path.read_text() + block)
    ablated.edit("config/small.yaml", "  retrain: false", "  retrain: false\n  variants: {fast: {threshold: 0.3}}")
    jobs = plan(ablated, *SMALL).jobs
    assert {job["dataset"] for job in jobs if "dataset" in job} == {"ablation/ssr-shrink-joint-fast"}
    call = ablated.snakemake(TARGET, *SMALL)
    assert call.status == 0, call.output
    assert "ablation/ssr-shrink-joint-fast/seed2/search/metrics.json" in ablated.files()
    assert NOTHING in plan(ablated, *SMALL).output
    change = "ablation={variants: {fast: {cfg_options: {optim_wrapper.architecture.optimizer.lr: 0.3}}}}"
    jobs = plan(ablated, *SMALL, "--config", change).jobs
    assert {job["dataset"] for job in jobs if "dataset" in job} == {"ablation/ssr-shrink-joint-fast"}


def test_the_gap_report_of_a_cell_is_made_on_request(small):
    target = "results/ablation/ssr-keep-depth/seed2/gap.json"
    counts = small.snakemake("--dry-run", target, *SMALL).counts
    stages = ("prepare", "search", "discretize", "retrain", "evaluate", "gap")
    assert counts == dict.fromkeys(stages, 1)


def test_without_an_ablation_the_target_ends_in_one_line(checkout):
    call = checkout.snakemake("--dry-run", "results/cityscapes/ablation.csv", "--configfile", "config/cityscapes.yaml")
    assert call.status != 0
    assert call.output.splitlines()[-1].startswith("ssr-mmseg: the configuration has no section ablation; add one")
    assert "Traceback" not in call.output
