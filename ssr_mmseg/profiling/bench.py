"""The command `bench`: time ONNX files on this device by the protocol, without torch."""

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssr_mmseg.deploy.onnx_check import read_model
from ssr_mmseg.deploy.onnx_metadata import KEY, OnnxMetadata
from ssr_mmseg.deploy.onnx_precision import graph_precision
from ssr_mmseg.deploy.onnx_session import FATAL, open_session
from ssr_mmseg.profiling.blocks import measure_interleaved
from ssr_mmseg.profiling.file_runs import SESSION, onnxruntime_run
from ssr_mmseg.profiling.hardware import cpu_name, gpu_name
from ssr_mmseg.profiling.timing import MIN_RUNS, MIN_SECONDS, WARMUP_SECONDS, measure
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.extras import require
from ssr_mmseg.utils.limits import MAX_BATCH, pixels_problem

# Those of results/table.csv that a file and its latency give, in the same order and with the same decimal places.
COLUMNS = (
    *("network", "classes", "input_size", "fps", "latency_ms_p50", "latency_ms_p95", "device", "backend", "precision"),
    *("batch", "commit", "warnings"),
)
DIGITS = {"fps": 2, "latency_ms_p50": 3, "latency_ms_p95": 3}
BACKENDS = {"cpu": "onnxruntime", "cuda": "onnxruntime", "tensorrt": "tensorrt"}  # names in the profiles
FORMULA = "=+-@\t\r"  # beginnings of cells that a spreadsheet would compute


def bench(
    models: Sequence[Path],
    provider: str = "cpu",
    threads: int = 0,
    size: tuple[int, int] | None = None,
    runs: int = MIN_RUNS,
    seconds: float = MIN_SECONDS,
    warmup_seconds: float = WARMUP_SECONDS,
) -> None:
    """Time ONNX files, several of them in turn; print a row of the table for each, and a sentence on the error output.

    Args:
        models: Files with one input of images (N, 3, H, W), float32, exported by this project or not.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: CPU threads; 0 for one per core.
        size: Height and width for files that leave them open; that of the export if None.
        runs, seconds: Timed runs of a file end after this many, or after so many seconds of them.
        warmup_seconds: Longest warm-up of a file.

    Raises:
        UserError: A file cannot be read or run, or has another input, or the provider cannot run here.
    """
    require("onnxruntime", "bench").set_default_logger_severity(FATAL)
    files = [TimedFile(path, provider, threads, size) for path in models]
    if size is not None and not any(file.open for file in files):
        raise UserError(f"--size is for files that leave it open; {files[0].path} has one, so remove the option")
    bounds: dict[str, Any] = {"min_runs": runs, "min_seconds": seconds, "warmup_seconds": warmup_seconds}
    if len(files) == 1:
        timing = measure(files[0].run, lambda: None, batch=files[0].shape[0], **bounds)
        latencies = [Latency(timing.p50, timing.p95, timing.runs, timing.settled)]
    else:
        steps = {str(number): (file.run, lambda: None) for number, file in enumerate(files)}
        repeats = measure_interleaved(steps, **bounds).values()
        latencies = [Latency(each.p50, each.percentile(95), each.runs, each.settled) for each in repeats]
    device = cpu_name() if provider == "cpu" else gpu_name()
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for file, name, latency in zip(files, _names(files), latencies, strict=True):
        writer.writerow(_row(file, name, latency, device, BACKENDS[provider]))
        print(_sentence(file, latency, device), file=sys.stderr)


@dataclass(frozen=True)
class Latency:
    """Latency of a file in ms per run, which takes a batch.

    Attributes:
        p50, p95: Median and 95th percentile.
        runs: Number of timed runs.
        settled: Whether it settled during the warm-up.
    """

    p50: float
    p95: float
    runs: int
    settled: bool


