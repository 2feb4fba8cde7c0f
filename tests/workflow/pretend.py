"""Stands in for the command line in the workflow's tests: writes a stage's outputs without computing anything."""

import os
import sys
import time
from pathlib import Path

from ssr_mmseg.settings import paths

OUTPUTS = {
    "prepare": (paths.MANIFEST,),
    "search": (paths.SEARCH_STATE, paths.SEARCH_METRICS),
    "shrink": (paths.SHRINK_STATE, paths.SHRINK_METRICS),
    "discretize": (paths.GENOTYPE, paths.DISCRETIZATION),
    "sample": (paths.RANDOM_GENOTYPE,),
    "retrain": (paths.WEIGHTS, paths.TRAINING),
    "evaluate": (paths.EVALUATION,),
    "profile": (paths.PROFILE,),
    "gap": (paths.GAP,),
    "table": (paths.TABLE,),
    "latency-table": (paths.LATENCY_TABLE,),
    "peers": (paths.PEERS,),
    "summary": (paths.SUMMARY,),
    "ablation": (paths.ABLATION, paths.ABLATION_REPORT),
    "report": (paths.REPORT, paths.PREDICTION_SHEET),
    "figures": (f"{paths.FIGURES}/index.json",),
}

if __name__ == "__main__":
    stage, *rest = sys.argv[1:]
    options = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    if os.environ.get("PRETEND_FAILURE") == stage:
        print("a framework's chatter")
        sys.exit("ssr-mmseg: a mistake of the user's; mend it")
    if os.environ.get("PRETEND_CRASH") == stage:
        print("a framework's chatter")
        raise RuntimeError("a mistake of ours")
    if os.environ.get("PRETEND_WAIT") == stage:
        while not Path("go").exists():
            time.sleep(0.05)
    if not Path(options["config"]).is_file():
        sys.exit(f"no configuration at {options['config']}")
    for pattern in OUTPUTS[stage]:
        path = Path(pattern.format(**options))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{stage}, {os.environ.get('OMP_NUM_THREADS')} threads\n")
