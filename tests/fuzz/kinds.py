"""The kinds of documents to fuzz, with their readers, which may raise only `UserError`."""

import contextlib
import csv
import io
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from deployed import DEPLOYED
from documents import (
    CONFIGS,
    ENTRIES,
    GENOTYPES,
    MANIFEST,
    POLYGONS,
    PROGRESS,
    STATE,
    WEIGHTS,
    WEIGHTS_META,
    archives,
    compact,
    images,
    states,
    weights,
)
from hypothesis import strategies as st
from mutations import ODD, as_json, as_yaml, damaged
from PIL import Image
from snakemake_configs import SNAKEMAKE
from watch import watched

from ssr_mmseg import settings
from ssr_mmseg.api.weights_meta import check_meta
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.datasets.cityscapes import draw_label
from ssr_mmseg.datasets.preparation.archive import extract
from ssr_mmseg.datasets.preparation.manifest import class_weights, read_manifest
from ssr_mmseg.datasets.preparation.verify import IGNORED, INVALID, check_pair
from ssr_mmseg.jobs import status
from ssr_mmseg.report import charts, collect, origins, page
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.prepared_files import changed_files, parse_records, read_records, records_digest
from ssr_mmseg.stages.gap import write_gap
from ssr_mmseg.stages.summary import write_summary
from ssr_mmseg.stages.table import write_table
from ssr_mmseg.training.checkpoint.fitting import load_into
from ssr_mmseg.training.checkpoint.origin import check_origin
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.checkpoint.weights import load_checkpoint
from ssr_mmseg.utils.errors import UserError

TABLE = np.full(256, INVALID)
TABLE[[0, 1, 2]] = [0, 1, 2]
TABLE[255] = IGNORED


@dataclass(frozen=True)
class Kind:
    """One kind of document.

    Attributes:
        documents: Strategy of mutated documents.
        read: Reader, called as `read(document, folder)`; it may change only `folder`.
        valid: A document that must be accepted.
        invalid: A document that must be rejected.
    """

    documents: st.SearchStrategy[Any]
    read: Callable[[Any, Path], None]
    valid: Any = b""
    invalid: Any = b""

    def accepts(self, document: Any, place: Path) -> bool:
        """Read a document in a new folder at `place` and return whether it was accepted.

        Raises:
            Exception: A finding: any exception but `UserError`, one from `watched`, or an unclear message.
        """
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            with contextlib.chdir(place), watched(place), contextlib.redirect_stdout(io.StringIO()):
                self.read(document, place)
        except UserError as error:
            if not 10 < len(str(error)) < 5000:
                raise AssertionError(f"an unclear message: {error}") from error
            return False
        return True


def _png(mode: str) -> bytes:
    """Encode a black picture of 16×32 pixels."""
    buffer = io.BytesIO()
    Image.new(mode, (32, 16)).save(buffer, "PNG")
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("train/a.png"), io.BytesIO())
    return buffer.getvalue()


def _file(document: bytes, name: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document)
    return path


def _genotype(document: bytes, _: Path) -> None:
    genotype = Genotype.read(_file(document, "g.json"))
    genotype_macs(genotype, 19, (64, 64))
    genotype.write(Path("again.json"))
    assert Genotype.read("again.json") == genotype


def _config(document: bytes, _: Path) -> None:
    config = settings.read_config(_file(document, "c.yaml"))
    for dataset in settings.dataset_names(config):
        settings.stage_identity(config, "evaluate", dataset, 0, "searched")
    status.overview(config, 1e6)


def _changes(text: str, _: Path) -> None:
    """Complete a configuration with a value as Snakemake passes it: `--config retrain='{epochs: TEXT}'`."""
    settings.complete({"datasets": {"town": ENTRIES["town"]}, "retrain": {"epochs": settings.typed(text)}})


def _label(document: bytes, _: Path) -> None:
    check_pair(_file(_png("RGB"), "i.png"), _file(document, "l.png"), TABLE, 3, (32, 64))


def _image(document: bytes, _: Path) -> None:
    check_pair(_file(document, "i.png"), _file(_png("L"), "l.png"), TABLE, 3, (32, 64))