class TimedFile:
    """An ONNX file that is ready to run on random images, which stay on its device.

    Attributes:
        path: The file.
        about: Its metadata; None if it was not exported by this project.
        open: Whether it leaves height or width open.
        shape: Shape of its input, (N, 3, H, W).
        precision: Arithmetic of its runs.

    Raises:
        UserError: See `bench`.
    """

    def __init__(self, path: Path, provider: str, threads: int, size: tuple[int, int] | None) -> None:
        self.path = path
        session = open_session(path, provider, threads, SESSION)
        try:
            metadata = session.get_modelmeta().custom_metadata_map
            entries, outputs = session.get_inputs(), [output.name for output in session.get_outputs()]
        except UnicodeDecodeError as error:  # ONNX Runtime takes names of any bytes, and decodes them only now
            raise UserError(f"{path} has a name or metadata that are not UTF-8; export it again") from error
        self.about = OnnxMetadata.from_metadata(metadata, str(path)) if KEY in metadata else None
        shape = entries[0].shape if len(entries) == 1 else []  # numbers, or names of open dimensions, or None
        if len(shape) != 4 or shape[1] != 3 or entries[0].type != "tensor(float)":
            given = ", ".join(f"{entry.type} of {entry.shape}" for entry in entries[:3]) or "none"
            raise UserError(
                f"{path}: expected one input of images (N, 3, H, W), float32, found {one_line(given, 200)}; "
                "export it so"
            )
        self.open = not all(isinstance(side, int) for side in shape[2:])
        self.shape = self._whole(shape, size)
        precision = graph_precision(read_model(path))
        # Both providers of GPUs compute float32 in TF32 where the GPU can.
        self.precision = "tf32" if provider != "cpu" and precision == "fp32" else precision
        images = np.random.default_rng(0).standard_normal(self.shape, np.float32)
        device = "cpu" if provider == "cpu" else "cuda"
        self._run = onnxruntime_run(session, path, images, outputs, device)
        self.run()

    def run(self) -> None:
        """Run once and wait for the result.

        Raises:
            UserError: The graph cannot run.
        """
        self._run()

    def _whole(self, shape: Sequence[Any], size: tuple[int, int] | None) -> tuple[int, int, int, int]:
        """Return the shape of the input with numbers for open dimensions.

        Raises:
            UserError: The size is unknown, or too large.
        """
        size = size or (self.about.size if self.about else None)
        if self.open and size is None:
            raise UserError(f"{self.path} leaves height or width open; set --size HEIGHTxWIDTH")
        batch = shape[0] if isinstance(shape[0], int) else 1
        height, width = (
            side if isinstance(side, int) else (size or (0, 0))[number] for number, side in enumerate(shape[2:])
        )
        if not 1 <= batch <= MAX_BATCH:
            raise UserError(f"{self.path} takes {batch} images at once, expected 1 to {MAX_BATCH}; export it again")
        if min(height, width) < 1:
            raise UserError(f"{self.path} takes images of {height}x{width}, expected pixels; export it again")
        if problem := pixels_problem(height, width, batch):
            raise UserError(f"{self.path}: expected {problem}; choose a smaller size or batch")
        return batch, 3, height, width


def _names(files: Sequence[TimedFile]) -> list[str]:
    """Return the name of each network, or that of its file if others have the same or it has none."""
    names = [file.about.network if file.about else file.path.stem for file in files]
    count = Counter(names)
    return [name if count[name] == 1 else file.path.stem for name, file in zip(names, files, strict=True)]


def _row(file: TimedFile, name: str, latency: Latency, device: str, backend: str) -> dict[str, Any]:
    height, width = file.shape[2:]
    commit = file.about.provenance.get("commit") if file.about else None
    row: dict[str, Any] = {
        "network": _cell(name),
        "classes": len(file.about.classes) if file.about else None,
        "input_size": f"{height}x{width}",
        "fps": 1000 * file.shape[0] / latency.p50,
        "latency_ms_p50": latency.p50,
        "latency_ms_p95": latency.p95,
        "device": _cell(device),
        "backend": backend,
        "precision": file.precision,
        "batch": file.shape[0],
        "commit": _cell(commit) if isinstance(commit, str) else None,
        "warnings": None if latency.settled else "the latency did not settle",
    }
    return {key: round(value, DIGITS[key]) if key in DIGITS else value for key, value in row.items()}


def _cell(text: str) -> str:
    """Return text of a stranger's file as a cell that neither a terminal nor a spreadsheet runs."""
    text = one_line(text, 1000)
    return f"'{text}" if text.startswith(tuple(FORMULA)) else text


def _sentence(file: TimedFile, latency: Latency, device: str) -> str:
    batch, _, height, width = file.shape
    images = "an image" if batch == 1 else f"{batch} images"
    line = (
        f"{one_line(file.path)}: {images} of {height}x{width} in {latency.p50:.2f} ms (median of {latency.runs} runs), "
        f"{1000 * batch / latency.p50:.1f} FPS on {one_line(device)}"
    )
    if not latency.settled:
        line += "; warning: the latency did not settle, so time it again while nothing else runs"
    return line
