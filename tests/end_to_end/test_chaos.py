"""A short run of benchmarks/chaos.py: kills at random moments must not change any result."""

import subprocess
import sys

from patience import PATIENCE

from ssr_mmseg.settings.paths import EVALUATION, PROJECT
from ssr_mmseg.utils.files import read_json

KILLS = 5
TARGET = EVALUATION.format(dataset="town", seed=0, network="searched")


def test_kills_at_random_moments_change_no_result(tmp_path):
    out = tmp_path / "record.json"
    command = [
        sys.executable,
        str(PROJECT / "benchmarks/chaos.py"),
        "--kills",
        str(KILLS),
        "--seed",
        "1",
        "--cores",
        "1",
    ]
    call = subprocess.run([*command, "--out", str(out), TARGET], capture_output=True, text=True, timeout=PATIENCE)
    assert call.returncode == 0, call.stdout[-4000:] + call.stderr[-4000:]
    record = read_json(out)
    assert record["equal"]
    assert record["kills"] >= KILLS
    assert record["starts"] > record["rounds"]
    assert record["results_compared"] >= 8
    assert record["left_in_work"] == []
