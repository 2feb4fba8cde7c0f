"""Jobs that Snakemake plans for a fresh checkout, and after changes of settings, files and code."""

import os
import re
import subprocess

import pytest

from ssr_mmseg.jobs import glibc_malloc
from ssr_mmseg.settings.stage_table import STAGES

TWO = ("--configfile", "config/two.yaml")
NOTHING = "Nothing to be done"
WITH_GPU = {"search", "shrink", "retrain", "evaluate", "profile"}
TRAININGS = ("search", "shrink", "retrain")
JOINED = {("table", ""), ("summary", ""), ("report", "")}  # jobs that depend on every result


def plan(checkout, *arguments, **environment):
    call = checkout.snakemake("--dry-run", *arguments, **environment)
    assert call.status == 0, call.output
    return call


def planned(call):
    """Return the pairs of rule and dataset that a dry run plans, without the target rule."""
    return {(job["rule"], job.get("dataset", "")) for job in call.jobs if job["rule"] != "all"}


def counts(search=1, shrink=0, networks=5, random=1, gap=1):
    once = {"prepare": 1, "search": search, "shrink": shrink, "discretize": search, "select": random, "gap": gap}
    jobs = {**once, **dict.fromkeys(("retrain", "evaluate", "profile"), networks)}
    jobs |= dict.fromkeys(("table", "summary", "report", "all"), 1)
    return {rule: number for rule, number in jobs.items() if number}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), counts(shrink=3, networks=5, random=3)),
        (("--configfile", "config/camvid.yaml"), counts(3, 3 * 4, 3 * 8, 3, 3)),  # 3 seeds, 4 stages, 8 networks
        (("--config", "seeds=[0,1]", "networks=[random]", "search={shrink_stages: 0}"), counts(2, 0, 2, 2, 0)),
        (("--config", "networks=[erfnet]"), counts(search=0, networks=1, random=0, gap=0)),
        (
            ("results/streets/seed3/discretize/genotype.json",),
            {"prepare": 1, "search": 1, "shrink": 3, "discretize": 1},
        ),
    ],
)
def test_a_fresh_checkout_plans_the_whole_graph_and_writes_nothing(checkout, arguments, expected):
    assert plan(checkout, *arguments).counts == expected
    assert checkout.files() == []


def test_every_rule_runs_and_a_second_call_has_nothing_to_do(finished):
    files = [name for name in finished.files() if not name.startswith(("logs/", "benchmarks/"))]
    stages = ["prepare/dataset.json"]
    for stage in ("search", "shrink1"):
        stages += [f"seed0/{stage}/metrics.json", f"seed0/{stage}/state.pth"]
    stages += ["seed0/discretize/discretization.json", "seed0/discretize/genotype.json"]
    stages += ["seed0/select/random/genotype.json", "seed0/select/random/selection.json"]
    stages += ["seed0/gap.json"]
    for network in ("searched", "random", "erfnet"):
        stages += [f"seed0/retrain/{network}/{name}" for name in ("config.py", "training.json", "weights.pth")]
        stages += [f"seed0/evaluate/{network}/{name}" for name in ("evaluation.json", "per_image.csv")]
        stages += [f"seed0/profile/{network}/profile.json"]
    joined = ["summary.csv", "table.csv", "report/index.html", "report/predictions.png"]
    assert files == sorted([*(f"{dataset}/{name}" for dataset in ("town", "village") for name in stages), *joined])
    assert NOTHING in plan(finished, "results/table.csv", *TWO).output


def test_comments_order_and_layout_rerun_nothing(copied):
    copied.edit("config/two.yaml", "datasets:\n", "# a comment\ndatasets:  # another\n")
    copied.edit("config/two.yaml", "town: {type: streets, size: [64, 64]}", "town: {size: [64,  64], type: streets}")
    for name in (
        "supernet_streets",
        "ssrnet_streets",
        "_base_/schedules/search_quick",
        "_base_/schedules/retrain",
        "_base_/models/erfnet",
        "_base_/models/supernet",
        "_base_/datasets/streets",
        "_base_/default_runtime",
    ):
        path = copied.folder / f"config/mmseg/{name}.py"
        path.write_text(f"# a comment\n{path.read_text()}\n# at the end\n")
    assert NOTHING in plan(copied, *TWO).output


def test_a_changed_setting_of_one_dataset_reruns_its_stage_and_later_ones_for_that_dataset(copied):
    copied.edit("config/two.yaml", "town: {type: streets,", "town: {type: streets, retrain: {epochs: 1},")
    copied.edit("config/two.yaml", "village: {type: streets,", "village: {type: streets, profile: {runs: 3},")
    changed = {("retrain", "town"), ("evaluate", "town"), ("gap", "town"), ("profile", "village")}
    assert planned(plan(copied, *TWO)) == changed | JOINED


def test_a_changed_setting_of_all_datasets_reruns_its_stage_for_all(finished):
    call = plan(finished, *TWO, "--config", "evaluate={frames: 0}", "threads={search: 1}", "device=cpu")
    both = {(rule, dataset) for rule in ("evaluate", "gap", "profile") for dataset in ("town", "village")}
    assert planned(call) == both | JOINED
    assert not [job for job in call.jobs if "gpu=1" in job["resources"]]


def test_a_changed_search_retrains_the_searched_network_and_no_baseline(finished):
    jobs = plan(finished, *TWO, "--config", "search={epochs: 1}").jobs
    assert {job["network"] for job in jobs if job["rule"] == "retrain"} == {"searched", "random"}
    assert not [job for job in jobs if job["rule"] == "prepare"]


