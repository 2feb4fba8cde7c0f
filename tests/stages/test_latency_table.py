"""The command `latency-table` on a tiny space: measured once, resumed, and measured again when necessary."""

import pytest
import yaml
from latency_tables import key

from ssr_mmseg import cli, settings
from ssr_mmseg.architecture.genotype import Block, Genotype, Stage
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.latency_table import measure
from ssr_mmseg.costs.latency_table.table import EARLIER_HEAD, LatencyTable
from ssr_mmseg.deploy.logits import build_network
from ssr_mmseg.utils.files import read_json

HEADS = {
    "streets": {"channels": 64, "skip_channels": 32, "branch_channels": 20},
    "cityscapes": {"channels": 128, "skip_channels": 64, "branch_channels": 40},
}
GENOTYPE = Genotype((Stage(20, (Block(1, 1, 18, 18),)), Stage(24, (Block(1, 1, 22, 22),))))
CONFIG = {
    "device": "cpu",
    "datasets": {"town": {"type": "streets", "size": [32, 64]}},
    "search": {
        "space": {
            "stages": [{"blocks": 1, "channels": 20, "width_step": 2}, {"blocks": 1, "channels": 24, "width_step": 2}],
            "dilations": [1],
            "resolutions": [1],
            "width_options": 2,
        },
        "cost": {"type": "latency", "target_ms": 5},
    },
    "latency": {"points": 2, "rounds": 3, "networks": 1, "threads": 1},
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))

    def call(*options: str) -> tuple[int, str]:
        command = ["latency-table", "--config", "config.yaml", "--dataset", "town", "--classes", "3"]
        status = cli.main([*command, "--out", "t.json", *options])
        return status, capsys.readouterr().err

    return call


def test_a_table_is_measured_once_and_again_when_a_circumstance_changes(run, tmp_path, monkeypatch):
    assert run()[0] == 0
    table = LatencyTable.read(tmp_path / "t.json")
    space = SearchSpace.from_settings(settings.read_config(tmp_path / "config.yaml")["search"])
    assert set(table.entries) == {part.name((32, 64)) for part in measure.list_parts(space, table)}
    assert table.key["size"] == [32, 64]
    assert not (tmp_path / "t.partial.json").exists()
    content = (tmp_path / "t.json").read_bytes()

    def refuse(*_):
        raise AssertionError("nothing should be measured")

    with monkeypatch.context() as patch:
        patch.setattr(measure, "time_parts", refuse)
        assert run() == (0, "")
    assert (tmp_path / "t.json").read_bytes() == content
    status, errors = run("--rounds", "4")
    assert status == 0
    assert "t.json was measured with rounds 3, not 4: measuring again" in errors
    assert LatencyTable.read(tmp_path / "t.json").key["rounds"] == 4


def test_an_interrupted_measurement_is_resumed(run, tmp_path, monkeypatch):
    time_parts, calls = measure.time_parts, []

    def stop(parts, table, device):
        calls.append(parts)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return time_parts(parts, table, device)

    monkeypatch.setattr(measure, "time_parts", stop)
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.setattr(measure, "time_parts", time_parts)
    assert not (tmp_path / "t.json").exists()
    kept = read_json(tmp_path / "t.partial.json")["entries"]
    assert len(kept) == measure.GROUP
    assert run()[0] == 0
    finished = read_json(tmp_path / "t.json")["entries"]
    assert {name: finished[name] for name in kept} == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--backend", "abacus"), "unknown profiling backend 'abacus'; choose one of: "),
        (("--precision", "int3"), "backend eager does not offer precision 'int3'; choose one of: fp32"),
        (("--size", "30x64"), "expected a height and a width that are positive multiples of 8"),
        (("--size", "8x8"), "expected a height and a width that are positive multiples of 8 of at least 32"),
    ],
)
def test_a_bad_option_is_refused_in_one_line(run, options, message):
    status, errors = run(*options)
    assert status == 2
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_a_file_that_is_not_a_table_is_not_overwritten(run, tmp_path):
    (tmp_path / "t.json").write_text('{"mine": 1}')
    status, errors = run()
    assert status == 2
    assert "t.json is not a latency table" in errors
    assert (tmp_path / "t.json").read_text() == '{"mine": 1}'


def test_the_table_is_of_the_head_that_networks_are_trained_with(run, tmp_path):
    assert run()[0] == 0
    assert LatencyTable.read(tmp_path / "t.json").key["head"] == HEADS["streets"]
    narrow = tmp_path / "t.json"
    wide = yaml.safe_dump({**CONFIG, "retrain": {"config": "config/mmseg/ssrnet_cityscapes.py"}})
    (tmp_path / "config.yaml").write_text(wide)
    before = LatencyTable.read(narrow).entries
    status, errors = run()
    assert status == 0
    assert "was measured with head branch_channels 20, not 40: measuring again" in errors
    table = LatencyTable.read(narrow)
    assert table.key["head"] == HEADS["cityscapes"]
    assert set(table.entries) == set(before)
    assert build_network(GENOTYPE, 3, HEADS["streets"]).head.channels == 64


def test_a_table_of_the_workflow_says_what_it_was_made_from_and_is_read(tmp_path):
    table = LatencyTable(key(), 2, 1, 1.0, {"part": 1.0})
    table.write(tmp_path / "t.json", made_from={"identity": "0123456789ab"})
    assert LatencyTable.read(tmp_path / "t.json") == table


def test_a_table_without_a_head_is_of_the_paper_s(tmp_path):
    value = LatencyTable(key(), 2, 1, 1.0, {"part": 1.0}).to_dict()
    value["key"] = {name: entry for name, entry in value["key"].items() if name != "head"}
    assert LatencyTable.from_dict(value).key["head"] == EARLIER_HEAD
