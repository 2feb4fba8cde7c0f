"""A workflow goes on elsewhere from what was packed."""

import shutil

from conftest import make_checkout

from ssr_mmseg.slices.pack import pack, unpack

UNFINISHED = ("table.csv", "summary.csv", "report", "town/seed0/retrain/erfnet", "town/seed0/evaluate/erfnet")


def test_elsewhere_only_what_is_missing_is_done(copied, tmp_path):
    """Above all no search again, although the states of its earlier stages were not packed."""
    for name in UNFINISHED:
        path = copied.folder / "results" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    pack(copied.folder, tmp_path / "packed", 60)
    elsewhere = make_checkout(tmp_path / "elsewhere")
    unpack(tmp_path / "packed", elsewhere.folder)
    assert not (elsewhere.folder / "results/town/seed0/search/state.pth").exists()
    assert (elsewhere.folder / "results/town/seed0/shrink1/state.pth").exists()
    call = elsewhere.snakemake("--dry-run", "--configfile", "config/two.yaml")
    expected = {"retrain": 1, "evaluate": 1, "table": 1, "summary": 1, "report": 1, "all": 1}
    assert call.counts == expected, call.output