def test_one_more_seed_keeps_the_results_of_the_others(finished):
    jobs = plan(finished, *TWO, "--config", "seeds=[0,1]").jobs
    assert {job["seed"] for job in jobs if "seed" in job} == {"1"}


def test_changed_values_and_versions_rerun_their_stage_and_changed_commands_do_not(copied):
    path = copied.folder / "config/mmseg/_base_/schedules/retrain_quick.py"
    path.write_text(f"{path.read_text()}\nextra = 1\n")
    version = STAGES["profile"].version
    numbers = [f'"profile",\n            {number},' for number in (version, version + 1)]
    copied.edit("ssr_mmseg/settings/stage_table.py", *numbers)
    copied.edit("workflow/rules/search.smk", 'command("search")', '"true; " + command("search")')
    rerun = {"retrain", "evaluate", "gap", "profile", "table", "summary", "report"}
    assert {rule for rule, _ in planned(plan(copied, *TWO))} == rerun


def test_profiling_requests_all_cores_and_training_a_gpu(checkout):
    jobs = plan(checkout, "--cores", "4", "--config", "device=cuda").jobs
    assert {job["threads"] for job in jobs if job["rule"] == "profile"} == {"4"}
    with_gpu = {job["rule"] for job in jobs if "gpu=1" in job["resources"]}
    assert with_gpu == WITH_GPU


def test_figures_are_made_on_request_from_existing_results(copied):
    assert planned(plan(copied, "results/figures", *TWO)) == {("figures", "")}
    assert copied.snakemake("results/figures", *TWO).status == 0
    assert NOTHING in plan(copied, "results/figures", *TWO).output
    assert "figures/index.json" in copied.files()


def test_the_slurm_profile_requests_gpus_and_an_exclusive_node_for_timing(checkout):
    """Tests the shipped profile without Slurm, on a submitting node without a GPU."""
    jobs = plan(checkout, "--workflow-profile", "profiles/slurm", PATH=os.defpath).jobs
    assert {job["rule"] for job in jobs if "gpu=1" in job["resources"]} == WITH_GPU
    exclusive = {job["rule"] for job in jobs if "slurm_extra=--exclusive" in job["resources"]}
    warned = {job["rule"] for job in jobs if "slurm_extra=--signal=TERM@120" in job["resources"]}
    assert exclusive == {"profile"}
    assert warned == {job["rule"] for job in jobs} - {"profile"}
    on_cpu = plan(checkout, "--workflow-profile", "profiles/slurm", "--config", "device=cpu").jobs
    assert not [job for job in on_cpu if "gpu=1" in job["resources"]]


def test_a_training_with_several_gpus_starts_a_process_on_each(checkout):
    gpus = ("--resources", "gpu=4", "--set-resources", "search:gpu=4")
    call = plan(checkout, "--printshellcmds", "--config", "device=cuda", *gpus)
    commands = {rule: re.search(rf"OMP_NUM_THREADS=.* -m ssr_mmseg {rule} .*", call.output)[0] for rule in TRAININGS}
    several = "[ 4 -gt 1 ] && echo python -m torch.distributed.run --standalone --nproc_per_node=4 || echo python"
    assert several in commands["search"]
    for rule in ("shrink", "retrain"):
        choice = re.search(r"\$\((.*?)\)", commands[rule])[1]
        shell = subprocess.run(["sh", "-c", choice], capture_output=True, text=True, check=True)
        assert shell.stdout.strip() == "python"


def test_a_training_starts_with_settings_for_malloc_unless_the_user_sets_them(checkout):
    call = plan(checkout, "--printshellcmds")
    assignment = re.search(rf'{glibc_malloc.VARIABLE}="[^"]*"', call.output)[0]
    for variables, expected in (
        ({}, glibc_malloc.TUNABLES),
        ({glibc_malloc.VARIABLE: "glibc.malloc.check=0"}, "glibc.malloc.check=0"),
    ):
        environment = {"PATH": os.environ["PATH"], **variables}
        shell = subprocess.run(
            ["sh", "-euc", f"{assignment} printenv {glibc_malloc.VARIABLE}"],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert shell.stdout.strip() == expected


def test_a_change_of_its_files_prepares_a_dataset_again(checkout):
    """And the whole experiment on it, but not on the other dataset."""
    source = checkout.folder / "data/yard"
    (source / "train").mkdir(parents=True)
    (source / "train/a.png").write_bytes(b"1")
    yard = "{type: folder, source: data/yard, size: [64, 64], classes: [a, b]}"
    text = f"networks: [erfnet]\ndatasets: {{yard: {yard}, town: {{type: streets, size: [64, 64]}}}}\n"
    (checkout.folder / "config/yard.yaml").write_text(text)
    configured = ("--configfile", "config/yard.yaml")
    assert checkout.snakemake("results/table.csv", *configured).status == 0
    assert NOTHING in plan(checkout, "results/table.csv", *configured).output
    (source / "train/b.png").write_bytes(b"1")
    call = plan(checkout, "results/table.csv", *configured)
    stages = {(stage, "yard") for stage in ("prepare", "retrain", "evaluate", "profile")}
    assert planned(call) == {*stages, ("table", "")}
    assert checkout.snakemake("results/table.csv", *configured).status == 0
    assert NOTHING in plan(checkout, "results/table.csv", *configured).output
