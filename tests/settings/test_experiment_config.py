import copy
import datetime
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg import settings
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.utils.errors import UserError

STAGES = ("prepare", "search", "discretize", "select", "retrain", "evaluate", "profile")
NESTED = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), NESTED, max_size=3)


@pytest.fixture(scope="module")
def config():
    return settings.read_config(paths.PROJECT / settings.DEFAULTS)


def changed(config, path, value):
    """Return a copy of the configuration with the value at a dotted path replaced."""
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    section = config
    for key in parents:
        section = section.setdefault(key, {})
    section[last] = value
    return config


def identities(config, dataset="streets", seed=0, network="searched"):
    return {stage: settings.stage_identity(config, stage, dataset, seed, network) for stage in STAGES}


@given(MAPPINGS, MAPPINGS)
def test_merging_keeps_both_arguments_and_lets_changes_win(base, changes):
    before = copy.deepcopy((base, changes))
    merged = settings.merge(base, changes)
    assert (base, changes) == before
    assert settings.merge(merged, changes) == merged
    assert set(merged) == set(base) | set(changes)
    for key, value in changes.items():
        assert isinstance(value, dict) or merged[key] == value


def test_lists_are_replaced_and_mappings_merged():
    base = {"a": [1, 2], "b": {"c": 1, "d": 2}}
    assert settings.merge(base, {"a": [3], "b": {"d": {"e": 4}}}) == {"a": [3], "b": {"c": 1, "d": {"e": 4}}}


@pytest.mark.parametrize("name", sorted(path.name for path in (paths.PROJECT / "config").glob("*.yaml")))
def test_shipped_configurations_are_valid_and_complete(name):
    path = paths.PROJECT / "config" / name
    completed = settings.read_config(path)
    assert completed == yaml.safe_load(path.read_text(encoding="utf-8"))
    assert settings.complete(completed) == completed


def test_omitted_keys_have_their_defaults(config):
    datasets = {"yard": {"type": "folder", "source": "data/yard", "size": [64, 64], "classes": ["ground", "plant"]}}
    completed = settings.complete({"datasets": datasets, "retrain": {"epochs": 3}})
    assert completed["datasets"] == datasets
    assert completed["retrain"] == {**config["retrain"], "epochs": 3}
    assert completed["search"] == config["search"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sedes", [0], r"unknown key sedes at top level; did you mean seeds\? known keys: .*seeds"),
        (
            "retrain.epoch",
            3,
            r"unknown key epoch at retrain; did you mean epochs\? known keys: batch_size, config, distill",
        ),
        ("datasets.streets.sizes", [64, 64], r"unknown key sizes at datasets\.streets; did you mean size\?"),
        ("datasets.streets.retrain", {"epoch": 3}, r"datasets\.streets: unknown key epoch at retrain"),
        ("datasets.streets.size", [64, 65], r"datasets\.streets\.size\.1: expected a multiple of 8 .*, found 65"),
        ("datasets.streets.type", "streats", r"unknown dataset type streats; did you mean streets\? known are:"),
        ("datasets.streets.type", "../streets", r"streets\.type: expected a name of .*, found .\.\./streets"),
        ("datasets", {}, "datasets: expected a mapping of 1 to 200 names, found {}"),
        ("datasets.streets\n", {"type": "streets", "size": [64, 64]}, "datasets: expected names of"),
        ("datasets.streets.size", [64.0, 64], r"size\.0: expected a multiple of 8 .*, found 64\.0"),
        ("datasets.streets.size", [8200, 64], "from 32 to 8192, found 8200"),
        ("datasets.streets.options", {1: 2}, "the key 1 is not text"),
        ("datasets.streets.options", {"seed": datetime.date(2020, 1, 1)}, "of type date"),
        ("datasets.streets.options", {"seed": float("nan")}, "the number nan"),
        ("datasets.streets.options", {"seed": [[]] * 50_000}, "more than 50000 values"),
        ("search.space.stages", [{"blocks": 10**9, "channels": 64, "width_step": 1}] * 2, r"0\.blocks: expected .*256"),
        ("search.config", "x" * 5000, "expected a path"),
        ("seeds", [2**32], r"seeds\.0: expected an integer from 0 to 4294967295"),
        ("datasets.a b", {"type": "streets", "size": [64, 64]}, 'datasets: expected names of .*, found "a b"'),
        ("seeds", [], r"seeds: expected a list of 1 to 1000 .*, found \[\]"),
        ("seeds", [0, 0], "seeds: expected distinct values, found 0 more than once"),
        ("seeds", [-1], r"seeds\.0: expected an integer from 0 .*, found -1"),
        ("selectors", {"random_serach": {}}, "selectors: unknown selector random_serach; did you mean random_search?"),
        (
            "selectors",
            {"evolution": {"populaton": 3}},
            r"selectors\.evolution: unknown argument populaton; did you mean population\? its arguments are: populat",
        ),
        ("selectors", {"uniform": {"near": 3}}, "unknown argument near; its arguments are: none"),
        ("networks", ["searched", "unet"], "unknown network unet; .*known are: searched, .*random, .*erfnet"),
        ("device", "gpu", 'device: expected auto, cpu or cuda, found "gpu"'),
        ("retrain.epochs", "ten", r"retrain\.epochs: expected an integer from 1 to 1000000, found \"ten\""),
        ("evaluate", None, "evaluate: expected a mapping of frames, exported, found null"),
        ("search.threshold", 1.5, r"search\.threshold: expected a number > 0 and < 1, found 1\.5"),
        ("search.config", "config/absent.py", r"file config/absent\.py not found in .*; check its name"),
        ("search.space.stages", [], r"search\.space\.stages: expected a list of 2 mappings"),
    ],
)
def test_an_invalid_value_is_one_line_that_names_its_key(config, path, value, message):
    with pytest.raises(UserError, match=message) as caught:
        settings.complete(changed(config, path, value), "my.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a\n- b\n", "expected a mapping of settings, found list"),
        (b"", "expected a mapping of settings, found NoneType"),
        (b"a: [1\nb: 2\n", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"!!python/object/apply:os.getcwd []\n", "is not valid YAML"),
    ],
)
def test_a_file_that_is_not_a_configuration_is_one_line(tmp_path, content, message):
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        settings.read_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_configuration_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"could not read the configuration .*absent\.yaml: No such file"):
        settings.read_config(tmp_path / "absent.yaml")


