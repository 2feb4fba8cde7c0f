import copy

import pytest

from ssr_mmseg import settings
from ssr_mmseg.settings.scenario import ablation_cells, cells
from ssr_mmseg.utils.errors import UserError

TOWN = {"type": "streets", "size": [64, 64], "search": {"batch_size": 4, "threshold": 0.2}}
ABLATION = {
    "dataset": "town",
    "seeds": [0, 1],
    "search": {"epochs": 3, "threshold": 0.3},
    "retrain": False,
    "dimensions": {"joint": ["depth", "dilation"], "depth": ["depth"]},
    "blocks": [
        {"regularizer": ["ssr", "none"], "shrink": [True, False], "dimensions": ["joint"]},
        {"regularizer": ["ssr"], "shrink": [True], "dimensions": ["joint", "depth"]},
    ],
}


def user(**changes) -> dict:
    return {"datasets": {"town": TOWN}, "ablation": {**copy.deepcopy(ABLATION), **changes}}


@pytest.fixture
def config():
    return settings.complete(user())


def searches(config):
    return {name: settings.stage_identity(config, "search", name) for name in cells(config)}


def test_blocks_are_crossed_and_a_cell_named_twice_counts_once(config):
    assert list(cells(config)) == [
        "ablation/ssr-shrink-joint",
        "ablation/ssr-keep-joint",
        "ablation/none-shrink-joint",
        "ablation/none-keep-joint",
        "ablation/ssr-shrink-depth",
    ]


def test_a_cell_overrides_the_search_of_its_dataset(config):
    cell = settings.for_dataset(config, "ablation/none-keep-joint")
    axes = {"regularizer": "none", "shrink": False, "dimensions": ["depth", "dilation"]}
    assert cell["search"] == {**config["search"], "batch_size": 4, "epochs": 3, "threshold": 0.3, **axes}
    town = settings.for_dataset(config, "town")
    assert cell["dataset"] == town["dataset"]
    assert cell["retrain"] == town["retrain"]


def test_cells_share_the_data_and_nothing_else(config):
    names = ["town", *cells(config)]
    assert {str(settings.manifest_path(config, name)) for name in names} == {"results/town/prepare/dataset.json"}
    assert len({settings.stage_identity(config, "prepare", name) for name in names}) == 1
    assert len(set(searches(config).values())) == len(cells(config))


VARIANT_BLOCKS = [*ABLATION["blocks"], {**ABLATION["blocks"][1], "variants": ["fast", "lower"]}]
RATE = "optim_wrapper.architecture.optimizer.lr"
VARIANTS = {
    "fast": {"cfg_options": {RATE: 0.3}, "epochs": 7},
    "lower": {"threshold": 0.05, "regularizer": {"type": "ssr"}},
    "unused": {},
}


def with_variants(**changes) -> dict:
    return settings.complete(user(variants={**VARIANTS, **changes}, blocks=VARIANT_BLOCKS))


def test_variants_are_a_fourth_axis_and_leave_the_other_cells_as_they_are(config):
    varied = with_variants()
    names = [f"ablation/ssr-shrink-{dimensions}-{name}" for dimensions in ("joint", "depth") for name in VARIANTS][:5]
    names.remove("ablation/ssr-shrink-joint-unused")
    assert list(cells(varied)) == [*cells(config), *names]
    before, after = searches(config), searches(varied)
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == len(after)
    cell = cells(varied)["ablation/ssr-shrink-joint-fast"]
    assert (cell.regularizer, cell.shrink, cell.dimensions, cell.variant) == ("ssr", True, "joint", "fast")
    assert {cell.variant for name, cell in cells(varied).items() if name in before} == {""}


def test_a_variant_changes_the_search_of_its_cell_after_all_others():
    config = with_variants()
    base = settings.for_dataset(config, "ablation/ssr-shrink-joint")["search"]
    fast = settings.for_dataset(config, "ablation/ssr-shrink-joint-fast")["search"]
    assert fast == {**base, "cfg_options": {RATE: 0.3}, "epochs": 7}
    lower = settings.for_dataset(config, "ablation/ssr-shrink-joint-lower")["search"]
    assert lower == {**base, "threshold": 0.05, "regularizer": {"type": "ssr"}}


def test_a_changed_variant_affects_only_its_cells():
    before, after = searches(with_variants()), searches(with_variants(fast={"cfg_options": {RATE: 0.2}, "epochs": 7}))
    changed = {name for name in after if before[name] != after[name]}
    assert changed == {"ablation/ssr-shrink-joint-fast", "ablation/ssr-shrink-depth-fast"}


def test_options_of_the_ablation_and_of_a_variant_are_merged():
    search = {"cfg_options": {"train_cfg.objective.operator": 60}}
    config = settings.complete(user(search=search, variants=VARIANTS, blocks=VARIANT_BLOCKS))
    merged = settings.for_dataset(config, "ablation/ssr-shrink-joint-fast")["search"]["cfg_options"]
    assert merged == {"train_cfg.objective.operator": 60, RATE: 0.3}


