"""The part of the stage `evaluate` that exports the network and measures the accuracy of the file."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmseg.models import EncoderDecoder

from ssr_mmseg.deploy.export import ExportOptions
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.deploy.sliding_window import segment
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.file_accuracy import ImageCounts, measure_file
from ssr_mmseg.stages.export import export_segmentor
from ssr_mmseg.utils.errors import UserError, one_line

LONGEST = 300  # characters of the reason why a network has no exported file


def measure_exported(
    experiment: Experiment, segmentor: EncoderDecoder, network: str, out: Path
) -> tuple[dict[str, Any], list[ImageCounts]]:
    """Export a trained segmentor as the command `export` does by default, and measure the file as `predict` runs it.

    A network that cannot be exported, or whose file cannot run, is no error: the record has the reason.

    Args:
        experiment: The experiment, whose `evaluate.exported` says whether to export.
        segmentor: The segmentor, on the CPU, in eval mode.
        network: Its name.
        out: The ONNX file to write. An older one is removed.

    Returns:
        `exported` (the record of `measure_file`, or None) and `export_problem` (the reason, or None), and the counts
        per image.
    """
    out.unlink(missing_ok=True)
    if not experiment.settings["evaluate"]["exported"]:
        return {"exported": None, "export_problem": None}, []
    try:
        export_segmentor(experiment, segmentor, network, out, ExportOptions())
        exported = ExportedNetwork(out, threads=torch.get_num_threads())
        record, images = measure_file(experiment, partial(segment, exported), out, exported.metadata.size)
    except UserError as error:
        out.unlink(missing_ok=True)
        return {"exported": None, "export_problem": one_line(error, LONGEST)}, []
    return {"exported": record, "export_problem": None}, images
