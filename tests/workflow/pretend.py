"""Stands in for the command line in the workflow's tests: writes a stage's outputs without computing anything."""

import os
import sys
import time
from pathlib import Path

from ssr_mmseg import layout

OUTPUTS = {
    "prepare": (layout.MANIFEST,),
    "search": (layout.SEARCH_STATE, layout.SEARCH_METRICS),
    "shrink": (layout.SHRINK_STATE, layout.SHRINK_METRICS),
    "discretize": (layout.GENOTYPE, layout.DISCRETIZATION),
    "sample": (layout.RANDOM_GENOTYPE,),
    "retrain": (layout.WEIGHTS, layout.TRAINING),
    "evaluate": (layout.EVALUATION,),
    "profile": (layout.PROFILE,),
    "gap": (layout.GAP,),
    "table": (layout.TABLE,),
    "latency-table": (layout.LATENCY_TABLE,),
    "peers": (layout.PEERS,),
    "summary": (layout.SUMMARY,),
    "ablation": (layout.ABLATION, layout.ABLATION_REPORT),
    "report": (layout.REPORT, layout.PREDICTION_SHEET),
    "figures": (f"{layout.FIGURES}/index.json",),
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
