"""Command line `ssr-mmseg`: the parser, the exit status, and errors in one line without a traceback."""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NoReturn

from ssr_mmseg import __version__, commands, data_options, deploy_options, settings
from ssr_mmseg.deploy_options import NETWORK
from ssr_mmseg.jobs import preemption
from ssr_mmseg.jobs.links import check_links
from ssr_mmseg.jobs.progress import progress_path, recorded
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.utils import option_types as types
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.extras import missing_package
from ssr_mmseg.utils.weights_only import force_weights_only

# Errors of the file system that may occur anywhere, by number: the message and the remedy.
_WRITE = ("could not write", "free space there, or choose a writable folder")
_READ = ("could not read", "restore it or check the disk, then run again")
_PATH = ("could not use", "choose another path")
_SHAPES = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL, errno.EPERM)
REMEDIES = {
    **dict.fromkeys((*_SHAPES, errno.EXDEV, errno.ENXIO, errno.ENODEV, errno.EBUSY, errno.ENOTEMPTY), _PATH),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES), _WRITE),
    **dict.fromkeys((errno.ENOENT, errno.EIO, errno.ESTALE), _READ),
}


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors cannot control the terminal, and end in one line of limited length."""

    def error(self, message: str) -> NoReturn:
        super().error(one_line(message))


def parser() -> OneLineParser:
    """Return the parser of the command line: one subcommand per stage, then the other subcommands."""
    main_parser = OneLineParser(prog="ssr-mmseg", description="Architecture search for real-time segmentation.")
    main_parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    groups = main_parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, run: Callable, summary: str, *options: str) -> argparse.ArgumentParser:
        command = groups.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=run, config=None, command=name, time_budget=None)
        if "config" in options:
            command.set_defaults(config=paths.project_file(settings.DEFAULTS))
            command.add_argument(
                "--config", type=types.source_path, help=f"experiment configuration ({settings.DEFAULTS})"
            )
        if "dataset" in options:
            command.add_argument(
                "--dataset", type=types.name, required=True, help="name of a configured dataset or another scenario"
            )
        if "seed" in options:
            command.add_argument("--seed", type=types.seed, default=0, help="seed of search and training (%(default)s)")
        if "network" in options:
            command.add_argument("--network", type=types.name, required=True, help=NETWORK)
        if "stage" in options:
            command.add_argument("--stage", type=types.stage, required=True, help="shrinking stage, from 1")
        return command

    special = {  # with other arguments
        "evaluate": commands.evaluate,
        "latency_table": commands.latency_table,
        "report": commands.report,
    }
    for stage in STAGES.values():
        run = special.get(stage.name, commands.run_stage)
        options = [name for name in stage.wildcards if (stage.name, name) != ("evaluate", "network")]
        command = add(stage.command, run, stage.summary, "config", *options)
        if stage.trains:
            budget = f"save and exit with status 75 before this time is over, e.g. 55m or 2h; also ${preemption.BUDGET}"
            command.add_argument("--time-budget", type=types.text_line, metavar="DURATION", help=budget)
        if stage.name == "latency_table":
            _add_latency_options(command)
        if stage.name == "evaluate":
            _add_evaluate_options(command)

    status = add("status", commands.status, "show which jobs are done, running, stopped or waiting", "config")
    status.add_argument("--watch", action="store_true", help="refresh every 2 seconds until all jobs are done")
    summary = "check environment, devices, data, configs and disk, and say what to fix"
    doctor = add("doctor", commands.doctor, summary, "config")
    doctor.add_argument("--hash", action="store_true", help="read all prepared data, to notice every change")
    init = add("init", commands.init, "write a folder with configuration and Snakefile that runs the workflow")
    init.add_argument("folder", type=types.target_path, help="folder to write to")
    init.add_argument(
        "--example", type=types.name, default="config", help="shipped configuration to begin with (%(default)s)"
    )
    one_search = ("config", "dataset", "seed")
    forecast = add("forecast", commands.forecast, "estimate hours and memory of a search from a few steps", *one_search)
    forecast.add_argument(
        "--steps", type=types.steps, default=5, help="steps to time on each of two supernets (%(default)s)"
    )
    forecast.add_argument("--json", action="store_true", help="print JSON instead of a table")
    space = add("space", commands.space, "describe the search space as JSON", "config", "dataset")
    space.add_argument("--classes", type=types.classes, default=20, help="number of classes (%(default)s)")
    space.add_argument("--size", type=types.image_size, help="input size, HEIGHTxWIDTH (default: the dataset's)")
    cost = add("cost", commands.cost, "count parameters and multiply-adds of a genotype as JSON")
    cost.add_argument("--genotype", type=types.source_path, required=True, help="genotype file")
    cost.add_argument("--classes", type=types.classes, required=True, help="number of classes")
    cost.add_argument("--size", type=types.image_size, required=True, help="input size, HEIGHTxWIDTH")
    deploy_options.add_export(
        add("export", commands.export, "write a trained network as an ONNX file for predict", "config", "seed")
    )
    deploy_options.add_predict(
        add("predict", commands.predict, "segment images, videos or a camera with an exported network")
    )
    deploy_options.add_bench(
        add("bench", commands.bench, "time ONNX files on this device, and print rows of results/table.csv")
    )
    summary = "show what a folder of labeled images holds; exits with 1 for warnings, 2 if it cannot be used"
    look = add("inspect", commands.inspect_data, summary)
    data_options.add_options(look)
    look.add_argument(
        "--sheet", type=types.target_file, help="PNG file to write: a contact sheet of images under their labels"
    )
    look.add_argument("--json", action="store_true", help="print JSON instead of text")
    _add_fit(add("fit", commands.fit, "from labeled images and a frame time to a network to ship, by one command"))
    copy = add("import", commands.import_data, "write a clean copy of labeled images, with class ids as labels")
    data_options.add_options(copy)
    copy.add_argument("--out", type=types.target_path, required=True, help="new folder for the copy")
    return main_parser


def _add_fit(command: argparse.ArgumentParser) -> None:
    data_options.add_reading_options(command)
    command.add_argument(
        "--ms", type=types.milliseconds, required=True, help="milliseconds per image that the network may take"
    )
    command.add_argument("--hours", type=types.hours, default=2.0, help="hours that the run may take (%(default)s)")
    command.add_argument(
        "--name", dest="dataset", type=types.name, help="name of configuration and results (default: the folder's)"
    )
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="(%(default)s)")
    command.add_argument(
        "--backend",
        choices=["onnxruntime", "openvino", "tensorrt"],
        default="onnxruntime",
        help="what runs the network on this device (%(default)s)",
    )
    command.add_argument("--size", type=types.image_size, help="input size, HEIGHTxWIDTH (default: chosen)")
    command.add_argument("--cores", type=types.threads, help="CPU cores (default: all)")
    command.add_argument(
        "--rival", type=types.source_path, action="append", metavar="ONNX", help="network to compare with"
    )
    command.add_argument("--license", type=types.text_line, help="license of the data, for the card")
    command.add_argument("--yes", action="store_true", help="run without asking")
    command.add_argument("--dry-run", action="store_true", help="only write the configuration")


def _add_latency_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where to measure (default: as configured)")
    command.add_argument("--backend", type=types.name, help="backend that runs the networks (default: as configured)")
    command.add_argument("--precision", type=types.name, help="arithmetic, such as fp32 (default: as configured)")
    command.add_argument("--threads", type=types.threads, help="CPU threads (default: as configured)")
    command.add_argument("--points", type=types.points, help="widths to measure per group (default: as configured)")
    command.add_argument("--rounds", type=types.rounds, help="runs of each part (default: as configured)")
    command.add_argument("--classes", type=types.classes, help="number of classes (default: the prepared dataset's)")
    command.add_argument("--size", type=types.image_size, help="input size, HEIGHTxWIDTH (default: the dataset's)")
    command.add_argument("--out", type=types.target_file, help="file to write (default: where the search reads it)")


def _add_evaluate_options(command: argparse.ArgumentParser) -> None:
    measured = command.add_mutually_exclusive_group(required=True)
    measured.add_argument("--network", type=types.name, help=f"network to evaluate as a stage: {NETWORK}")
    measured.add_argument("--onnx", type=types.source_path, help="ONNX file to measure alone; prints its accuracy")
    command.add_argument("--split", choices=("val", "test"), help="with --onnx (default: test, or val without labels)")
    command.add_argument("--json", action="store_true", help="with --onnx, print JSON instead of a line")


def _is_stage(arguments: argparse.Namespace) -> bool:
    """Return whether the command is a job of the workflow: a stage whose output has the workflow's path."""
    other = (getattr(arguments, name, None) for name in ("out", "onnx"))
    return commands.stage_name(arguments) in STAGES and all(value is None for value in other)


