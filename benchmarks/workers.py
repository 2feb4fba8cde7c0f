"""Programs measured in turn, one at a time, each in its own process so that their memory can be measured separately.

A worker is this module run with a name and options. After its preparation it answers each line of its input with one
line of JSON: `run N` makes N steps, `end` ends it.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ssr_mmseg.jobs import glibc_malloc
from ssr_mmseg.utils.errors import UserError

PEAK_SHAPES = ((64, 128, 256), (128, 64, 128), (256, 64, 128), (256, 32, 64))  # channels, height, width
WARM_UP = 2


class Worker:
    """A program in its own process.

    Args:
        name: `ours`, `reference` or `peak`.
        options: Options of `serve`, as JSON values.
    """

    def __init__(self, name: str, options: dict) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), name, json.dumps(options)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options["threads"])}
        if name == "ours":  # as in the workflow; the reference has no such settings
            environment.setdefault(glibc_malloc.VARIABLE, glibc_malloc.TUNABLES)
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, line: str) -> dict:
        """Send a line and return the worker's answer.

        Raises:
            UserError: The worker has ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise UserError(f"worker {self.name} exited with status {self.process.wait()}; see its messages above")
        return json.loads(answer)

    def close(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.communicate()


def serve(name: str, options: dict) -> None:
    """Answer the lines of standard input until `end`; the output of libraries goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import torch

    torch.set_num_threads(options["threads"])
    if options["device"] == "cuda":
        tf32 = options["precision"] != "fp32"  # torch's default for convolutions is TF32
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    programs = {"ours": _ours, "reference": _reference, "peak": _peak}
    step, final_facts = programs[name](options)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        seconds, cpu = [], []
        for _ in range(int(line.split()[1])):
            wall, used = time.perf_counter(), time.process_time()
            step()
            if options["device"] == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - wall)
            cpu.append(time.process_time() - used)
        print(json.dumps({"seconds": seconds, "cpu_seconds": cpu}), file=answers, flush=True)
    print(json.dumps({**_memory(options["device"]), **final_facts()}), file=answers, flush=True)


def _memory(device: str) -> dict:
    """Return the peak memory so far in 10⁹ bytes: allocated by torch on a GPU, otherwise resident."""
    if device == "cuda":
        import torch

        return {"peak_gb": torch.cuda.max_memory_allocated() / 1e9}
    return {"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}


def _ours(options: dict) -> tuple[Callable[[], None], Callable[[], dict]]:
    from our_supernet import OurStep
    from torch.utils.flop_counter import FlopCounterMode

    step = OurStep(tuple(options["size"]), options["batch"], options["device"], options["precision"])
    idle = _memory(options["device"])["peak_gb"]

    def facts() -> dict:
        with FlopCounterMode(display=False) as counter:
            step()
        return {"idle_gb": idle, "gflop_per_step": counter.get_total_flops() / 1e9}

    return step, facts


def _reference(options: dict) -> tuple[Callable[[], None], Callable[[], dict]]:
    import torch
    from reference_supernet import CLASSES, ReferenceStep

    device, (height, width) = options["device"], options["size"]
    step = ReferenceStep(Path(options["reference"]), device)
    images = torch.rand(options["batch"], 3, height, width, device=device)
    labels = torch.randint(0, CLASSES, (options["batch"], height // 8, width // 8), device=device)
    idle = _memory(device)["peak_gb"]
    return lambda: step(images, labels), lambda: {"idle_gb": idle}


def _peak(options: dict) -> tuple[Callable[[], None], Callable[[], dict]]:
    """Time 3×3 convolutions of several common shapes; the fastest counts."""
    import torch

    dtype = torch.bfloat16 if options["precision"] == "bf16" else torch.float32
    best = {"gflops": 0.0}

    def step() -> None:
        for channels, height, width in PEAK_SHAPES:
            for layout in (torch.contiguous_format, torch.channels_last):
                x = torch.rand(options["batch"], channels, height, width, device=options["device"], dtype=dtype)
                kernel = torch.rand(channels, channels, 3, 3, device=options["device"], dtype=dtype)
                x, kernel = x.contiguous(memory_format=layout), kernel.contiguous(memory_format=layout)
                flop = 2 * 9 * channels * x.numel()
                for _ in range(4):
                    started = time.perf_counter()
                    torch.nn.functional.conv2d(x, kernel, padding=1)
                    if options["device"] == "cuda":
                        torch.cuda.synchronize()
                    best["gflops"] = max(best["gflops"], flop / (time.perf_counter() - started) / 1e9)

    return step, lambda: dict(best)


if __name__ == "__main__":
    try:
        serve(sys.argv[1], json.loads(sys.argv[2]))
    except UserError as error:
        sys.exit(f"worker {sys.argv[1]}: {error}")
