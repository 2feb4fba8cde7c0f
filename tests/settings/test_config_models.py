import copy
import datetime
import re

import jsonschema
import pytest
import yaml

from ssr_mmseg import settings
from ssr_mmseg.settings import paths, reference
from ssr_mmseg.settings.config_schema import branches, experiment_schema
from ssr_mmseg.settings.models import DatasetEntry
from ssr_mmseg.settings.type_text import SENTENCE, type_text
from ssr_mmseg.settings.validation import validate
from ssr_mmseg.utils.errors import UserError

REGENERATE = "the models or config/config.yaml have changed: run `make schema`"
CONFIGS = sorted(path.name for path in (paths.PROJECT / "config").glob("*.yaml"))
STREETS = {"type": "streets", "size": [64, 64]}
RIVAL = "a mapping of onnx, name, preprocess, output, classes"
NAME = "a name of 1 to 100 letters, digits or underscores"
NAMES = "datasets.streets.classes: expected a list of 2 to 255 distinct strings, found "
TARGET = "a number > 0, or a non-empty list of distinct numbers > 0"

StrictSchema = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


DEFAULTS = yaml.safe_load((paths.PROJECT / "config/config.yaml").read_text(encoding="utf-8"))


def changed(path, value):
    """Return the default configuration with the value at a path replaced; keys are separated by slashes."""
    config = copy.deepcopy(DEFAULTS)
    *parents, last = path.split("/")
    node = config
    for key in parents:
        node = node[int(key) if isinstance(node, list) else key]
    node[int(last) if isinstance(node, list) else last] = value
    return config


def message(config):
    with pytest.raises(UserError) as caught:
        validate(config, "my.yaml")
    return str(caught.value)


