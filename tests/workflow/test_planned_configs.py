"""A mistake in an mmengine config stops `snakemake -n` with one line; a config that has passed is not checked again."""

import json

import pytest

from ssr_mmseg.jobs.planning import PASSED

PROGRAM = "ssr_mmseg/experiment/config_check/__main__.py"
COUNT = """
    with open("checks.txt", "a", encoding="utf-8") as file:
        print(json.dumps([config.name for config in configs]), file=file)
"""
STREETS = [
    "config/mmseg/supernet_streets.py",
    "config/mmseg/ssrnet_streets.py",
    "config/mmseg/_base_/datasets/streets.py",
    "config/mmseg/_base_/models/fast_scnn.py",
]


@pytest.fixture
def counted(checkout):
    """A copy whose check appends the names of the configs that it gets to `checks.txt`, and that has not checked."""
    path = checkout.folder / PROGRAM
    text = path.read_text(encoding="utf-8")
    line = "    configs = [NamedConfig(**fields) for fields in json.load(sys.stdin)]\n"
    assert line in text
    path.write_text(text.replace(line, line + COUNT), encoding="utf-8")
    return checkout


def checks(checkout) -> list[list[str]]:
    """The names that each check got, each once: several searches may lay different options over one config."""
    path = checkout.folder / "checks.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [list(dict.fromkeys(json.loads(line))) for line in lines]


def add(checkout, name: str, line: str) -> None:
    with open(checkout.folder / name, "a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        (
            "config/mmseg/supernet_streets.py",
            "optim_wrapper = dict(weights=dict(optimizer=dict(type='Adamm')))",
            "{}: optim_wrapper.weights.optimizer.type: unknown optimizer Adamm; did you mean Adam?",
        ),
        (
            "config/mmseg/ssrnet_streets.py",
            "val_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFil')]))",
            "{}: val_dataloader.dataset.pipeline[0].type: unknown transform LoadImageFromFil; "
            "did you mean LoadImageFromFile?",
        ),
        (
            "config/mmseg/_base_/models/fast_scnn.py",
            "model['decode_head']['chanels'] = 1",
            "{}: model.decode_head.chanels: DepthwiseSeparableFCNHead has no argument chanels; did you mean channels?",
        ),
        ("config/mmseg/ssrnet_streets.py", "model = dict(", "{} is not a valid mmengine config: "),
    ],
)
def test_a_mistake_stops_the_plan_with_one_line_and_nothing_is_written(checkout, name, line, message):
    add(checkout, name, line)
    call = checkout.snakemake("--dry-run")
    assert call.status != 0
    said = [line for line in call.output.splitlines() if not line.startswith("Using workflow specific profile")]
    assert len(said) == 1, call.output
    assert said[0].startswith(f"ssr-mmseg: {message.format(name)}")
    assert checkout.files() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "{optim_wrapper.architecure.optimizer.lr: 0.3}",
            "search.cfg_options: optim_wrapper.architecure.optimizer.lr: expected a key of "
            "config/mmseg/supernet_streets.py, which has no optim_wrapper.architecure; did you mean architecture?",
        ),
        ("[3]", "config/config.yaml and --config: search.cfg_options: expected a mapping, found [3]; see config/R"),
    ],
)
def test_a_mistake_in_the_options_of_a_search_stops_the_plan_with_one_line(checkout, options, message):
    call = checkout.snakemake("--dry-run", "--config", f"search={{cfg_options: {options}}}")
    assert call.status != 0
    said = [line for line in call.output.splitlines() if not line.startswith("Using workflow specific profile")]
    assert len(said) == 1, call.output
    assert message in said[0]
    assert checkout.files() == []


def test_a_wrong_argument_of_a_selector_stops_the_plan_with_one_line(checkout):
    call = checkout.snakemake("--dry-run", "--config", "selectors={random_search: {epochs: 2}}")
    assert call.status != 0
    said = [line for line in call.output.splitlines() if not line.startswith("Using workflow specific profile")]
    assert said == [
        "ssr-mmseg: selector random_search: epochs is 2, expected a number from 0.001 to 1; correct it in selectors"
    ]
    assert checkout.files() == []


def test_an_unchanged_config_is_checked_once(counted):
    assert counted.snakemake("--dry-run").status == 0
    assert checks(counted) == [STREETS]
    add(counted, STREETS[0], "# a comment")
    assert counted.snakemake("--dry-run").status == 0
    assert len(checks(counted)) == 1
    add(counted, STREETS[1], "optim_wrapper = dict(optimizer=dict(lr=1))")
    assert counted.snakemake("--dry-run").status == 0
    assert checks(counted) == [STREETS, STREETS[1:2]]
    assert counted.files() == []


@pytest.mark.parametrize("mode", ["remote", "subprocess"])
def test_a_job_that_plans_again_does_not_check(counted, mode):
    call = counted.snakemake("--dry-run", "--mode", mode)
    assert call.status == 0, call.output
    assert checks(counted) == []


def test_a_broken_record_is_replaced(counted):
    (counted.folder / PASSED).write_text('{"passed": 3')
    assert counted.snakemake("--dry-run").status == 0
    assert checks(counted) == [STREETS]
    assert len(json.loads((counted.folder / PASSED).read_text())["passed"]) >= len(STREETS)