def _archive(document: bytes, folder: Path) -> None:
    archive = _file(document, "archive")
    try:
        extract(archive, folder / "data", max_bytes=2**20, max_files=20)
    finally:
        others = [path for path in folder.rglob("*") if (folder / "data") not in (path, *path.parents)]
        assert others == [archive.absolute()], "files were left outside the data folder"
        assert not any(path.is_symlink() or not (path.is_file() or path.is_dir()) for path in folder.rglob("*"))
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 2**20 + len(document)


def _state(document: bytes, _: Path) -> None:
    load_state(_file(document, "s.pth"))


def _weights(document: bytes, _: Path) -> None:
    path = _file(document, "w.pth")
    checkpoint = load_checkpoint(path)
    check_meta(checkpoint["meta"], path)
    check_origin(path, "weights", checkpoint["meta"].get("origin"), WEIGHTS_META["origin"])
    layer = torch.nn.Module()
    layer.register_parameter("w", torch.nn.Parameter(torch.zeros(2)))
    layer.register_buffer("n", torch.zeros((), dtype=torch.int64))
    load_into(layer, checkpoint["state_dict"], path, "small", "train it again")
    assert bool(layer.w.isfinite().all())


def _manifest(document: bytes, _: Path) -> None:
    manifest = read_manifest(_file(document, "dataset.json"))
    class_weights(manifest, "full", ["train", "val"])
    class_weights(manifest, "eighth", ["train"])


def _records(document: bytes, folder: Path) -> None:
    """Compare files with a record that belongs to its manifest: both may come from somebody else."""
    _file(b"abc", "a.png")
    _file(document, "files.csv")
    digest = "0" * 64
    with contextlib.suppress(ValueError, csv.Error):
        digest = records_digest(parse_records(document))
    records = read_records(Path("dataset.json"), {"files": {"count": 2, "sha256": digest}})
    changed_files(folder, records, contents=True)


def _polygons(document: bytes, _: Path) -> None:
    draw_label(_file(document, "a_polygons.json"), Path("a.png"))


CONFIG = settings.complete(
    {"datasets": {"town": ENTRIES["town"]}, "networks": ["searched"], "search": {"shrink_stages": 0}}
)
NAMES = {"dataset": "town", "seed": 0, "network": "searched"}
PROVENANCE = {"commit": "abc", "versions": {"torch": "2"}, "python": "3", "machine": "x"}
_GATES = dict.fromkeys(GATES, 1)
_EPOCH = {"epoch": 1, "loss": 0.5, "entropy": dict.fromkeys(GATES, 0.5), "probabilities": {"depth": [[0.5, 0.5], []]}}
_SPLIT = {"images": 2, "miou": 41.2, "pixel_accuracy": 81.0, "iou": {"road": 41.2, "sky": None}}
_SPLITS = {"val": _SPLIT, "test": None}
_FILE = {"bytes": 1, "sha256": "0" * 64}
_COST = {"params": 10, "macs": 10**9, "fps": 8.0, "latency_ms_p50": 125.0, "latency_ms_p95": 130.0}
_TRAINED = {"kind": "searched", "train_split": "train", "pretrained": "no", "device": "a CPU", "epochs": 1}
_DEVICE = {"device": "a CPU", "backend": "eager", "precision": "fp32"}
RESULTS: dict[str, Any] = {
    paths.MANIFEST: MANIFEST,
    paths.SEARCH_METRICS: {
        "stage": 0,
        "epochs": 2,
        "hours": 0.2,
        "peak_gb": 3.0,
        "relaxed_miou": 6.0,
        "one_hot_miou": 5.0,
        "gates_decided": 0.5,
        "groups": {gate: {"exist": 2, "decided": 1} for gate in GATES},
        "options_alive": _GATES,
        "dimensions_alive": {"depth": 1},
        "entropy": _GATES,
        "expected_macs": 7,
        "cost_ratio": 0.7,
        "one_hot_macs": 6,
        "parameters": 5,
        "history": [_EPOCH],
        "provenance": PROVENANCE,
    },
    paths.DISCRETIZATION: {"gates_decided": 1.0, "groups": {gate: {"exist": 2, "decided": 1} for gate in GATES}},
    paths.TRAINING: {
        **_TRAINED,
        "iterations": 8,
        "hours": 0.1,
        "peak_gb": 1.0,
        "history": [{"epoch": 1, "loss": 0.5}],
        "provenance": PROVENANCE,
    },
    paths.EVALUATION: {
        "weights": _FILE,
        **_SPLITS,
        "exported": {**_FILE, "size": [64, 128], **_SPLITS},
        "export_problem": None,
    },
    paths.PROFILE: {"records": [{"size": [64, 128], **_COST, **_DEVICE}], "provenance": PROVENANCE},
    paths.GAP: {
        "hours": 1.0,
        "peak_gb": 1.0,
        "end": {
            "gap": 1.0,
            "gates_decided": 1.0,
            "groups": {gate: {"exist": 2, "decided": 1} for gate in GATES},
            "relaxed_miou": 6.0,
            "one_hot_miou": 5.0,
        },
    },
}


