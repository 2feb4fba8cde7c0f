"""The stage `profile`: parameters, multiply-adds and latency of a network on this device, by every backend."""

from typing import Any

import torch
from mmseg.models import EncoderDecoder
from torch import Tensor

from ssr_mmseg import settings
from ssr_mmseg.deploy.logits import logits_network, rewrite_network
from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.experiment.earlier_results import load_retrained
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.experiment.int8 import Int8Plan, calibration_images, plan_int8
from ssr_mmseg.experiment.sample_images import resize_images, sample_images
from ssr_mmseg.jobs.provenance import provenance
from ssr_mmseg.models.batch_norm import draw_statistics
from ssr_mmseg.profiling import create_backend
from ssr_mmseg.profiling.backend_segmentor import BackendSegmentor
from ssr_mmseg.profiling.backends.base import alignment, backend_type
from ssr_mmseg.profiling.precision import arithmetic
from ssr_mmseg.profiling.profiler import profile_model
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.rivals import rival_entry
from ssr_mmseg.stages.rivals import profile_rival
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json


def variants(options: dict) -> list[dict[str, str]]:
    """Return the configured backends as mappings with `name`, `precision` and `graph`.

    Raises:
        UserError: A backend is unknown, or int8 is requested without trained weights to measure its accuracy with.
    """
    complete = []
    for entry in options["backends"]:
        variant = {"name": entry} if isinstance(entry, str) else dict(entry)
        variant.setdefault("precision", "fp32")
        variant.setdefault("graph", backend_type(variant["name"]).default_graph)
        if variant["precision"] == "int8" and options["weights"] != "trained":
            raise UserError(
                "profile.backends has int8, whose accuracy must be measured; set profile.weights to trained"
            )
        complete.append(variant)
    return complete


def profile(config: dict, dataset: str, seed: int, network: str) -> None:
    """Profile a network at the dataset's size and the configured ones, by every configured backend.

    The file of a rival is timed by `profile_rival`.

    Raises:
        UserError: A backend is unknown or unavailable, its graph differs from the network, or weights are missing, of
            another training or not finite.
    """
    if entry := rival_entry(config, network):
        profile_rival(config, dataset, seed, network, entry)
        return
    experiment = Experiment(config, dataset, seed)
    options = experiment.settings["profile"]
    configured = variants(options)
    made_from = settings.made_from(config, "profile", dataset, seed, network)
    names = {"dataset": dataset, "seed": seed, "network": network}
    segmentor = experiment.build(experiment.network(network, genotype_for(config, network, dataset, seed))).eval()
    trained = options["weights"] == "trained"
    if trained:
        load_retrained(segmentor, config, dataset, seed, network)
    else:
        draw_statistics(segmentor, seed)
    sizes = list(
        dict.fromkeys([experiment.size, *(tuple(size) for size in options["sizes"])])
    )  # in order, without duplicates
    graphs = {variant["graph"] for variant in configured if variant["precision"] == "int8"}
    forms = {
        graph: rewrite_network(logits_network(segmentor), graph, torch.zeros(1, 3, *experiment.size))
        for graph in sorted(graphs)
    }
    plans = {graph: plan_int8(experiment, segmentor, network) for graph, network in forms.items()}
    records = [
        record
        for variant in configured
        for batch in options["batches"]
        for size in sizes
        for record in _records(
            experiment,
            segmentor,
            variant,
            batch,
            size,
            plans[variant["graph"]] if variant["precision"] == "int8" else None,
        )
    ]
    path = paths.result_path(config, paths.PROFILE, **names)
    write_json(
        path,
        {
            "network": network,
            "weights": options["weights"],
            "records": records,
            "made_from": made_from,
            "provenance": provenance(),
        },
    )


def _records(
    experiment: Experiment,
    segmentor: EncoderDecoder,
    variant: dict,
    batch: int,
    size: tuple[int, int],
    plan: Int8Plan | None,
) -> list[dict[str, Any]]:
    options, model = experiment.settings["profile"], logits_network(segmentor)
    name, precision, graph = variant["name"], variant["precision"], variant["graph"]
    trained = options["weights"] == "trained"
    images = calibration = None
    if trained:
        images = resize_images(sample_images(experiment, segmentor, "val", batch), size)
    if plan is not None:
        calibration = resize_images(calibration_images(experiment, segmentor, batch), size)
    timed = rewrite_network(model, graph, torch.zeros(batch, 3, *size), alignment(name, precision))
    records = profile_model(
        model,
        [size],
        experiment.settings["device"],
        name,
        batch,
        min_runs=options["runs"],
        min_seconds=options["seconds"],
        seed=experiment.seed,
        precision=precision,
        timed=timed,
        images=None if images is None else [images],
        calibration=None if calibration is None else [calibration],
        float_layers=plan.float_layers if plan else (),
    )
    accuracy = None
    if trained and precision not in ("fp32", "tf32") and size == experiment.size and batch == 1:
        accuracy = measured_miou(experiment, segmentor, variant, calibration, plan)
    return [{**record, "graph": graph, "miou_val": accuracy, **_quantization(plan)} for record in records]


def _quantization(plan: Int8Plan | None) -> dict[str, Any]:
    """Return the fields of a record that say how a network was quantized; empty ones if it was not."""
    return {
        "quantizer": "onnxruntime" if plan else None,
        "float_layers": list(plan.float_layers) if plan else None,
        "miou_loss_train": plan.loss if plan else None,
        "miou_loss_train_all_int8": plan.loss_all_int8 if plan else None,
    }


def measured_miou(
    experiment: Experiment,
    segmentor: EncoderDecoder,
    variant: dict,
    calibration: Tensor | None,
    plan: Int8Plan | None,
) -> float:
    """Measure the mIoU on val, in percent, of the network run by a backend at the dataset's own size."""
    images = torch.zeros(1, 3, *experiment.size)
    name, precision = variant["name"], variant["precision"]
    timed = rewrite_network(logits_network(segmentor), variant["graph"], images, alignment(name, precision))
    with arithmetic(precision):
        backend = create_backend(name, timed, experiment.device, precision)
        if calibration is not None and plan is not None:
            backend.calibrate(calibration, plan.float_layers)
        backend.prepare(images)
        metrics = evaluate_model(
            BackendSegmentor(segmentor, backend), experiment.evaluation_loader("val"), experiment.manifest["classes"]
        )
    return metrics["miou"]
