"""Time and memory of segmenting a large image by a sliding window, compared with mmsegmentation's `slide` mode.

    python benchmarks/sliding_window.py --size 1824 2736 --classes 150

Each runs in a process of its own, in turn, on the same untrained network and image, and prints its seconds and the
growth of its peak memory; the labels of both must be equal. JSON on the standard output.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time

import quiet_mmseg  # noqa: F401
import torch
from command_line import run_benchmark
from mmengine.config import ConfigDict
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from ssr_mmseg.evaluation.sliding_window import segment_by_windows
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.utils.errors import UserError

CHANNELS = 16
PROGRAMS = ("ours", "mmseg")


def segmentor(classes: int, window: int, overlap: int) -> EncoderDecoder:
    """Return a small untrained segmentor of mmseg, whose test mode is `slide`."""
    torch.manual_seed(0)
    norm = {"type": "BN"}
    backbone = {
        "type": "CGNet", "norm_cfg": norm, "in_channels": 3, "num_channels": (8, 8, CHANNELS), "num_blocks": (1, 1),
        "dilations": (2, 4), "reductions": (8, 8),
    }  # fmt: skip
    head = {
        "type": "FCNHead", "in_channels": 2 * CHANNELS, "in_index": 2, "channels": 2 * CHANNELS, "num_convs": 0,
        "concat_input": False, "num_classes": classes, "norm_cfg": norm, "align_corners": False,
        "loss_decode": {"type": "CrossEntropyLoss"},
    }  # fmt: skip
    test = {"mode": "slide", "crop_size": (window, window), "stride": (window - overlap, window - overlap)}
    config = {"type": "EncoderDecoder", "backbone": backbone, "decode_head": head, "train_cfg": {}, "test_cfg": test}
    return MODELS.build(ConfigDict(config)).eval()


@torch.no_grad()
def run(program: str, size: list[int], window: int, overlap: int, classes: int) -> dict:
    """Segment a random image once; return seconds, growth of the peak memory in GB, and a digest of the labels."""
    torch.set_num_threads(1)
    model = segmentor(classes, window, overlap)
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    about = [{"img_shape": (window, window)}]
    model.encode_decode(image[None, :, :window, :window], about)
    before, start = peak_gb(), time.perf_counter()
    if program == "ours":

        def logits(crops: Tensor) -> Tensor:
            return model.encode_decode(crops, about)

        labels = segment_by_windows(logits, image, (window, window), overlap, classes)
    else:
        whole = [{"img_shape": tuple(size), "ori_shape": tuple(size)}]
        labels = model.slide_inference(image[None], whole)[0].argmax(dim=0).to(torch.uint8)
    seconds = time.perf_counter() - start
    digest = hashlib.sha256(labels.numpy().tobytes()).hexdigest()
    return {"seconds": seconds, "peak_gb": peak_gb() - before, "labels": digest}


def peak_gb() -> float:
    """Return the peak memory of this process so far, in 10⁹ bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=[1824, 2736], help="height and width of the image")
    parser.add_argument("--window", type=int, default=512, help="side of a window (%(default)s)")
    parser.add_argument("--overlap", type=int, default=64, help="pixels that windows share (%(default)s)")
    parser.add_argument("--classes", type=int, default=150, help="number of classes (%(default)s)")
    parser.add_argument("--alone", action="store_true", help="measure only ours, for images too large for mmseg's mode")
    parser.add_argument("--program", choices=PROGRAMS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not 0 <= arguments.overlap < arguments.window or min(arguments.size) < arguments.window:
        raise UserError("expected an overlap smaller than the window and an image not smaller; correct the options")
    if not 2 <= arguments.classes <= 255:
        raise UserError(f"expected 2 to 255 classes, found {arguments.classes}; correct --classes")
    task = (arguments.size, arguments.window, arguments.overlap, arguments.classes)
    if arguments.program:
        print(json.dumps(run(arguments.program, *task)))
        return
    results = {}
    for program in PROGRAMS[:1] if arguments.alone else PROGRAMS:
        words = [sys.executable, *sys.argv, "--program", program]
        results[program] = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    record: dict = {"size": arguments.size, "window": arguments.window, "overlap": arguments.overlap}
    record |= {"classes": arguments.classes, "threads": 1, **results, "provenance": provenance()}
    if len(results) > 1:
        record["ratio"] = {key: results["ours"][key] / results["mmseg"][key] for key in ("seconds", "peak_gb")}
        record["equal"] = results["ours"]["labels"] == results["mmseg"]["labels"]
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    run_benchmark(main)