def _progress(arguments: argparse.Namespace, config: dict) -> AbstractContextManager[None]:
    """Record the progress of a command that is a job of the workflow."""
    if not _is_stage(arguments):
        return nullcontext()
    values = vars(arguments)
    if "dataset" in values:
        settings.for_dataset(config, arguments.dataset)  # an unknown name is an error before anything is written
    stage = STAGES[commands.stage_name(arguments)]
    values = {name: values[name] for name in stage.wildcards}
    job = stage.job_name(**values)
    results = [paths.result_path(config, pattern, **values) for pattern in stage.outputs.values()]
    check_links([*results, progress_path(config, job)])
    return recorded(config, job)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments; argparse takes `--option=--` for an option without a value, and gives an empty list."""
    whole = parser()
    arguments = whole.parse_args(argv)
    for option, value in vars(arguments).items():
        if value in ([], [[]]):
            whole.error(f"argument --{option.replace('_', '-')}: expected a value, found --; correct it")
    arguments.words = list(sys.argv[1:] if argv is None else argv)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status: 0 for success, 2 for a user error, 75 for a resumable stop."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may have no form in the terminal's encoding
    arguments = _parse(argv)
    force_weights_only()
    if not _is_stage(arguments):
        return _run(arguments)
    try:
        budget = preemption.time_left(arguments.time_budget, os.environ)
    except UserError as error:
        return _fail(one_line(error))
    with preemption.stoppable(budget, last=argv is None):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    try:
        config = settings.read_config(arguments.config) if arguments.config else {}
        if config.get("device") == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # mmengine trains on any GPU that is visible
        with _progress(arguments, config):
            arguments.run(arguments, config)
    except UserError as error:
        return _fail(one_line(error))
    except ModuleNotFoundError as error:
        missing = missing_package(error, arguments.command)
        if missing is None:
            raise
        return _fail(one_line(missing))
    except preemption.Stopped as stop:
        print(f"ssr-mmseg: stopped by {stop.reason}; run again to resume", file=sys.stderr)
        return preemption.RESUMABLE
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        return _fail(one_line(f"{remedy[0]} {error.filename or 'a file'}: {error.strerror}; {remedy[1]}"))
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        reason = one_line(error, 200) or type(error).__name__
        return _fail(f"there is not enough memory: {reason}; make the images, the batch or the network smaller")
    return 0


def _out_of_memory(error: Exception) -> bool:
    """Whether an error says that the memory of the machine or of its GPU is full; torch has several types of it."""
    return isinstance(error, MemoryError) or any(part in str(error) for part in ("out of memory", "allocate memory"))


def _fail(line: str) -> int:
    print(f"ssr-mmseg: {line}", file=sys.stderr)
    return 2
