"""The stages `evaluate` and `profile` of a rival: a network that others have trained, as an ONNX file."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ssr_mmseg import settings
from ssr_mmseg.deploy.rival_network import MappedExport, RivalNetwork, open_rival
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.file_accuracy import measure_file, write_per_image
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.profiling.rival_profile import profile_file
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.models import Rival
from ssr_mmseg.settings.rivals import rival_file
from ssr_mmseg.stages.pictures import Pictures
from ssr_mmseg.utils.files import write_json

BACKENDS = {"onnxruntime": ("fp32",), "openvino": ("fp32", "bf16", "fp16")}  # that run a file, by precision


def opened(experiment: Experiment, entry: Mapping[str, Any]) -> RivalNetwork | MappedExport:
    """Open the file of a rival for a dataset, with torch's number of threads.

    Raises:
        UserError: See `RivalNetwork`.
    """
    rival = Rival.model_validate(dict(entry))
    classes, threads = experiment.manifest["classes"], torch.get_num_threads()
    return open_rival(rival_file(dict(entry)), rival, classes, experiment.size, experiment.overlap, threads)


def evaluate_rival(config: dict, dataset: str, seed: int, network: str, entry: Mapping[str, Any]) -> None:
    """Evaluate the file of a rival on val and test; write its accuracy, pixels by image and class, and pictures.

    Raises:
        UserError: The file cannot be used; see `RivalNetwork`.
    """
    experiment = Experiment(config, dataset, seed)
    names = {"dataset": dataset, "seed": seed, "network": network}
    experiment.limit_threads("retrain")
    folder = paths.result_path(config, paths.PREDICTIONS, **names)
    shutil.rmtree(folder, ignore_errors=True)  # an earlier run may have saved other frames
    pictures = Pictures(folder, experiment)
    file = opened(experiment, entry)
    record, images = measure_file(experiment, file.segment, file.path, file.input.size, watch=pictures.draw)
    write_per_image(paths.result_path(config, paths.PER_IMAGE, **names), images, experiment.manifest["classes"])
    results = {"exported": record, "export_problem": None, "val": record["val"], "test": record["test"]}
    results["made_from"] = settings.made_from(config, "evaluate", dataset, seed, network)
    write_json(paths.result_path(config, paths.EVALUATION, **names), results)


def profile_rival(config: dict, dataset: str, seed: int, network: str, entry: Mapping[str, Any]) -> None:
    """Profile the file of a rival by ONNX Runtime, and by OpenVINO if that is configured; other backends are skipped.

    A file of fixed size is timed at its size alone, and one of a fixed batch with that alone.

    Raises:
        UserError: The file or a backend cannot be used.
    """
    experiment = Experiment(config, dataset, seed)
    options = experiment.settings["profile"]
    file = opened(experiment, entry)
    form, path, output = file.input, file.path, file.output
    del file  # its session, before memory is measured
    sizes = [form.size, *(tuple(size) for size in options["sizes"] if form.open_size)]
    batches = options["batches"] if form.open_batch else [form.batch]
    records = [
        profile_file(
            path,
            form,
            output,
            size,
            batch,
            experiment.settings["device"],
            backend,
            precision,
            seed,
            min_runs=options["runs"],
            min_seconds=options["seconds"],
        )
        for backend, precision in file_backends(options["backends"], network)
        for batch in batches
        for size in dict.fromkeys(sizes)
    ]
    results = {"network": network, "weights": "file", "records": records, "provenance": provenance()}
    results["made_from"] = settings.made_from(config, "profile", dataset, seed, network)
    write_json(paths.result_path(config, paths.PROFILE, dataset=dataset, seed=seed, network=network), results)


def file_backends(configured: Sequence[str | Mapping[str, str]], network: str) -> list[tuple[str, str | None]]:
    """Return the backends that time a file, with the precision to ask for, None for that of the file.

    ONNX Runtime always does, in the precision of the file. A line on the standard error output names those of the
    configuration that do not.
    """
    chosen: list[tuple[str, str | None]] = [("onnxruntime", None)]
    for entry in configured:
        variant = {"name": entry} if isinstance(entry, str) else entry
        name, precision = variant["name"], variant.get("precision", "fp32")
        if precision not in BACKENDS.get(name, ()):
            print(f"profile: {network} is a file, which backend {name} in {precision} does not run", file=sys.stderr)
        elif name != "onnxruntime":
            chosen.append((name, precision))
    return list(dict.fromkeys(chosen))