@pytest.mark.parametrize("name", CONFIGS)
def test_shipped_configurations_are_valid_and_not_changed(name):
    config = settings.read_config(paths.PROJECT / "config" / name)
    before = copy.deepcopy(config)
    assert validate(config, name) is None
    assert config == before


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("search/cost", {"type": "macs", "target": 1}),
        ("search/cost", {"type": "macs", "target": [0.5, 0.75], "hold": None}),
        ("search/cost", {"type": "latency", "target_ms": [4, 8.5], "hold": 100}),
        ("search/cost", {"type": "energy", "target_mJ": 3, "watts": {"idle": [1, 2]}}),
        ("search/cost", {"type": "energy", "target": [1, 2], "hold": 5}),
        ("search/regularizer", {"type": "ssr", "power": 2}),
        ("search/dimensions", []),
        (
            "profile/backends",
            ["eager", {"name": "eager"}, {"name": "openvino", "precision": "bf16", "graph": "folded"}],
        ),
        ("profile/sizes", []),
        ("latency/threads", 1),
        ("datasets/streets/source", None),
        ("datasets/streets/options", {"anything": [{"at": "all"}]}),
        ("datasets/streets/search", {"not": "checked here"}),
    ],
)
def test_valid_values(path, value):
    validate(changed(path, value), "my.yaml")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("sedes", [0], "unknown key sedes at top level; did you mean seeds? known keys: ablation, contest, datasets,"),
        (
            "retrain/epoch",
            3,
            "unknown key epoch at retrain; did you mean epochs? known keys: batch_size, config, distill",
        ),
        (
            "datasets/streets",
            {"type": "streets", "sise": [64, 64]},
            "unknown key sise at datasets.streets; did you mea",
        ),
        ("search/space/stages/0/block", 1, "unknown key block at search.space.stages.0; did you mean blocks? known ke"),
        ("profile/backends", [{"name": "eager", "zzz": 1}], "unknown key zzz at profile.backends.0; known keys: graph"),
        ("search/cost", {"type": "latency", "target": 5}, "unknown key target at search.cost; did you mean target_ms?"),
        ("search/cost", {"type": "macs", "macs": 5}, "unknown key macs at search.cost; known keys: hold, target, type"),
        ("search/cost", {"type": "latency"}, f"search.cost: the key target_ms is missing, expected {TARGET}; see"),
        ("search/cost", {"target": 3}, f"search.cost: the key type is missing, expected {NAME}; see config/README.md"),
        ("search/cost", {"type": "macs", "target": "x"}, f'search.cost.target: expected {TARGET}, found "x"; see'),
        ("search/cost", {"type": "macs", "target": []}, f"search.cost.target: expected {TARGET}, found []; see"),
        ("search/cost", {"type": "macs", "target": [1, 0]}, "search.cost.target.1: expected a number > 0, found 0;"),
        (
            "search/cost",
            {"type": "macs", "target": [1, 1.0]},
            "search.cost.target: expected distinct values, found 1.0",
        ),
        (
            "search/cost",
            {"type": "macs", "target": 1, "hold": 0},
            "search.cost.hold: expected a number > 0, or null, f",
        ),
        (
            "search/cost",
            {"type": "energy", "target_mJ": [1, -2]},
            "search.cost.target_mJ.1: expected a number > 0, fou",
        ),
        ("search/cost", {"type": "energy", "target": None}, f"search.cost.target: expected {TARGET}, found null; see"),
        (
            "search/cost",
            {"type": "energy", "x": 1},
            "search.cost: expected exactly one key target or target_<unit>, fo",
        ),
        (
            "search/cost",
            {"type": "e", "target": 3, "target_mJ": 1},
            "search.cost: expected exactly one key target or t",
        ),
        ("search/cost", {"type": "energy", "target_": 3}, "search.cost: expected exactly one key target or target_<un"),
        ("search/cost", "macs", 'search.cost: expected a mapping, found "macs"; see config/README.md'),
        ("search/cost", {"type": ["macs"], "target": 3}, f'search.cost.type: expected {NAME}, found ["macs"]; see'),
        ("search/regularizer", 3, f"search.regularizer: expected {NAME}, or a mapping of type and arguments, found 3;"),
        ("search/regularizer", {"a": 3}, f"search.regularizer: the key type is missing, expected {NAME}; see"),
        ("search/regularizer", {"type": 3}, f"search.regularizer.type: expected {NAME}, found 3; see"),
        ("search/threshold", 1, "search.threshold: expected a number > 0 and < 1, found 1; see config/README.md"),
        ("search/threshold", True, "search.threshold: expected a number > 0 and < 1, found true; see"),
        ("search/threshold", float("nan"), "search.threshold: expected a number > 0 and < 1, found nan; see"),
        ("profile/seconds", float("inf"), "profile.seconds: expected a number > 0 and ≤ 86400, found inf; see"),
        ("search/shrink", 1, "search.shrink: expected true or false, found 1; see"),
        ("search/epochs", 3.0, "search.epochs: expected an integer from 1 to 1000000, found 3.0; see"),
        ("search/epochs", "3", 'search.epochs: expected an integer from 1 to 1000000, found "3"; see'),
        ("search/epochs", True, "search.epochs: expected an integer from 1 to 1000000, found true; see"),
        ("search/batch_size", 1, "search.batch_size: expected an integer from 2 to 65536, found 1; see"),
        ("search/space/resolutions", [2], "search.space.resolutions: expected a non-empty list of distinct integers f"),
        ("search/space/resolutions", [True], "search.space.resolutions.0: expected an integer from 1 to 2, found true"),
        (
            "search/space/stages",
            [],
            "search.space.stages: expected a list of 2 mappings of blocks, channels, width_ste",
        ),
        (
            "search/dimensions",
            ["deph"],
            "search.dimensions.0: expected depth, dilation, resolution, mid_width or out_w",
        ),
        (
            "search/config",
            datetime.date(2020, 1, 1),
            "search.config: expected a path, found a value of the type da",
        ),
        ("profile/backends", [3], "profile.backends.0: expected a name, or a mapping of name, precision, graph, found"),
        ("profile/backends", [{"name": "e", "precision": "fp3"}], "profile.backends.0.precision: expected fp32, tf32"),
        ("profile/backends", ["eager", "eager"], 'profile.backends: expected distinct values, found "eager" more than'),
        ("profile/sizes", [[64, 64], [64, 64]], "profile.sizes: expected distinct values, found [64, 64] more than on"),
        (
            "profile/sizes",
            [64],
            "profile.sizes.0: expected [height, width], each a multiple of 8 from 32 to 8192, foun",
        ),
        ("datasets/streets/classes", "water", f'{NAMES}"water"; for a single class, name the rest too, as in [backgro'),
        ("datasets/streets/classes", ["water"], f'{NAMES}["water"]; for a single class, name the rest too, as in [bac'),
        ("datasets/streets/size", [64, 65], "datasets.streets.size.1: expected a multiple of 8 from 32 to 8192, found"),
        (
            "datasets/streets/size",
            [8192, 8192],
            "datasets.streets.size: expected [height, width], each a multiple of 8 from 32 to 8192, found "
            "[8192, 8192]; at most 16777216 pixels",
        ),
        ("datasets/streets", {"type": "streets"}, "datasets.streets: the key size is missing, expected [height, width"),
        ("datasets/a b", STREETS, 'datasets: expected names of 1 to 100 letters, digits or underscores, found "a b";'),
        ("datasets/a\n", STREETS, "datasets: expected names of 1 to 100 letters, digits or underscores, found"),
        ("datasets", {}, "datasets: expected a mapping of 1 to 200 names, found {}; see config/README.md"),
        (
            "datasets",
            {f"d{i}": STREETS for i in range(201)},
            "datasets: expected a mapping of 1 to 200 names, found a ",
        ),
        ("seeds", [], "seeds: expected a list of 1 to 1000 distinct integers from 0 to 4294967295, found []; see"),
        ("seeds", list(range(1001)), "seeds: expected a list of 1 to 1000 distinct integers from 0 to 4294967295, fou"),
        ("seeds", [2**32], "seeds.0: expected an integer from 0 to 4294967295, found 4294967296; see"),
        ("networks", ["a b"], f'networks.0: expected {NAME}, or {RIVAL}, found "a b"; see config/README.md'),
        (
            "networks",
            [{"onnx": "a.onnx"}],
            f"networks.0: the key name is missing, expected {NAME}; see config/README.md",
        ),
        (
            "networks",
            [{"onnx": "a.onnx", "name": "a", "layout": "nchw"}],
            "unknown key layout at networks.0; known keys: classes, name, onnx, output, preprocess",
        ),
        (
            "networks",
            [{"onnx": "a.onnx", "name": "a", "preprocess": {"layout": "chw"}}],
            'networks.0.preprocess.layout: expected auto, nchw or nhwc, found "chw"; see config/README.md',
        ),
        (
            "networks",
            [{"onnx": "a.onnx", "name": "a", "preprocess": {"std": [1.0, 0.0, 1.0]}}],
            "networks.0.preprocess.std.1: expected a number from 1e-06 to 1000000.0, found 0.0; see config/README.md",
        ),
        (
            "networks",
            [{"onnx": "a.onnx", "name": "a", "output": {"kind": "boxes"}}],
            'networks.0.output.kind: expected auto, labels or logits, found "boxes"; see config/README.md',
        ),
        ("latency/threads", 0, "latency.threads: expected an integer from 1 to 1024, or null, found 0; see"),
        ("threads", {1: 2, "search": 1, "retrain": 1}, "the key 1 at threads is not text; put it in quotes"),
        ("ablation/dimensions/a b", ["depth"], "ablation.dimensions: expected names of 1 to 100 letters, digits or un"),
        ("ablation/blocks/0/shrink", [1], "ablation.blocks.0.shrink.0: expected true or false, found 1; see"),
    ],
)
def test_an_invalid_value_is_one_line_with_its_key_and_what_is_allowed(path, value, expected):
    text = message(changed(path, value))
    assert text.startswith(f"my.yaml: {expected}")
    assert len(text) < 300
    assert text.isprintable()