def test_values_of_the_command_line_override_the_file(tmp_path):
    (tmp_path / "my.yaml").write_text("seeds: [3]\nretrain: {epochs: 5}\n")
    completed = settings.read_config(tmp_path / "my.yaml", {"retrain": {"batch_size": 4}})
    assert completed["seeds"] == [3]
    assert (completed["retrain"]["epochs"], completed["retrain"]["batch_size"]) == (5, 4)
    with pytest.raises(UserError, match=r"my\.yaml and --config: unknown key"):
        settings.read_config(tmp_path / "my.yaml", {"sedes": [0]})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("true", True),
        ("null", None),
        ("cuda", "cuda"),
        ("config/x.py", "config/x.py"),
        ("https://a.b/c", "https://a.b/c"),
        ("2026-01-01", "2026-01-01"),
        (["0", "1"], [0, 1]),
        ({"epochs": "3", "config": "a.py"}, {"epochs": 3, "config": "a.py"}),
        (7, 7),
    ],
)
def test_strings_of_the_command_line_become_yaml_scalars(text, value):
    assert settings.typed(text) == value
    assert type(settings.typed(text)) is type(value)


def test_identity_ignores_the_order_of_keys(config):
    reversed_keys = json.loads(json.dumps(config), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    assert list(reversed_keys) != list(config)
    assert identities(reversed_keys) == identities(config)


@pytest.mark.parametrize(
    ("path", "value", "stages"),
    [
        ("datasets.streets.options.seed", 1, set(STAGES)),
        ("search.epochs", 5, {"search", "discretize", "select", "retrain", "evaluate", "profile"}),
        ("discretize.undecided", "refuse", {"discretize", "select", "retrain", "evaluate", "profile"}),
        ("retrain.epochs", 11, {"retrain", "evaluate"}),
        ("evaluate.frames", 5, {"evaluate"}),
        ("profile.runs", 21, {"profile"}),
        ("device", "cpu", {"profile"}),
        ("threads.search", 1, set()),
        ("threads.retrain", 2, set()),
        ("seeds", [0, 1], set()),
        ("networks", ["searched"], set()),
    ],
)
def test_a_setting_affects_its_stage_and_those_after_it(config, path, value, stages):
    before, after = identities(config), identities(changed(config, path, value))
    assert {stage for stage in STAGES if before[stage] != after[stage]} == stages


def test_a_baseline_does_not_depend_on_the_search(config):
    other = changed(config, "search.epochs", 5)
    for stage in ("retrain", "evaluate", "profile"):
        assert identities(other, network="erfnet")[stage] == identities(config, network="erfnet")[stage]


def test_the_seed_affects_every_stage_except_prepare(config):
    before, after = identities(config, seed=0), identities(config, seed=1)
    assert {stage for stage in STAGES if before[stage] == after[stage]} == {"prepare"}


def test_every_network_has_its_own_identity(config):
    networks = [*config["networks"], "random_4", "uniform"]
    assert len({identities(config, network=network)["retrain"] for network in networks}) == len(networks)


def test_an_override_affects_only_its_dataset(config):
    two = changed(config, "datasets.other", {"type": "streets", "size": [64, 64]})
    one_longer = changed(two, "datasets.other.retrain", {"epochs": 99})
    assert settings.for_dataset(one_longer, "other")["retrain"] == {**config["retrain"], "epochs": 99}
    assert settings.for_dataset(one_longer, "streets")["retrain"] == config["retrain"]
    assert identities(one_longer, "streets") == identities(two, "streets")
    before, after = identities(two, "other"), identities(one_longer, "other")
    assert {stage for stage in STAGES if before[stage] != after[stage]} == {"retrain", "evaluate"}


def test_a_dataset_that_is_not_configured_is_one_line(config):
    with pytest.raises(UserError, match="dataset mars is not configured; configured are: streets"):
        settings.for_dataset(config, "mars")


@pytest.mark.parametrize("name", sorted(settings.STAGES))
def test_a_new_version_reruns_the_stage(config, monkeypatch, name):
    before = identities(config)
    stage = settings.STAGES[name]
    monkeypatch.setitem(settings.STAGES, name, replace(stage, version=stage.version + 1))
    if name in before:
        assert identities(config)[name] != before[name]
    else:
        assert identities(config) == before


def test_digest_of_an_mmengine_file_ignores_comments_and_layout(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("lr = dict(value=0.1)\n")
    before = project_files.mmengine_digest(path)
    path.write_text("# faster\nlr = dict(\n    value=0.1,  # was 0.2\n)\n\n")
    assert project_files.mmengine_digest(path) == before
    path.write_text("lr = dict(value=0.2)\n")
    assert project_files.mmengine_digest(path) != before


def test_digest_of_an_mmengine_file_covers_its_bases(tmp_path):
    (tmp_path / "base.py").write_text("a = 1\n")
    (tmp_path / "middle.py").write_text("_base_ = './base.py'\n")
    (tmp_path / "top.py").write_text("_base_ = ['middle.py', 'mmseg::_base_/default_runtime.py']\n")
    before = project_files.mmengine_digest(tmp_path / "top.py")
    (tmp_path / "base.py").write_text("a = 1  # one\n")
    assert project_files.mmengine_digest(tmp_path / "top.py") == before
    (tmp_path / "base.py").write_text("a = 2\n")
    assert project_files.mmengine_digest(tmp_path / "top.py") != before
    (tmp_path / "base.py").unlink()
    with pytest.raises(UserError, match=r"middle\.py has the base \./base\.py, which does not exist"):
        project_files.mmengine_digest(tmp_path / "top.py")


@pytest.mark.parametrize("text", ["a = (", "_base_ = name\n", "a = '\0'\n"])
def test_a_malformed_mmengine_file_is_one_line(tmp_path, text):
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(UserError, match=r"a\.py is not a valid mmengine config") as caught:
        project_files.mmengine_digest(tmp_path / "a.py")
    assert "\n" not in str(caught.value)


def test_project_files_are_found_in_the_working_directory_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = "config/mmseg/ssrnet_streets.py"
    assert paths.project_file(config) == paths.PROJECT / config
    folder = tmp_path / "config/mmseg"
    folder.mkdir(parents=True)
    (folder / "ssrnet_streets.py").write_text("")
    assert paths.project_file(config) == Path(config)


def test_the_kind_of_a_network_follows_from_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, name in (("config/genotypes", "mine.json"), ("config/mmseg/_base_/models", "theirs.py")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).write_text("{}")
    kinds = {name: project_files.network_kind(name) for name in ("searched", "random", "mine", "theirs", "erfnet")}
    assert kinds == {
        "searched": "searched",
        "random": "random",
        "mine": "published",
        "theirs": "baseline",
        "erfnet": "baseline",
    }


def test_tables_of_classes_and_splits_count_by_their_content(tmp_path):
    """They are named by an entry and need not be in its source, whose files are listed."""
    colors, splits = tmp_path / "colors.csv", tmp_path / "split.csv"
    entry = {"type": "folder", "source": "data", "size": [64, 64]}
    entry |= {"label_map": str(colors), "split": {"table": str(splits)}}
    config = settings.complete({"datasets": {"yard": entry}, "networks": ["erfnet"]})
    seen = set()
    for table in (colors, splits):
        for content in ("name,r,g,b\n", "other\n"):
            table.write_text(content)
            seen.add(settings.stage_identity(config, "prepare", "yard"))
    assert len(seen) == 4


def test_integer_keys_of_a_label_map_are_text(tmp_path):
    """However the file was parsed: by this project, by Snakemake, or as JSON."""
    entry = "{type: folder, source: data, size: [64, 64], label_map: {0: ground, 255: water, '#80ff00': tree}}"
    (tmp_path / "own.yaml").write_text(f"datasets: {{yard: {entry}}}\n")
    expected = {"0": "ground", "255": "water", "#80ff00": "tree"}
    config = settings.read_config(tmp_path / "own.yaml")
    assert config["datasets"]["yard"]["label_map"] == expected
    parsed = yaml.safe_load((tmp_path / "own.yaml").read_text())
    assert settings.complete(parsed)["datasets"]["yard"]["label_map"] == expected
