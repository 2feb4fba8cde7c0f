"""Replacement of the command line in the workflow's tests: writes the outputs of a stage without computing anything."""

import json
import os
import sys
import time
from pathlib import Path

from ssr_mmseg import settings
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.utils.files import read_json

if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    options = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    if os.environ.get("PRETEND_FAILURE") == command:
        print("output of a framework")
        sys.exit("ssr-mmseg: a setting is wrong; change it")
    if os.environ.get("PRETEND_CRASH") == command:
        print("output of a framework")
        raise RuntimeError("an internal error")
    if os.environ.get("PRETEND_WAIT") == command:
        while not Path("go").exists():
            time.sleep(0.05)
    if not Path(options["config"]).is_file():
        sys.exit(f"no configuration at {options['config']}")
    config, stage = read_json(Path(options.pop("config"))), STAGES[command.replace("-", "_")]
    for name, pattern in stage.outputs.items():
        path = paths.result_path(config, pattern, **options)
        if not path.suffix:  # a folder
            path = path / "index.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"{command}, {os.environ.get('OMP_NUM_THREADS')} threads\n"
        if name == stage.record:
            key = (options["dataset"], int(options.get("seed", 0)), options.get("network", ""))
            recorded = settings.made_from(config, "search" if stage.name == "shrink" else stage.name, *key)
            text = json.dumps({"made_from": recorded})
        path.write_text(text)
