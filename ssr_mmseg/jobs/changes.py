"""What has changed in the configuration since a result was made, such as `retrain.epochs 6 → 3`.

Each stage writes into its result what it was computed from (`settings.made_from`). The workflow reruns a result that a
changed configuration would not give, also where Snakemake's own records of it are missing; stages refuse such an input.
Must not import torch or numpy: the Snakefile imports this module.
"""

import json
from collections.abc import Iterator
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.jobs.job import Job
from ssr_mmseg.settings.source_listing import source_listing
from ssr_mmseg.settings.stage_identity import ResultKey, origin
from ssr_mmseg.settings.stage_table import STAGES, search_stage
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

SHORT = 40  # characters of a value that is shown
SHOWN = 3  # changes that are named


def changes(config: dict, job: Job) -> list[str]:
    """Return what changed since a job's result was made: its own settings first, then those of the results it used.

    Empty if nothing changed, if there is no result, and if the result does not say what it was made from.
    """
    recorded = recorded_origin(job)
    if recorded is None:
        return []
    stage = "search" if job.stage == "shrink" else job.stage
    key = (job.dataset, job.seed or 0, job.network)
    if recorded.get("identity") == settings.stage_identity(config, stage, *key):
        return []
    current = settings.made_from(config, stage, *key)
    found = list(_own_changes(stage, recorded, current))
    before, now = _mapping(recorded.get("inputs")), current["inputs"]
    for used in origin(config, stage, *key).inputs:
        if before.get(used.name) != now[used.name]:
            deeper = changes(config, input_job(config, used))
            found += deeper or [f"{used.name} was made again" if used.name in before else f"{used.name} is used"]
    found += [f"{name} is no longer used" for name in before if name not in now]
    return list(dict.fromkeys(found)) or ["its record was edited"]


def source_change(config: dict, job: Job) -> list[str]:
    """Return whether the files of a prepared dataset's source have changed since; empty for other jobs."""
    if job.stage != "prepare":
        return []
    try:
        prepared = read_json(job.result)["source"]
        entry = settings.for_dataset(config, job.dataset)["dataset"]
        listing = source_listing(entry["type"], entry["source"])
        if prepared and listing and prepared["digest"] != listing.digest:
            return [
                f"the files in {entry['source']} have changed ({prepared['files']} when they were prepared, "
                f"{listing.files} now)"
            ]
    except (UserError, KeyError, TypeError):
        pass
    return []


def text(found: list[str]) -> str:
    """Join changes for a message; of many the first ones."""
    shown = found if len(found) <= SHOWN + 1 else [*found[:SHOWN], f"{len(found) - SHOWN} more"]
    return ", ".join(shown)


def check_inputs(config: dict, stage: str, dataset: str, seed: int = 0, network: str = "") -> None:
    """Refuse to compute from results of another configuration.

    Raises:
        UserError: The first such result, with what changed and the command that makes it again.
    """
    name = "search" if stage == "shrink" else stage
    for key in origin(config, name, dataset, seed, network).inputs:
        check_current(config, input_job(config, key))


def check_current(config: dict, job: Job) -> None:
    """Refuse a result of another configuration.

    Raises:
        UserError: What changed, and the command that makes it again.
    """
    if found := changes(config, job):
        raise UserError(
            f"{record_path(job)} is a result of another configuration ({text(found)}); make it again with: "
            f"snakemake --cores all {record_path(job)}"
        )


def recorded_origin(job: Job) -> dict[str, Any] | None:
    """Return what a job's result says that it was made from; None if there is none, or it does not say so."""
    if not STAGES[job.stage].record:
        return None
    try:
        recorded = read_json(record_path(job))["made_from"]
    except (UserError, KeyError, TypeError):
        return None
    return recorded if isinstance(recorded, dict) and recorded.get("identity") else None


def record_path(job: Job) -> Any:
    """Return the path of the output of a job that says what it was made from."""
    return job.output(STAGES[job.stage].record)


def input_job(config: dict, key: ResultKey) -> Job:
    """Return the job that makes a result; of a search its last stage."""
    if key.stage != "search":
        return Job.of(config, key.stage, key.dataset, key.seed, key.network)
    number = settings.for_dataset(config, key.dataset)["search"]["shrink_stages"]
    return Job.of(config, search_stage(number).name, key.dataset, key.seed, number=number)


def _own_changes(stage: str, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yield what differs between two origins of a stage, apart from its inputs."""
    if before.get("version") != now["version"]:
        yield f"version of the stage {stage} {before.get('version')} → {now['version']}"
    for part in ("values", "settings"):
        old, new = _flat(_mapping(before.get(part))), _flat(now[part])
        for key in (*new, *(key for key in old if key not in new)):
            if key not in old or key not in new or old[key] != new[key]:
                yield _change(key, old.get(key, ...), new.get(key, ...))
    old, new = _mapping(before.get("files")), now["files"]
    for name in (*new, *(name for name in old if name not in new)):
        if old.get(name) != new.get(name):
            verb = "changed" if name in old and name in new else "is used" if name in new else "is no longer used"
            yield f"{name} {verb}"


def _mapping(value: Any) -> dict[str, Any]:
    """Return a part of a record, which may have been edited."""
    return value if isinstance(value, dict) else {}


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by their dotted keys."""
    if not isinstance(value, dict) or (prefix and not value):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _change(key: str, old: Any, new: Any) -> str:
    """Describe a changed setting; `...` means that it was not set."""
    shown = [_shown(old), _shown(new)]
    return f"{key} changed" if None in shown else f"{key} {shown[0]} → {shown[1]}"


def _shown(value: Any) -> str | None:
    """Return a value as text; None if it is too long to be read."""
    shown = "unset" if value is ... else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= SHORT else None
