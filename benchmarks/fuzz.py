"""Feed malformed documents of every kind to what reads them, and write down how many and what was found.

    python benchmarks/fuzz.py --examples 10000 --out benchmarks/records/fuzz-cpu.json

The documents and properties are those of `tests/fuzz`; the examples are shared out evenly among the kinds. The record
has, for each kind, the inputs tried, how many of them were accepted as sound and how many refused by a clear error,
and the findings: other errors, files touched elsewhere, too much time or memory. The exit status is 1 if there are any.
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

from hypothesis import HealthCheck, Phase, given, seed, settings

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "support"), str(PROJECT / "tests" / "fuzz")]

from kinds import KINDS, Kind  # noqa: E402

from ssr_mmseg.jobs.provenance import provenance  # noqa: E402
from ssr_mmseg.utils.errors import one_line  # noqa: E402
from ssr_mmseg.utils.files import write_json  # noqa: E402

PACKAGES = ("hypothesis", "pillow", "pyyaml", "jsonschema", "opencv-python")


def fuzz(kind: Kind, examples: int, number: int, place: Path) -> dict[str, Any]:
    """Try `examples` documents of a kind from the seed `number`; what came out of it."""
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
        except Exception as error:  # a finding, whatever it is; go on to the next document
            told = f"{type(error).__name__}: {one_line(error, 300)}"
            if told not in [finding["error"] for finding in outcome["findings"]]:
                outcome["findings"].append({"error": told, "document": ascii(document)[:2000]})

    started = time.process_time()
    run()
    return {**outcome, "cpu_seconds": round(time.process_time() - started, 1)}


def main() -> int:
    """Fuzz all kinds, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--examples", type=int, default=10_000, help="documents in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the documents (%(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="only these")
    parser.add_argument("--out", type=Path, help="where to write the record as JSON")
    arguments = parser.parse_args()
    share = math.ceil(arguments.examples / len(arguments.kinds))
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.kinds:
            outcomes[name] = found = fuzz(KINDS[name], share, arguments.seed, Path(folder) / "place")
            print(f"{name}: {found['tried']} tried, {found['accepted']} sound, {found['refused']} refused", flush=True)
            for finding in found["findings"]:
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
    sys.exit(main())
