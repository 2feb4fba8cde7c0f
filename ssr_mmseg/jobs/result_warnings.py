"""Warnings about results that are finished but should not be trusted: doubtful data, undecided searches, and more.

Must not import torch: the Snakefile imports this module.
"""

import itertools
from collections.abc import Iterator, Mapping

from ssr_mmseg import settings
from ssr_mmseg.jobs.changes import changes, source_change, text
from ssr_mmseg.jobs.job import Job, ablation_jobs, contest_jobs, jobs
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.project_files import follows_search, selection
from ssr_mmseg.settings.rivals import configured_networks, rival_entry
from ssr_mmseg.settings.scenario import searches, table_networks
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

OFF = 0.03  # largest relative difference of a selected network's cost from the searched one's without a warning
GAP = 2.0  # largest discretization gap without a warning, in points of mIoU
FAULTS = (UserError, OSError, AttributeError, KeyError, TypeError, ValueError)  # of a missing or malformed result


def search_doubts(groups: Mapping[str, Mapping[str, int]], relaxed: float | None, one_hot: float | None) -> list[str]:
    """Return what is wrong with the end of a search; empty if nothing is.

    Args:
        groups: Numbers of groups by gate, under `exist` and `decided`.
        relaxed: mIoU of the supernet, in percent.
        one_hot: The same with one-hot gates.
    """
    doubts = []
    total, decided = (sum(group.get(key, 0) for group in groups.values()) for key in ("exist", "decided"))
    if decided < total:
        doubts.append(f"{total - decided} of {total} gate groups undecided")
    if relaxed is not None and one_hot is not None and relaxed - one_hot > GAP:
        doubts.append(f"one-hot gates lose {relaxed - one_hot:.1f} points of mIoU")
    return doubts


def accuracy_doubts(iou: Mapping[str, float | None]) -> list[str]:
    """Return what is wrong with the accuracy of a network; empty if nothing is.

    Args:
        iou: IoU by class; None for a class that is neither labeled nor predicted.
    """
    occurring = {name: value for name, value in iou.items() if value is not None}
    recognized = [name for name, value in occurring.items() if value > 0]
    if len(occurring) < 2 or len(recognized) > 1:
        return []
    return [f"recognizes {recognized[0]} only" if recognized else "recognizes no class"]


def export_doubts(problem: str | None) -> list[str]:
    """Return that a network has no exported file, for the reason that its evaluation recorded; empty without one."""
    return [] if problem is None else [f"has no exported file: {problem}"]


def latency_doubts(settled: bool | None) -> list[str]:
    """Return that a latency should not be quoted; empty if it settled during the warm-up, or nobody knows."""
    return ["the latency did not settle"] if settled is False else []


def result_warnings(config: dict) -> list[str]:
    """Return a line with the remedy for each doubtful result that exists, over all datasets, seeds and networks."""
    return [
        *outdated_warnings(config),
        *(warning for dataset in settings.dataset_names(config) for warning in data_warnings(config, dataset)),
    ] + [
        warning
        for dataset in settings.dataset_names(config)
        for seed in config["seeds"]
        for warning in (
            *_searches(config, dataset, seed),
            *_selections(config, dataset, seed),
            *_networks(config, dataset, seed),
        )
    ]


def data_warnings(config: dict, dataset: str) -> Iterator[str]:
    """Yield the warnings about the data of a prepared dataset, and whether they have changed since."""
    try:
        warnings = [str(line) for line in read_json(settings.manifest_path(config, dataset))["warnings"]]
    except FAULTS:
        return
    yield from (f"{dataset}: {line}" for line in warnings)
    for change in source_change(config, Job.of(config, "prepare", dataset)):
        yield f"{dataset}: {change}; the next run of snakemake prepares them again"


def outdated_warnings(config: dict) -> Iterator[str]:
    """Yield a line for the results that were made with another configuration, one for all that changed alike."""
    outdated: dict[str, list[Job]] = {}
    for job in itertools.chain(jobs(config), contest_jobs(config), ablation_jobs(config)):
        if found := changes(config, job):
            outdated.setdefault(text(found), []).append(job)
    for change, made in outdated.items():
        first, more = made[0], len(made) - 1
        where = f"{first.dataset}, seed {first.seed}" if first.seed is not None else first.dataset
        what = f"{first.title} and {more} more results were" if more else f"the result of {first.title} was"
        yield f"{where}: {what} made with another configuration ({change}); the next run of snakemake makes them again"


def _searches(config: dict, dataset: str, seed: int) -> Iterator[str]:
    """Yield the warnings about the searches of a dataset, if a configured network depends on them."""
    if not any(map(follows_search, configured_networks(config))):
        return  # there may be results of another configuration
    for scenario in searches(config, dataset):
        search = settings.for_dataset(config, scenario)["search"]
        try:
            metrics = read_json(paths.stage_metrics_path(config, scenario, seed, search["shrink_stages"]))
            doubts = search_doubts(metrics["groups"], metrics["relaxed_miou"], metrics["one_hot_miou"])
        except FAULTS:
            continue  # reported by the stages that need it
        if doubts:
            remedy = (
                "search longer (search.epochs, search.shrink_epochs or search.min_steps), or raise the regularizer's "
                f"weights (train_cfg.objective in {search['config']})"
                if search["shrink"]
                else "set search.shrink to true"
            )
            yield f"{scenario}, seed {seed}: the search ended with {' and '.join(doubts)}; {remedy}"


def _selections(config: dict, dataset: str, seed: int) -> Iterator[str]:
    """Yield the warnings about selected networks whose cost is not that of the searched one."""
    for network in table_networks(config, dataset):
        if not selection(network.name):
            continue
        try:
            record = read_json(
                paths.result_path(config, paths.SELECTION, dataset=network.scenario, seed=seed, network=network.name)
            )
            off = record["cost"] / record["target"] - 1
        except (*FAULTS, ZeroDivisionError):
            continue
        if abs(off) > OFF:
            yield (
                f"{network.scenario}, seed {seed}: {network.name} costs {abs(off):.0%} {'more' if off > 0 else 'less'} "
                "than the searched network, so their accuracies do not compare; use more width_options in search.space"
            )


def _networks(config: dict, dataset: str, seed: int) -> Iterator[str]:
    """Yield the warnings about the networks of a dataset's table."""
    for network in table_networks(config, dataset):
        names = {"dataset": network.scenario, "seed": seed, "network": network.name}
        retrain = settings.for_dataset(config, network.scenario)["retrain"]
        try:
            evaluation = read_json(paths.result_path(config, paths.EVALUATION, **names))
            doubts = accuracy_doubts((evaluation["test"] or evaluation["val"])["iou"])
            unexported = export_doubts(evaluation.get("export_problem"))  # earlier results lack it
        except FAULTS:
            continue
        yield from (f"{network.scenario}, seed {seed}: {network.name} {doubt}" for doubt in unexported)
        remedy = (
            "check its preprocess and classes in networks"
            if rival_entry(config, network.name)
            else "train longer (retrain.epochs or retrain.min_steps), or change the learning rate in "
            f"{retrain['config']}"
        )
        yield from (f"{network.scenario}, seed {seed}: {network.name} {doubt}; {remedy}" for doubt in doubts)
