"""Commands of the command line, each a function of the parsed arguments and the configuration.

The modules that compute are imported when a command runs: `ssr-mmseg --help` must not import torch.
"""

import argparse
import contextlib
import json
import os
import pkgutil
import shlex
import sys
from typing import Any

from ssr_mmseg import data_options, settings
from ssr_mmseg.jobs.changes import check_inputs
from ssr_mmseg.jobs.finished_work import remove_accepted
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.utils.deferred_imports import defer_imports, uncollected_imports
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.plain_text import check_class_names
from ssr_mmseg.utils.third_party_noise import quiet_standard_output, silence_logs, silence_warnings
from ssr_mmseg.utils.threads import check_threads

CONFIG_VARIABLE = "SSR_MMSEG_CONFIG"  # set by the workflow: the configuration of its jobs


def load(name: str) -> Any:
    """Import a function or class by its name, `module:name`, and set up what its import brings along.

    From here on mmengine reads checkpoints as data only, and what third parties say or import without need is left out.
    """
    silence_warnings()
    defer_imports()
    with quiet_standard_output(), uncollected_imports():
        found = pkgutil.resolve_name(name)
        if "mmengine" in sys.modules:
            from ssr_mmseg.training.checkpoint.mmengine_loader import forbid_unpickling

            forbid_unpickling()
            silence_logs()
    return found


def stage_name(arguments: argparse.Namespace) -> str:
    """Return the name of the command's stage, which is a key of `STAGES` if there is one."""
    return arguments.command.replace("-", "_")


def run_stage(arguments: argparse.Namespace, config: dict) -> None:
    """Run a stage of the workflow with the values of its wildcards."""
    stage = STAGES[stage_name(arguments)]
    values = {name: getattr(arguments, name) for name in stage.wildcards}
    number = values.pop("stage", 0)
    if stage.record:
        check_inputs(config, stage.name, **values)
        if CONFIG_VARIABLE in os.environ:  # a job of the workflow, which has accepted the results that it reads
            remove_accepted(config, stage.name, **values, number=number)
    load(stage.function)(config, **values, **({"stage": number} if number else {}))


def evaluate(arguments: argparse.Namespace, config: dict) -> None:
    if arguments.onnx is None:
        if arguments.split or arguments.json:
            raise UserError("expected --split and --json with --onnx only, as the stage writes a file; remove them")
        run_stage(arguments, config)
        return
    measure = load("ssr_mmseg.stages.file_evaluation:evaluate_file")
    summary = load("ssr_mmseg.stages.file_evaluation:summary")
    with contextlib.redirect_stdout(sys.stderr):  # mmengine logs to the standard output, which is for the result
        result = measure(config, arguments.dataset, arguments.onnx, arguments.split)
    print(json.dumps(result, indent=2) if arguments.json else summary(result))


def latency_table(arguments: argparse.Namespace, config: dict) -> None:
    config = latency_settings(arguments, config)
    make = load(STAGES["latency_table"].function)
    make(config, arguments.dataset, arguments.out, arguments.classes, arguments.size)


def latency_settings(arguments: argparse.Namespace, config: dict) -> dict:
    """Return the configuration with the options of `latency-table` merged into it."""
    values = {key: getattr(arguments, key) for key in ("backend", "precision", "threads", "points", "rounds")}
    options = {key: value for key, value in values.items() if value is not None}
    device = {"device": arguments.device} if arguments.device else {}
    settings.for_dataset(config, arguments.dataset)  # an unknown name is an error
    return settings.complete(settings.merge(config, {"latency": options, **device}), "options of latency-table")


def report(arguments: argparse.Namespace, config: dict) -> None:
    load(STAGES["report"].function)(config, arguments.config)


def status(arguments: argparse.Namespace, config: dict) -> None:
    load("ssr_mmseg.jobs.status:show")(config, arguments.watch)


def doctor(arguments: argparse.Namespace, config: dict) -> None:
    if not load("ssr_mmseg.stages.doctor:show")(config, arguments.hash):
        raise SystemExit(1)


def space(arguments: argparse.Namespace, config: dict) -> None:
    describe = load("ssr_mmseg.stages.describe:describe_space")
    search_space = load("ssr_mmseg.architecture.search_space:SearchSpace")
    dataset_settings = settings.for_dataset(config, arguments.dataset)
    size = arguments.size or tuple(dataset_settings["dataset"]["size"])
    description = describe(search_space.from_settings(dataset_settings["search"]), arguments.classes, size)
    print(json.dumps(description, indent=2))


def cost(arguments: argparse.Namespace, _: dict) -> None:
    network_cost = load("ssr_mmseg.stages.describe:network_cost")
    genotype = load("ssr_mmseg.architecture.genotype:Genotype").read(arguments.genotype)
    print(json.dumps(network_cost(genotype, arguments.classes, arguments.size), indent=2))