def test_options_are_part_of_the_identity_of_a_search(config):
    other = settings.complete({"datasets": {"town": TOWN}, "search": {"cfg_options": {RATE: 0.3}}})
    assert settings.stage_identity(other, "search", "town") != settings.stage_identity(config, "search", "town")


def test_the_ablation_does_not_affect_other_stages(config):
    without = settings.complete({"datasets": {"town": TOWN}})
    assert settings.dataset_names(config) == ["town"]
    for stage in settings.STAGES.keys() - {"table", "ablation"}:
        identities = [settings.stage_identity(c, stage, "town", 0, "searched") for c in (config, without)]
        assert identities[0] == identities[1]


@pytest.mark.parametrize(
    ("change", "suffixes"),
    [
        ({"seeds": [5]}, ()),
        ({"retrain": True}, ()),
        ({"blocks": ABLATION["blocks"][:1]}, ()),
        ({"dimensions": {"joint": ["depth", "dilation"], "depth": ["out_width"]}}, ("-depth",)),
        ({"dimensions": {"joint": ["dilation"], "depth": ["depth"]}}, ("-joint",)),
        ({"search": {"epochs": 4, "threshold": 0.3}}, ("",)),
    ],
)
def test_a_changed_value_affects_only_its_cells(config, change, suffixes):
    before, after = searches(config), searches(settings.complete(user(**change)))
    changed = {name for name in after if before[name] != after[name]}
    assert changed == {name for name in after if name.endswith(suffixes)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "mars"}, r"ablation\.dataset: mars is not configured; configured are: town"),
        (
            {"blocks": [{"regularizer": ["ssr"], "shrink": [True], "dimensions": ["width"]}]},
            r"ablation\.blocks: dimensions width are not configured; configured are: .*joint",
        ),
        ({"blocks": []}, r"my\.yaml: ablation\.blocks: expected a list of 1 to 100 .*, found \[\]"),
        ({"blocks": [{"regularizer": ["ssr"], "shrink": [True]}]}, r"blocks\.0: the key dimensions is missing"),
        ({"blocks": [{"regularizer": ["../ssr"], "shrink": [True], "dimensions": ["joint"]}]}, "expected a name of"),
        ({"dimensions": {"joint": ["height"]}}, r"ablation\.dimensions\.joint\.0: expected depth, .* found \"height\""),
        (
            {"variants": {"fast": {}}, "blocks": [{**ABLATION["blocks"][1], "variants": ["fats"]}]},
            r"ablation\.blocks: variant fats is not configured; configured are: fast$",
        ),
        (
            {"blocks": [{**ABLATION["blocks"][1], "variants": ["fast"]}]},
            r"ablation\.blocks: variant fast is not configured; configured are: none$",
        ),
        (
            {"variants": {"fast": {"epoch": 3}}, "blocks": [{**ABLATION["blocks"][1], "variants": ["fast"]}]},
            "my.yaml: ablation/ssr-shrink-joint-fast: unknown key epoch at search",
        ),
        ({"variants": {"a b": {}}}, r"ablation\.variants: expected names of 1 to 100 .*, found \"a b\""),
        ({"variants": {"fast": 3}}, r"ablation\.variants\.fast: expected a mapping, found 3"),
        ({"blocks": [{**ABLATION["blocks"][1], "variants": []}]}, r"blocks\.0\.variants: expected a non-empty list"),
        ({"blocks": [{**ABLATION["blocks"][1], "variants": None}]}, r"blocks\.0\.variants: expected a .*, found null"),
        ({"search": {"cfg_options": [3]}}, r"search\.cfg_options: expected a mapping, found \[3\]"),
        ({"search": {"epoch": 3}}, "my.yaml: ablation/ssr-shrink-joint: unknown key epoch at search"),
        ({"search": {"config": "absent.py"}}, r"file absent\.py not found"),
        ({"seed": [0]}, r"unknown key seed at ablation; did you mean seeds\? known keys: blocks"),
    ],
)
def test_a_bad_ablation_is_one_line(change, message):
    with pytest.raises(UserError, match=message) as caught:
        settings.complete(user(**change), "my.yaml")
    assert "\n" not in str(caught.value)


def test_a_configuration_with_datasets_has_only_the_ablation_that_it_defines():
    without = settings.complete({"datasets": {"town": TOWN}})
    assert cells(without) == {}
    with pytest.raises(UserError, match="the configuration has no section ablation; add one"):
        ablation_cells(without)
    assert ablation_cells(settings.complete({}))
    assert settings.complete(user())["ablation"] == ABLATION  # nothing is merged from the default


def test_an_unknown_cell_is_one_line(config):
    with pytest.raises(UserError, match="dataset ablation/ssr-keep-depth is not configured"):
        settings.for_dataset(config, "ablation/ssr-keep-depth")
