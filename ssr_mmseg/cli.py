"""The command line: one subcommand per stage, and no traceback for a user's mistake."""

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ssr_mmseg import __version__, commands, settings
from ssr_mmseg.jobs import preemption
from ssr_mmseg.jobs.progress import job_name, recorded
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError, one_line

# What the disk may answer at any time, and what to do about it.
_WRITE = ("could not write", "free space there, or choose a writable folder")
_READ = ("could not read", "put it back or check the disk, then run again")
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES), _WRITE),
    **dict.fromkeys((errno.ENOENT, errno.EIO, errno.ESTALE), _READ),
}


def _size(text: str) -> tuple[int, int]:
    height, separator, width = text.partition("x")
    if not (separator and height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 512x1024, found {text!r}")
    return int(height), int(width)


def parser() -> argparse.ArgumentParser:
    """The command line's subcommands and their options."""
    whole = argparse.ArgumentParser(prog="ssr-mmseg", description="Architecture search for real-time segmentation.")
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    groups = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, run: Callable, summary: str, *options: str) -> argparse.ArgumentParser:
        command = groups.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=run, config=None, command=name, time_budget=None)
        if "config" in options:
            command.set_defaults(config=paths.project_file(settings.DEFAULTS))
            command.add_argument("--config", help=f"experiment configuration ({settings.DEFAULTS})")
        if "dataset" in options:
            command.add_argument("--dataset", required=True, help="name of a configured dataset")
        if "seed" in options:
            command.add_argument("--seed", type=int, default=0, help="seed of search and training (%(default)s)")
        if "network" in options:
            command.add_argument("--network", required=True, help="searched, random, a genotype's or a baseline's name")
        return command

    def add_training(name: str, run: Callable, summary: str, *options: str) -> argparse.ArgumentParser:
        command = add(name, run, summary, *options)
        budget = "save and end with status 75 before this time is over, e.g. 55m or 2h; also $" + preemption.BUDGET
        command.add_argument("--time-budget", metavar="DURATION", help=budget)
        return command

    one_dataset = ("config", "dataset")
    one_search = (*one_dataset, "seed")
    one_network = (*one_search, "network")
    add("prepare", commands.prepare, "fetch or render a dataset, verify it and measure its classes", *one_dataset)
    add_training("search", commands.search, "train the supernet with every option alive at the start", *one_search)
    shrink = add_training("shrink", commands.search, "compact the supernet and search on", *one_search)
    shrink.add_argument("--stage", type=int, required=True, help="number of the shrinking stage, from 1")
    add("discretize", commands.discretize, "write the genotype that survived", *one_search)
    add("sample", commands.sample, "draw a random genotype of about the searched one's cost", *one_search)
    add_training("retrain", commands.retrain, "train a network from scratch", *one_network)
    add("evaluate", commands.evaluate, "measure mIoU and draw predictions", *one_network)
    add("profile", commands.profile, "measure parameters, multiply-adds and latency", *one_network)
    latency = add(
        "latency-table", commands.latency_table, "measure the operators of the space on this device", *one_dataset
    )
    latency.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where to measure (the configuration's)")
    latency.add_argument("--backend", help="how networks are run (the configuration's, like all that follow)")
    latency.add_argument("--precision", help="arithmetic of the runs, such as fp32")
    latency.add_argument("--threads", type=int, help="threads of the CPU")
    latency.add_argument("--points", type=int, help="widths to measure per group")
    latency.add_argument("--rounds", type=int, help="runs of each part")
    latency.add_argument("--classes", type=int, help="number of classes (the prepared dataset's)")
    latency.add_argument("--size", type=_size, help="input size, HEIGHTxWIDTH (the dataset's)")
    latency.add_argument("--out", type=Path, help="the table (where the search looks for it)")
    add("peers", commands.peers, "set all profiled networks beside the published ones in results/peers.csv", "config")
    add(
        "gap", commands.gap, "set the supernet's mIoU, relaxed and one-hot, beside the retrained network's", *one_search
    )
    add("table", commands.table, "join all results into results/table.csv", "config")
    add("summary", commands.summary, "average over the seeds in results/summary.csv, and choose one", "config")
    add("ablation", commands.ablation, "compare the searches of the ablation in results/ablation.csv and .md", "config")
    add("report", commands.report, "show what results there are in results/report/index.html", "config")
    add("figures", commands.figures, "write the report's figures as SVG and PNG into results/figures", "config")
    status = add("status", commands.status, "show which results are done, running, stopped or waiting", "config")
    status.add_argument("--watch", action="store_true", help="show it again every 2 seconds until all is done")
    add("doctor", commands.doctor, "check environment, devices, data and disk, and say what to fix", "config")
    ahead = add(
        "forecast", commands.forecast, "reckon hours and memory of a search's stages from a few steps", *one_search
    )
    ahead.add_argument("--steps", type=int, default=5, help="steps to time on each of two supernets (%(default)s)")
    ahead.add_argument("--json", action="store_true", help="print JSON instead of a table")
    space = add("space", commands.space, "describe the search space as JSON", *one_dataset)
    space.add_argument("--classes", type=int, default=20, help="number of classes (%(default)s)")
    space.add_argument("--size", type=_size, help="input size, HEIGHTxWIDTH (the dataset's)")
    cost = add("cost", commands.cost, "count parameters and multiply-adds of a genotype as JSON")
    cost.add_argument("--genotype", type=Path, required=True, help="genotype file")
    cost.add_argument("--classes", type=int, required=True, help="number of classes")
    cost.add_argument("--size", type=_size, required=True, help="input size, HEIGHTxWIDTH")
    export = add(
        "export", commands.export, "write a trained network as an ONNX file that predict runs", "config", "seed"
    )
    export.add_argument("--dataset", help="name of a configured dataset")
    export.add_argument("--network", help="searched, random, a genotype's or a baseline's name")
    export.add_argument(
        "--genotype", type=Path, help="genotype file, with --weights instead of --dataset and --network"
    )
    export.add_argument("--weights", type=Path, help="weights.pth that a retraining of the genotype left")
    export.add_argument("--classes", help="class names, separated by commas, with --weights")
    export.add_argument("--out", type=Path, required=True, help="ONNX file to write")
    export.add_argument("--head", choices=("labels", "logits"), default="labels", help="what it gives (%(default)s)")
    export.add_argument("--size", type=_size, help="input size, HEIGHTxWIDTH (the dataset's)")
    export.add_argument("--batch", type=int, default=1, help="images per run (%(default)s)")
    export.add_argument("--dynamic", action="store_true", help="leave batch and size open, the size by multiples of 8")
    predict = add("predict", commands.predict, "segment images, folders or videos with an exported network")
    predict.add_argument("model", type=Path, help="ONNX file that export wrote")
    predict.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help="image, folder or video")
    predict.add_argument("--out", type=Path, required=True, help="folder to write overlays to")
    predict.add_argument("--provider", choices=("cpu", "cuda", "tensorrt"), default="cpu", help="(%(default)s)")
    predict.add_argument("--opacity", type=float, default=0.5, help="of the colours, 0 to 1 (%(default)s)")
    predict.add_argument("--threads", type=int, default=0, help="of the CPU (one per core)")
    return whole