def _results(document: tuple[str, bytes], _: Path) -> None:
    """Read one mutated result among valid ones: the report must leave it out, the combining stages may reject it."""
    pattern, content = document
    for other, value in RESULTS.items():
        _file(compact(value), other.format(**NAMES))
    path = _file(content, pattern.format(**NAMES))
    results = collect.collect(CONFIG)
    assert len(results.missing) <= results.expected
    assert isinstance(results.rows, list)
    origins.provenance(results)
    for dataset in results.datasets:
        list(page.highlights(dataset))
        page.iou_table(dataset)
        charts.measured_points(dataset)
    write_table(CONFIG)
    write_summary(CONFIG)
    if path != Path(paths.GAP.format(**NAMES)):
        write_gap(CONFIG, "town", 0)


def _progress(document: tuple[bytes, bytes], _: Path) -> None:
    """Read the progress and log of a training: the overview shows or skips them and prints only printable text."""
    progress, log = document
    _file(progress, paths.PROGRESS.format(job="search/town-seed0"))
    _file(log, paths.LOG.format(job="retrain/town-seed0-searched"))
    shown = status.as_text(status.overview(CONFIG, 1e6))
    assert all(line.isprintable() for line in shown.split("\n"))
    if status.MARKS["running"][0] not in shown:
        raise UserError("the progress was skipped")


def _one_result(pattern: str) -> st.SearchStrategy[tuple[str, bytes]]:
    return st.tuples(st.just(pattern), as_json(st.just(RESULTS[pattern])))


_WORDS = (
    st.text(st.characters(codec="ascii"), max_size=12)
    | st.integers(-9, 99).map(str)
    | ODD.map(lambda odd: yaml.safe_dump(odd, allow_unicode=True))
)
PAPER = (paths.PROJECT / "config/genotypes/paper_cityscapes.json").read_bytes()
TOWN = compact({"datasets": {"town": ENTRIES["town"]}})
RECORDS = f"split,path,size,mtime_ns,sha256\ntrain,a.png,3,7,{'0' * 64}\ntrain,/dev/zero,0,7,{'0' * 64}\n".encode()
KINDS = {
    "genotypes": Kind(as_json(GENOTYPES), _genotype, PAPER),
    "configurations": Kind(as_yaml(CONFIGS) | as_json(CONFIGS), _config, TOWN, b"["),
    "changes of a configuration": Kind(_WORDS, _changes, "3", "none"),
    "label maps": Kind(images() | damaged(images()), _label, _png("L")),
    "images": Kind(images() | damaged(images()), _image, _png("RGB")),
    "archives": Kind(damaged(archives()), _archive, _tar()),
    "states": Kind(states(), _state, STATE),
    "weights": Kind(weights(), _weights, WEIGHTS),
    "manifests": Kind(as_json(st.just(MANIFEST)), _manifest, compact(MANIFEST)),
    "records of files": Kind(damaged(st.just(RECORDS)), _records, RECORDS),
    "polygons": Kind(as_json(st.just(POLYGONS)), _polygons, compact(POLYGONS)),
    **{name: Kind(*each) for name, each in (DEPLOYED | SNAKEMAKE).items()},
    "results": Kind(
        st.sampled_from(sorted(RESULTS)).flatmap(_one_result),
        _results,
        (paths.PROFILE, compact(RESULTS[paths.PROFILE])),
        (paths.PROFILE, b""),
    ),
    "progress and logs": Kind(
        st.tuples(as_json(st.just(PROGRESS)), st.binary(max_size=200)),
        _progress,
        (compact(PROGRESS), b"a line"),
        (b"", b"a line"),
    ),
}
