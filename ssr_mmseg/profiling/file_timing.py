"""Latency of ONNX files by the timing protocol, as they are shipped: from a batch of images to their result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssr_mmseg.deploy.onnx_session import open_session
from ssr_mmseg.deploy.rival_input import recognize_input
from ssr_mmseg.profiling.file_runs import SESSION, onnxruntime_run, openvino_run
from ssr_mmseg.profiling.timing import Timing, measure
from ssr_mmseg.settings.models.networks import Preprocess
from ssr_mmseg.utils.errors import UserError

ATTEMPTS = 3  # measurements of a file whose latency does not settle


@dataclass(frozen=True)
class FileRunner:
    """What runs files.

    Attributes:
        backend: `onnxruntime`, `openvino` or `tensorrt`.
        cuda: Whether ONNX Runtime uses the GPU.
        threads: CPU threads.
    """

    backend: str
    cuda: bool
    threads: int

    @property
    def provider(self) -> str:
        """The execution provider of ONNX Runtime, by its name in `open_session`."""
        return "tensorrt" if self.backend == "tensorrt" else "cuda" if self.cuda else "cpu"


@dataclass(frozen=True)
class ImageFile:
    """A file that takes images.

    Attributes:
        path: The ONNX file.
        size: Height and width of the images, for a file that accepts any.
        preprocess: What the configuration says about its input.
        output: Name of the output to compute; None for all.
    """

    path: Path
    size: tuple[int, int]
    preprocess: Preprocess
    output: str | None = None


def time_files(files: Sequence[ImageFile], runner: FileRunner, min_runs: int, min_seconds: float) -> list[Timing]:
    """Time files one after the other; those that did not settle are measured again after the others.

    Args:
        min_runs, min_seconds: See `measure`.

    Raises:
        UserError: The backend cannot run here, or a file cannot run.
    """
    timings: dict[int, Timing] = {}
    for _ in range(ATTEMPTS):
        for number, file in enumerate(files):
            if number not in timings or not timings[number].settled:
                step = prepare_file(file, runner)
                timings[number] = measure(step, lambda: None, min_runs=min_runs, min_seconds=min_seconds)
    return [timings[number] for number in range(len(files))]


def prepare_file(file: ImageFile, runner: FileRunner) -> Callable[[], None]:
    """Return a function that runs a file once on random images and waits for its result.

    Raises:
        UserError: See `time_files`.
    """
    session = open_session(file.path, runner.provider, runner.threads, SESSION)
    form = recognize_input(session.get_inputs(), file.preprocess, file.size, str(file.path))
    batch: np.ndarray = np.random.default_rng(0).integers(0, 256, form.shape(form.batch, form.size)).astype(form.type)
    if runner.backend == "openvino":
        if runner.cuda:
            raise UserError("backend openvino runs on the CPU; set device to cpu, or choose another backend")
        return openvino_run(file.path, batch, runner.threads)
    outputs = [file.output] if file.output else [output.name for output in session.get_outputs()]
    return onnxruntime_run(session, file.path, batch, outputs, "cpu" if runner.provider == "cpu" else "cuda")