def _is_stage(arguments: argparse.Namespace) -> bool:
    """Whether the command is a stage of the workflow, rather than a question about it or a table made for elsewhere."""
    return _stage(arguments) in (*settings.RECIPES, "shrink") and getattr(arguments, "out", None) is None


def _stage(arguments: argparse.Namespace) -> str:
    return arguments.command.replace("-", "_")


def _progress(arguments: argparse.Namespace, config: dict) -> AbstractContextManager[None]:
    """Keeps the progress of a command that is a stage of the workflow."""
    if not _is_stage(arguments):
        return nullcontext()
    given = vars(arguments)
    if "dataset" in given:
        settings.for_dataset(config, arguments.dataset)  # a mistyped name shall leave nothing behind
    detail = given.get("network", given.get("stage", ""))
    return recorded(job_name(_stage(arguments), given.get("dataset", ""), given.get("seed"), detail))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return the exit status: 0 done, 2 a user's mistake, 75 stopped and to be resumed."""
    arguments = parser().parse_args(argv)
    if not _is_stage(arguments):
        return _run(arguments)
    try:
        budget = preemption.time_left(arguments.time_budget, os.environ)
    except UserError as error:
        return _refuse(one_line(error))
    with preemption.stoppable(budget, last=argv is None):
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    try:
        config = settings.read_config(arguments.config) if arguments.config else {}
        if config.get("device") == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # mmengine trains on any GPU that it sees
        with _progress(arguments, config):
            arguments.run(arguments, config)
    except UserError as error:
        return _refuse(one_line(error))
    except preemption.Stopped as stop:
        print(f"ssr-mmseg: stopped by {stop.reason}; run again to resume", file=sys.stderr)
        return preemption.RESUMABLE
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        return _refuse(f"{remedy[0]} {error.filename or 'a file'}: {error.strerror}; {remedy[1]}")
    return 0


def _refuse(line: str) -> int:
    print(f"ssr-mmseg: {line}", file=sys.stderr)
    return 2
