"""The command line: one subcommand per stage, and no traceback for a user's mistake."""

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ssr_mmseg import __version__, layout, settings, stopping
from ssr_mmseg.errors import UserError, one_line
from ssr_mmseg.progress import job_name, recorded

# What the disk may answer at any time, and what to do about it.
_WRITE = ("could not write", "free space there, or choose a writable folder")
_READ = ("could not read", "put it back or check the disk, then run again")
REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES), _WRITE),
    **dict.fromkeys((errno.ENOENT, errno.EIO, errno.ESTALE), _READ),
}

# Modules that compute are imported by the command that needs them: `ssr-mmseg --help` must not wait for torch.


def _prepare(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.datasets.prepare import prepare

    manifest = settings.manifest_path(config, arguments.dataset)
    prepare(settings.for_dataset(config, arguments.dataset)["dataset"], manifest.parent)


def _search(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.search import search

    search(config, arguments.dataset, arguments.seed, stage=getattr(arguments, "stage", 0))


def _discretize(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.discretize import discretize

    discretize(config, arguments.dataset, arguments.seed)


def _sample(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.discretize import sample

    sample(config, arguments.dataset, arguments.seed)


def _retrain(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.retrain import retrain

    retrain(config, arguments.dataset, arguments.seed, arguments.network)


def _evaluate(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.evaluate import evaluate

    evaluate(config, arguments.dataset, arguments.seed, arguments.network)


def _profile(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.profile import profile

    profile(config, arguments.dataset, arguments.seed, arguments.network)


def _latency_table(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.latency_table import latency_table

    config = latency_settings(arguments, config)
    latency_table(config, arguments.dataset, arguments.out, arguments.classes, arguments.size)


def latency_settings(arguments: argparse.Namespace, config: dict) -> dict:
    """The configuration with the options of `latency-table` laid over it."""
    given = {key: getattr(arguments, key) for key in ("backend", "precision", "threads", "points", "rounds")}
    options = {key: value for key, value in given.items() if value is not None}
    device = {"device": arguments.device} if arguments.device else {}
    settings.for_dataset(config, arguments.dataset)  # refuses an unknown name
    return settings.complete(settings.merge(config, {"latency": options, **device}), "options of latency-table")


def _peers(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.peers import write_peers

    write_peers(config)


def _gap(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.gap import write_gap

    write_gap(config, arguments.dataset, arguments.seed)


def _table(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.table import write_table

    write_table(config)


def _summary(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.summary import write_summary

    write_summary(config)


def _ablation(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.ablation import write_ablation

    write_ablation(config)


def _report(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.report import write_report

    write_report(config, arguments.config)


def _figures(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.report import write_figures

    write_figures(config)


def _status(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.status import show

    show(config, arguments.watch)


def _doctor(_: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.doctor import show

    if not show(config):
        raise SystemExit(1)


def _run_slice(arguments: argparse.Namespace, _: dict) -> None:
    from ssr_mmseg.slices.drive import run_slice

    options = {name: getattr(arguments, name) for name in ("minutes", "out", "source", "share", "megabytes", "moments")}
    status = run_slice(arguments.arguments, **options)
    if status:
        raise SystemExit(status)


def _space(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.search_space import SearchSpace
    from ssr_mmseg.stages.describe import describe_space

    own = settings.for_dataset(config, arguments.dataset)
    space = SearchSpace.from_settings(own["search"])
    size = arguments.size or tuple(own["dataset"]["size"])
    print(json.dumps(describe_space(space, arguments.classes, size), indent=2))


def _cost(arguments: argparse.Namespace, _: dict) -> None:
    from ssr_mmseg.genotype import Genotype
    from ssr_mmseg.stages.describe import network_cost

    print(json.dumps(network_cost(Genotype.read(arguments.genotype), arguments.classes, arguments.size), indent=2))


def _forecast(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages.forecast import forecast, table

    found = forecast(config, arguments.dataset, arguments.seed, arguments.steps)
    print(json.dumps(found, indent=2) if arguments.json else table(found))


def _export(arguments: argparse.Namespace, config: dict) -> None:
    from ssr_mmseg.stages import export

    form = export.Form(arguments.head, arguments.size, arguments.dynamic, arguments.batch)
    if arguments.genotype or arguments.weights:
        if not (arguments.genotype and arguments.weights) or arguments.network:
            raise UserError("expected --genotype and --weights together and no --network; see ssr-mmseg export --help")
        names = arguments.classes.split(",") if arguments.classes else None
        found = export.export_pair(config, arguments.genotype, arguments.weights, arguments.out, form, names)
    elif arguments.network and arguments.dataset:
        found = export.export_network(config, arguments.dataset, arguments.seed, arguments.network, arguments.out, form)
    else:
        raise UserError("expected --dataset and --network, or --genotype and --weights; see ssr-mmseg export --help")
    print(f"{arguments.out}: relative error of the logits {found['logits_error']:.1e}")


def _predict(arguments: argparse.Namespace, _: dict) -> None:
    from ssr_mmseg.deploy.predict import predict

    options = (arguments.provider, arguments.opacity, arguments.threads)
    predict(arguments.model, arguments.inputs, arguments.out, *options)


def _size(text: str) -> tuple[int, int]:
    height, separator, width = text.partition("x")
    if not (separator and height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH such as 512x1024, found {text!r}")
    return int(height), int(width)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return value


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, found {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """The command line's subcommands and their options."""
    whole = argparse.ArgumentParser(prog="ssr-mmseg", description="Architecture search for real-time segmentation.")
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, run: Callable, summary: str, *options: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary)
        command.set_defaults(run=run, config=None, command=name, time_budget=None)
        if "config" in options:
            command.set_defaults(config=layout.project_file(settings.DEFAULTS))
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
        budget = "save and end with status 75 before this time is over, e.g. 55m or 2h; also $" + stopping.BUDGET
        command.add_argument("--time-budget", metavar="DURATION", help=budget)
        return command

    one_dataset = ("config", "dataset")
    one_search = (*one_dataset, "seed")
    one_network = (*one_search, "network")
    add("prepare", _prepare, "fetch or render a dataset, verify it and measure its classes", *one_dataset)
    add_training("search", _search, "train the supernet with every option alive at the start", *one_search)
    shrink = add_training("shrink", _search, "compact the supernet and search on", *one_search)
    shrink.add_argument("--stage", type=int, required=True, help="number of the shrinking stage, from 1")
    add("discretize", _discretize, "write the genotype that survived", *one_search)
    add("sample", _sample, "draw a random genotype of about the searched one's cost", *one_search)
    add_training("retrain", _retrain, "train a network from scratch", *one_network)
    add("evaluate", _evaluate, "measure mIoU and draw predictions", *one_network)
    add("profile", _profile, "measure parameters, multiply-adds and latency", *one_network)
    latency = add("latency-table", _latency_table, "measure the operators of the space on this device", *one_dataset)
    latency.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where to measure (the configuration's)")
    latency.add_argument("--backend", help="how networks are run (the configuration's, like all that follow)")
    latency.add_argument("--precision", help="arithmetic of the runs, such as fp32")
    latency.add_argument("--threads", type=int, help="threads of the CPU")
    latency.add_argument("--points", type=int, help="widths to measure per group")
    latency.add_argument("--rounds", type=int, help="runs of each part")
    latency.add_argument("--classes", type=int, help="number of classes (the prepared dataset's)")
    latency.add_argument("--size", type=_size, help="input size, HEIGHTxWIDTH (the dataset's)")
    latency.add_argument("--out", type=Path, help="the table (where the search looks for it)")
    add("peers", _peers, "set all profiled networks beside the published ones in results/peers.csv", "config")
    add("gap", _gap, "set the supernet's mIoU, relaxed and one-hot, beside the retrained network's", *one_search)
    add("table", _table, "join all results into results/table.csv", "config")
    add("summary", _summary, "average over the seeds in results/summary.csv, and choose one", "config")
    add("ablation", _ablation, "compare the searches of the ablation in results/ablation.csv and .md", "config")
    add("report", _report, "show what results there are in results/report/index.html", "config")
    add("figures", _figures, "write the report's figures as SVG and PNG into results/figures", "config")
    status = add("status", _status, "show which results are done, running, stopped or waiting", "config")
    status.add_argument("--watch", action="store_true", help="show it again every 2 seconds until all is done")
    add("doctor", _doctor, "check environment, devices, data and disk, and say what to fix", "config")
    ahead = add("forecast", _forecast, "reckon hours and memory of a search's stages from a few steps", *one_search)
    ahead.add_argument("--steps", type=int, default=5, help="steps to time on each of two supernets (%(default)s)")
    ahead.add_argument("--json", action="store_true", help="print JSON instead of a table")
    run = add("run", _run_slice, "run the workflow for some minutes, and pack what is needed to continue")
    run.add_argument("--minutes", type=_positive, required=True, help="minutes until trainings are asked to stop")
    run.add_argument("--out", type=Path, help="folder to pack into at the end")
    run.add_argument("--from", dest="source", type=Path, help="folder that an earlier run packed into")
    run.add_argument("--share", type=_count, default=1, help="trainings at a time on one GPU (%(default)s)")
    run.add_argument("--megabytes", type=_positive, default=60, help="limit on what is packed, in MiB (%(default)s)")
    choices = ("float32", "bfloat16")
    run.add_argument("--moments", choices=choices, default=choices[0], help="precision of packed Adam moments")
    run.add_argument("arguments", nargs="*", help="behind --: targets and options of snakemake")
    space = add("space", _space, "describe the search space as JSON", *one_dataset)
    space.add_argument("--classes", type=int, default=20, help="number of classes (%(default)s)")
    space.add_argument("--size", type=_size, help="input size, HEIGHTxWIDTH (the dataset's)")
    cost = add("cost", _cost, "count parameters and multiply-adds of a genotype as JSON")
    cost.add_argument("--genotype", type=Path, required=True, help="genotype file")
    cost.add_argument("--classes", type=int, required=True, help="number of classes")
    cost.add_argument("--size", type=_size, required=True, help="input size, HEIGHTxWIDTH")
    export = add("export", _export, "write a trained network as an ONNX file that predict runs", "config", "seed")
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
    predict = add("predict", _predict, "segment images, folders or videos with an exported network")
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
        budget = stopping.time_left(arguments.time_budget, os.environ)
    except UserError as error:
        return _refuse(one_line(error))
    with stopping.stoppable(budget, last=argv is None):
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
    except stopping.Stopped as stop:
        print(f"ssr-mmseg: stopped by {stop.reason}; run again to resume", file=sys.stderr)
        return stopping.RESUMABLE
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        return _refuse(f"{remedy[0]} {error.filename or 'a file'}: {error.strerror}; {remedy[1]}")
    return 0


def _refuse(line: str) -> int:
    print(f"ssr-mmseg: {line}", file=sys.stderr)
    return 2