def forecast(arguments: argparse.Namespace, config: dict) -> None:
    forecast = load("ssr_mmseg.stages.forecast:forecast")
    table = load("ssr_mmseg.stages.forecast:table")
    with contextlib.redirect_stdout(sys.stderr):  # a training logs to the standard output, which is for the result
        result = forecast(config, arguments.dataset, arguments.seed, arguments.steps)
    print(json.dumps(result, indent=2) if arguments.json else table(result))


def export(arguments: argparse.Namespace, config: dict) -> None:
    options = load("ssr_mmseg.deploy.export:ExportOptions")(
        arguments.head, arguments.size, arguments.dynamic, arguments.batch, arguments.precision
    )
    if arguments.genotype or arguments.weights:
        if not (arguments.genotype and arguments.weights) or arguments.network or arguments.dataset:
            raise UserError(
                "expected --genotype and --weights together, without --network and --dataset; see ssr-mmseg export "
                "--help"
            )
        export_pair = load("ssr_mmseg.stages.export:export_pair")
        names = [name.strip() for name in arguments.classes.split(",")] if arguments.classes else None
        check_class_names(names or (), "--classes")
        check = export_pair(config, arguments.genotype, arguments.weights, arguments.out, options, names)
    elif arguments.network and arguments.dataset:
        if arguments.classes:
            raise UserError("expected --classes with --weights only, because a dataset has names; remove it")
        export_network = load("ssr_mmseg.stages.export:export_network")
        source = (arguments.dataset, arguments.seed, arguments.network)
        check = export_network(config, *source, arguments.out, options)
    else:
        raise UserError("expected --dataset and --network, or --genotype and --weights; see ssr-mmseg export --help")
    accuracy = ""
    if "miou_val_int8" in check:
        accuracy = f", mIoU on val {check['miou_val_fp32']:.2f} % in fp32, {check['miou_val_int8']:.2f} % in int8"
    print(f"{one_line(arguments.out)}: relative error of the logits {check['logits_error']:.1e}{accuracy}")


def init(arguments: argparse.Namespace, _: dict) -> None:
    load("ssr_mmseg.stages.init:init")(arguments.folder, arguments.example)


def inspect_data(arguments: argparse.Namespace, _: dict) -> None:
    settings_of_data = data_options.entry(arguments)
    inspect = load("ssr_mmseg.stages.own_data:inspect_data")
    if status := inspect(arguments.source, settings_of_data, arguments.sheet, arguments.json):
        raise SystemExit(status)


def fit(arguments: argparse.Namespace, _: dict) -> None:
    entry = data_options.entry(arguments)
    cores = arguments.cores or len(os.sched_getaffinity(0))
    check_threads(cores, "--cores")
    request = load("ssr_mmseg.fit.request:FitRequest")(
        source=arguments.source,
        entry=entry,
        name=entry["name"],
        ms=arguments.ms,
        hours=arguments.hours,
        device=arguments.device,
        backend=arguments.backend,
        precision="fp32",
        size=arguments.size,
        cores=cores,
        rivals=tuple(arguments.rival or ()),
        license=arguments.license,
        command=shlex.join(["ssr-mmseg", *(word for word in arguments.words if word not in ("--yes", "--dry-run"))]),
    )
    if status := load("ssr_mmseg.fit.command:fit")(request, arguments.yes, arguments.dry_run):
        raise SystemExit(status)


def import_data(arguments: argparse.Namespace, _: dict) -> None:
    settings_of_data = data_options.entry(arguments)
    load("ssr_mmseg.stages.own_data:import_data")(arguments.source, settings_of_data, arguments.out)


def predict(arguments: argparse.Namespace, _: dict) -> None:
    check_threads(arguments.threads, "--threads")
    skip = [name.strip() for name in arguments.skip.split(",")] if arguments.skip else []
    options = load("ssr_mmseg.deploy.predict:PredictOptions")(
        opacity=arguments.opacity,
        masks=arguments.masks,
        legend=arguments.legend,
        skip=tuple(filter(None, skip)),
        palette=arguments.palette,
        frames=arguments.frames,
        seconds=arguments.seconds,
    )
    files = (arguments.model, arguments.inputs, arguments.out)
    load("ssr_mmseg.deploy.predict:predict")(*files, arguments.provider, arguments.threads, options)


def bench(arguments: argparse.Namespace, _: dict) -> None:
    check_threads(arguments.threads, "--threads")
    names = ("provider", "threads", "size", "runs", "seconds")
    options = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    load("ssr_mmseg.profiling.bench:bench")(arguments.models, **options)
