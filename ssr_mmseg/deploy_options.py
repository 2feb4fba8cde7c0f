"""Options of the commands that write, run and time exported networks: `export`, `predict` and `bench`."""

import argparse

from ssr_mmseg.settings.plugin_names import plugin_names
from ssr_mmseg.utils import option_types as types

NETWORK = f"searched, {', '.join(plugin_names('selector'))}, or the name of a genotype or a baseline"


def add_export(command: argparse.ArgumentParser) -> None:
    """Add the network to export and the form of its file to a command."""
    command.add_argument("--dataset", type=types.name, help="name of a configured dataset or another scenario")
    command.add_argument("--network", type=types.name, help=NETWORK)
    command.add_argument(
        "--genotype", type=types.source_path, help="genotype file, with --weights instead of --dataset and --network"
    )
    command.add_argument("--weights", type=types.source_path, help="weights.pth of a retraining of the genotype")
    command.add_argument("--classes", type=types.text_line, help="class names, separated by commas, with --weights")
    command.add_argument("--out", type=types.target_file, required=True, help="ONNX file to write")
    command.add_argument(
        "--head", choices=("labels", "logits"), default="labels", help="output of the network (%(default)s)"
    )
    command.add_argument("--size", type=types.image_size, help="input size, HEIGHTxWIDTH (default: the dataset's)")
    command.add_argument("--batch", type=types.batch, default=1, help="images per run (%(default)s)")
    command.add_argument(
        "--dynamic", action="store_true", help="accept any batch size, and any input size of multiples of 8"
    )
    command.add_argument(
        "--precision",
        choices=("fp32", "int8"),
        default="fp32",
        help="arithmetic; int8 is calibrated on images of train (%(default)s)",
    )


def add_predict(command: argparse.ArgumentParser) -> None:
    """Add the network, the inputs and what is drawn to a command."""
    command.add_argument("model", type=types.source_path, help="ONNX file written by export")
    command.add_argument(
        "inputs",
        type=types.media,
        nargs="+",
        metavar="INPUT",
        help="image, video, folder of them, number of a camera, or address of a stream such as rtsp://HOST/PATH",
    )
    command.add_argument("--out", type=types.target_path, required=True, help="folder to write overlays to")
    command.add_argument("--masks", action="store_true", help="write the class ids as gray PNG files, too")
    command.add_argument("--legend", action="store_true", help="add names and colors of the classes below the image")
    command.add_argument("--skip", type=types.text_line, metavar="CLASS,CLASS", help="classes whose color is not drawn")
    command.add_argument(
        "--palette",
        choices=("file", "safe"),
        default="file",
        help="colors of the file, or such that color-blind people can tell apart (%(default)s)",
    )
    command.add_argument("--opacity", type=types.share, default=0.5, help="opacity of the colors, 0 to 1 (%(default)s)")
    command.add_argument(
        "--frames", type=types.frames, help="frames after which a video, camera or stream ends (default: Ctrl-C)"
    )
    command.add_argument("--seconds", type=types.seconds, help="seconds after which it ends")
    _add_runtime_options(command)


def add_bench(command: argparse.ArgumentParser) -> None:
    """Add the files to time and the bounds of the timing to a command."""
    command.add_argument("models", type=types.source_path, nargs="+", metavar="MODEL", help="ONNX file")
    command.add_argument(
        "--size", type=types.image_size, help="input size of files that leave it open (default: that of the export)"
    )
    command.add_argument("--seconds", type=types.seconds, help="seconds of timed runs that are enough (10)")
    command.add_argument("--runs", type=types.bench_runs, help="timed runs that are enough (200)")
    _add_runtime_options(command)


def _add_runtime_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--provider", choices=("cpu", "cuda", "tensorrt"), default="cpu", help="(%(default)s)")
    command.add_argument("--threads", type=types.threads_or_all, default=0, help="CPU threads (default: one per core)")
