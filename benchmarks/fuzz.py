"""Feed malformed documents of every kind to their readers, and record the outcomes.

    python benchmarks/fuzz.py --examples 10000 --out benchmarks/records/fuzz-cpu.json

The documents and properties are those of `tests/fuzz`; the examples are divided evenly among the kinds. For each kind
the record has the number of documents tried, accepted as valid, and refused with a clear error, and the findings: other
errors, files changed elsewhere, too much time or memory. The exit status is 1 if there are findings.
"""

import argparse
import math
import platform
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import quiet_mmseg  # noqa: F401
from command_line import run_benchmark
from hypothesis import HealthCheck, Phase, given, seed, settings

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "support"), str(PROJECT / "tests" / "fuzz")]

from kinds import KINDS, Kind  # noqa: E402

from ssr_mmseg.jobs.provenance import provenance  # noqa: E402
from ssr_mmseg.utils.errors import one_line  # noqa: E402
from ssr_mmseg.utils.files import write_json  # noqa: E402

PACKAGES = ("hypothesis", "pillow", "pyyaml", "jsonschema", "opencv-python")


def fuzz(kind: Kind, examples: int, number: int, place: Path) -> dict[str, Any]:
    """Try `examples` documents of a kind, drawn from the seed `number`; return the outcome."""
    outcome: dict[str, Any] = {"tried": 0, "accepted": 0, "refused": 0, "findings": []}

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(kind.documents)
    def run(document: Any) -> None:
        outcome["tried"] += 1
        try:
            outcome["accepted" if kind.accepts(document, place) else "refused"] += 1
        except Exception as error:  # any error is a finding; continue with the next document
            message = f"{type(error).__name__}: {one_line(error, 300)}"
            if message not in [finding["error"] for finding in outcome["findings"]]:
                outcome["findings"].append({"error": message, "document": ascii(document)[:2000]})

    started = time.process_time()
    run()
    return {**outcome, "cpu_seconds": round(time.process_time() - started, 1)}


def main() -> int:
    """Fuzz all kinds, or the named ones; return 1 if there are findings."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=10_000, help="total number of documents (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the documents (%(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="kinds of documents (all)")
    parser.add_argument("--out", type=Path, help="JSON file to write the record to")
    arguments = parser.parse_args()
    share = math.ceil(arguments.examples / len(arguments.kinds))
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.kinds:
            outcomes[name] = outcome = fuzz(KINDS[name], share, arguments.seed, Path(folder) / "place")
            counts = f"{outcome['tried']} tried, {outcome['accepted']} accepted, {outcome['refused']} refused"
            print(f"{name}: {counts}", flush=True)
            for finding in outcome["findings"]:
                print(f"  {finding['error']}\n    {finding['document'][:300]}", flush=True)
    record = {
        "tried": sum(outcome["tried"] for outcome in outcomes.values()),
        "findings": sum(len(outcome["findings"]) for outcome in outcomes.values()),
        "seed": arguments.seed,
        "kinds": outcomes,
        "versions": {package: metadata.version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "provenance": provenance(),
    }
    if arguments.out:
        write_json(arguments.out, record)
    return int(record["findings"] > 0)


if __name__ == "__main__":
    run_benchmark(main)