def nested(depth):
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("path", ["device", "seeds", "datasets", "search", "search/cost", "search/cost/target"])
@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        ["x" * 10**6] * 3,
        {"x" * 10**6: {}},
        nested(10**4),
        10**5000,
        -(10**30),
        "\x1b[31m\n\r\u2028\u202e",
        {"\x1b[31m\n": 1},
        {3: 4},
        list(range(10**5)),
        {f"k{i}": i for i in range(10**5)},
        float("nan"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_malicious_value_is_shown_in_one_short_line(path, value):
    text = message(changed(path, value))
    assert len(text) < 500
    assert text.isprintable()


@pytest.mark.parametrize("config", [None, 3, [], "text", {}])
def test_a_value_that_is_not_a_configuration(config):
    assert message(config).startswith("my.yaml: top level: ")


def value_paths(value, prefix=()):
    """Yield the paths of the values in a configuration; of a list, only that of the first value."""
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from value_paths(inner, (*prefix, key))


@pytest.mark.parametrize("name", [*sorted(paths.FOLDERS), "Figures", "WORK", "seed0", "Seed12"])
def test_folders_of_results_are_no_names(name):
    for config, place in (({"datasets": {name: STREETS}}, "datasets"), ({"name": name}, "name")):
        with pytest.raises(UserError) as raised:
            settings.complete(config, "x.yaml")
        assert str(raised.value).startswith(f"x.yaml: {place}: {name} is a folder of other results, as are ")


def test_folders_on_both_levels_are_reserved():
    """The folder of an experiment may be that of a dataset of the experiment without a name."""
    first = {"ablation", "benchmarks", "config", "figures", "jobs", "logs", "recommended", "report", "work"}
    assert first | {"prepare", "latency"} == paths.FOLDERS


def test_the_published_schema_accepts_the_same_values_as_the_models():
    odd = [
        None,
        True,
        0,
        1,
        -1,
        3.0,
        0.5,
        10**10,
        "",
        "ssr",
        "a b",
        [],
        [1],
        [1, 1],
        ["depth"],
        [64, 64],
        [[64, 64]],
        {},
    ]
    odd += [{"type": "ssr"}, {"type": "macs", "target": [1, 2]}, {"type": "latency", "target_ms": 0}, {"name": "a"}]
    accepted = 0
    for path in value_paths(DEFAULTS):
        if not path:
            continue
        schema = StrictSchema(experiment_schema()["properties"][path[0]])
        for value in odd:
            config = changed("/".join(map(str, path)), value)
            try:
                validate(config, "")
                valid = True
            except UserError:
                valid = False
            assert schema.is_valid(config[path[0]]) == valid, (path, value)
            accepted += valid
    assert accepted > 100


def keys(node, prefix=""):
    """Yield every key of a schema, with the schema of its value."""
    for branch in branches(node):
        for key, inner in branch.get("properties", {}).items():
            yield f"{prefix}.{key}", inner
            yield from keys(inner, f"{prefix}.{key}")
        for inner in [*filter(None, [branch.get("items")]), *branch.get("patternProperties", {}).values()]:
            yield from keys(inner, prefix)


def test_every_key_has_a_title_and_a_description():
    schemas = dict(keys(reference.documented_schema()))
    assert len(schemas) > 80
    assert {key for key, node in schemas.items() if not (node.get("title") and node.get("description"))} == set()


def test_every_value_of_the_default_configuration_is_documented_as_the_default():
    schema = reference.documented_schema()

    def check(node, value):
        if "default" in node:
            assert node["default"] == value
        else:
            (inner,) = (branch for branch in branches(node) if "default" in str(branch.get("properties")))
            assert "required" not in inner
            for key in value:
                check(inner["properties"][key], value[key])

    check(schema, DEFAULTS)


def test_the_published_schema_is_valid_and_accepts_what_users_write():
    schema = yaml.safe_load(reference.schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    users = [{}, {"search": {"epochs": 3, "cost": {"target": 0.5}}}, {"datasets": {"town": STREETS}}]
    for config in [*users, *map(settings.read_config, (paths.PROJECT / "config" / name for name in CONFIGS))]:
        jsonschema.validate(config, schema)
    for config in ({"sedes": [0]}, {"retrain": {"epochs": 0}}, {"datasets": {"town": {"type": "streets"}}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(config, schema)


def test_the_published_schema_is_up_to_date():
    assert (paths.PROJECT / reference.SCHEMA).read_text(encoding="utf-8") == reference.schema_text(), REGENERATE


def test_the_tables_of_keys_are_up_to_date():
    text = (paths.PROJECT / reference.README).read_text(encoding="utf-8")
    assert reference.readme_text(text) == text, REGENERATE


def test_every_key_is_in_a_table():
    text = (paths.PROJECT / reference.README).read_text(encoding="utf-8")
    tables = " ".join(table[2] for table in reference.TABLE.findall(text))
    documented = {
        part for key in re.findall(r"`([\w.\[\]]+)`(?=[,` \w]*\|)", tables) for part in re.findall(r"\w+", key)
    }
    sections = set(DEFAULTS)
    assert {key.rsplit(".", 1)[-1] for key, _ in keys(experiment_schema())} - sections - documented == set()


def test_documented_defaults_of_a_dataset_are_those_that_stages_receive():
    data = settings.for_dataset(settings.complete({"datasets": {"town": STREETS}}), "town")["dataset"]
    fields = DatasetEntry.model_fields
    assert {key: fields[key].default for key in data if key not in ("name", "type", "size")} == {
        key: value for key, value in data.items() if key not in ("name", "type", "size")
    }


@pytest.mark.parametrize(
    ("schema", "table", "sentence"),
    [
        ({"type": "integer", "minimum": 1}, "integer ≥ 1", "an integer ≥ 1"),
        ({"type": "number", "exclusiveMinimum": 0}, "number > 0", "a number > 0"),
        ({"enum": ["a", "b", "c"]}, "`a`, `b` or `c`", "a, b or c"),
        ({"const": "a"}, "`a`", "a"),
        ({"type": "boolean"}, "`true` or `false`", "true or false"),
        ({"anyOf": [{"type": "string", "format": "path"}, {"type": "null"}]}, "path, or null", "a path, or null"),
        (
            {"type": "array", "items": {"type": "boolean"}, "minItems": 1},
            "list of booleans",
            "a non-empty list of booleans",
        ),
        (
            {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "list of strings",
            "a list of at most 3 strings",
        ),
        (
            {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
            *["list of lists of integers"] * 2,
        ),
        ({"type": "object"}, "mapping", "a mapping"),
        ({}, "value", "a value"),
    ],
)
def test_types_in_words(schema, table, sentence):
    assert type_text(schema) == table
    assert type_text(schema, SENTENCE).removeprefix("a list") == sentence.removeprefix("list").removeprefix("a list")
