"""Every stage run by Snakemake on a tiny experiment: on the rendered scenes and, if available, on CamVid."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from patience import PATIENCE
from PIL import Image

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages.table import COLUMNS
from ssr_mmseg.utils.files import read_json

CAMVID = PROJECT.parent / "shared" / "camvid"  # real frames, not part of the repository
TINY = yaml.safe_load((PROJECT / ".test/config/config.yaml").read_text())


@dataclass(frozen=True)
class Run:
    """A working folder with its configuration, in which Snakemake is run."""

    folder: Path
    config: dict
    networks: tuple[str, ...]

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(self.config))
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", "--configfile", "tiny.yaml"]
        environment = os.environ | {"PYTHONWARNINGS": "ignore"}
        return subprocess.run(
            [*command, "--snakefile", str(PROJECT / "Snakefile"), *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    @property
    def root(self) -> Path:
        """Folder of the experiment's results."""
        return self.folder / "results" / self.config.get("name", "")

    def results(self, pattern: str) -> list[Path]:
        return sorted(self.root.glob(pattern))


def streets(folder: Path) -> Run:
    """The experiment of .test, with a name."""
    return Run(folder, {**TINY, "name": "tiny"}, tuple(TINY["networks"]))


def camvid(folder: Path) -> Run:
    counts = {"train": 8, "val": 2, "test": 2}
    for split, count in counts.items():
        for kind, suffix in ((split, "jpg"), (f"{split}annot", "png")):
            (folder / "frames" / kind).mkdir(parents=True)
            for file in sorted((CAMVID / kind).glob(f"*.{suffix}"))[:count]:
                shutil.copy(file, folder / "frames" / kind)
    dataset = {"type": "camvid", "source": "frames", "size": [48, 64], "options": {"counts": counts}}
    dataset["train_split"] = "train+val"
    networks = ("searched", "fast_scnn")
    return Run(folder, {**TINY, "datasets": {"camvid": dataset}, "networks": list(networks)}, networks)


@pytest.fixture(scope="module", params=[streets, *([camvid] if CAMVID.is_dir() else [])])
def run(request, tmp_path_factory) -> Run:
    """A finished run, from an empty folder to the table."""
    run = request.param(tmp_path_factory.mktemp(request.param.__name__))
    call = run.snakemake()
    assert call.returncode == 0, call.stdout + call.stderr
    return run


def test_the_table_has_a_row_per_network_and_size(run):
    table = pd.read_csv(run.root / "table.csv")
    assert tuple(table.columns) == COLUMNS
    dataset = next(iter(run.config["datasets"]))
    own_size = "x".join(map(str, run.config["datasets"][dataset]["size"]))
    expected = {(dataset, network, size) for network in run.networks for size in (own_size, "64x64")}
    assert set(zip(table.dataset, table.network, table.input_size, strict=True)) == expected
    rows = table[table.input_size == own_size]
    assert rows[["miou_val", "miou_test", "pixel_accuracy"]].map(lambda value: 0 <= value <= 100).all(axis=None)
    assert (table[["params", "macs", "fps", "latency_ms_p50", "train_hours"]] > 0).all(axis=None)
    assert (table.latency_ms_p50 <= table.latency_ms_p95).all()
    assert table[table.network == "searched"].search_hours.gt(0).all()
    assert table[table.network != "searched"].search_hours.isna().all()
    assert set(table.train_split) == {run.config["datasets"][dataset].get("train_split", "train")}


def test_results_are_in_the_folder_of_the_experiment(run):
    outside = {path for path in (run.folder / "results").rglob("*") if path.is_file()} - set(run.results("**/*"))
    assert not outside
    for path in run.results("**/*.json"):
        if path.name not in ("progress.json", "genotype.json") and "log" not in path.parts:  # mmengine writes logs
            assert len(read_json(path)["made_from"]["identity"]) == 12, path


def test_the_random_network_costs_about_as_much_as_the_searched_one(run):
    table = pd.read_csv(run.root / "table.csv").drop_duplicates("network").set_index("network")
    for network in set(run.networks) & {"random"}:
        assert table.macs[network] == pytest.approx(table.macs["searched"], rel=0.1)


def test_each_stage_wrote_its_metrics_and_pictures(run):
    stages = [read_json(path) for path in run.results("*/seed0/s*/metrics.json")]
    assert sorted(stage["stage"] for stage in stages) == [0, 1, 2]
    sizes = [stage["parameters"] for stage in sorted(stages, key=lambda stage: stage["stage"])]
    assert sizes == sorted(sizes, reverse=True)
    for stage in stages:
        assert {"relaxed_miou", "one_hot_miou", "gates_decided", "hours", "peak_gb"} <= set(stage)
    assert Genotype.read(run.results("*/seed0/discretize/genotype.json")[0])
    pictures = run.results("*/seed0/evaluate/searched/predictions/*.png")
    assert {picture.name[:4] for picture in pictures} == {"val_", "test"}
    labels = "frames/valannot" if "camvid" in run.config["datasets"] else "results/tiny/streets/prepare/data/val/labels"
    label = next((run.folder / labels).glob("*.png"))
    width, height = Image.open(pictures[-1]).size
    assert (width // 3, height) == Image.open(label).size
    assert not run.results("work/*"), "finished trainings must delete their state"


def test_a_second_run_has_nothing_to_do_and_touches_nothing(run):
    before = {path: path.stat().st_mtime_ns for path in run.results("**/*.json")}
    call = run.snakemake()
    assert call.returncode == 0, call.stdout + call.stderr
    assert "Nothing to be done" in call.stdout + call.stderr
    assert before == {path: path.stat().st_mtime_ns for path in run.results("**/*.json")}


def test_a_changed_setting_reruns_its_stage_and_the_later_ones(run):
    call = run.snakemake("--dry-run", "--config", "retrain={epochs: 2}")
    planned = dict(re.findall(r"^(\w+) +(\d+)$", call.stdout, re.MULTILINE))
    count = str(len(run.networks))
    assert planned["retrain"] == planned["evaluate"] == count
    assert planned["table"] == "1"
    assert not {"prepare", "search", "shrink", "discretize", "profile"} & set(planned)


def test_a_missing_data_file_is_a_one_line_error(run):
    """If an image is missing, the stage that needs it reports it and earlier results are kept.

    A change of a source that we do not own, such as CamVid's, is noticed before: it prepares the dataset again.
    """
    images = [path for path in run.folder.rglob("*") if path.parent.name in ("images", "train") and path.is_file()]
    victim = sorted(images)[0]
    kept = victim.read_bytes()
    table = (run.root / "table.csv").read_bytes()
    victim.unlink()
    try:
        call = run.snakemake("--config", "retrain={epochs: 2}", "networks=[fast_scnn]")
    finally:
        victim.write_bytes(kept)
    assert call.returncode != 0
    missing = r"dataset \w+: 1 of \d+ files changed since they were prepared|label \S+ has no image in \S+;"
    assert re.search(rf"ssr-mmseg: \w+ failed: ({missing})", call.stdout + call.stderr)
    assert (run.root / "table.csv").read_bytes() == table
