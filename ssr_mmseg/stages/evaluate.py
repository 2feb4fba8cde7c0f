"""Stage `evaluate`: measure the accuracy of a network and of its exported file, and save pictures of predictions."""

import shutil
from pathlib import Path
from typing import Any

from ssr_mmseg import settings
from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.evaluation.sliding_window import SlidingWindowSegmentor
from ssr_mmseg.experiment.earlier_results import load_retrained
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.file_accuracy import write_per_image
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.rivals import rival_entry
from ssr_mmseg.stages.exported_accuracy import measure_exported
from ssr_mmseg.stages.pictures import Pictures
from ssr_mmseg.stages.rivals import evaluate_rival
from ssr_mmseg.utils.files import sha256, write_json


def evaluate(config: dict, dataset: str, seed: int, network: str) -> None:
    """Evaluate a retrained network on val and test, by PyTorch and as an exported file.

    Its accuracy and the checksum of its weights are written to `evaluation.json`, the exported file to `model.onnx`,
    its pixels by image and class to `per_image.csv`, and pictures to the folder `predictions`. A rival is evaluated as
    a file only.

    Raises:
        UserError: The network has not been trained yet, or its weights are of another training or not finite; or the
            file of a rival cannot be used.
    """
    if entry := rival_entry(config, network):
        evaluate_rival(config, dataset, seed, network, entry)
        return
    experiment = Experiment(config, dataset, seed)
    names = {"dataset": dataset, "seed": seed, "network": network}
    experiment.limit_threads("retrain")
    model = experiment.build(experiment.network(network, genotype_for(config, network, dataset, seed)))
    weights = load_retrained(model, config, dataset, seed, network)
    out = paths.result_path(config, paths.EXPORTED, **names)
    exported, images = measure_exported(experiment, model.eval(), network, out)
    model.to(experiment.device)
    overlap = experiment.overlap
    tested = model if overlap is None else SlidingWindowSegmentor(model, experiment.size, overlap)
    folder = paths.result_path(config, paths.PREDICTIONS, **names)
    shutil.rmtree(folder, ignore_errors=True)  # an earlier run may have saved other frames
    pictures = Pictures(folder, experiment)
    results: dict[str, Any] = {"weights": {"bytes": weights.stat().st_size, "sha256": sha256(weights)}}
    for split in ("val", "test"):
        if experiment.splits[split] is None:  # its labels are not public
            results[split] = None
            continue
        loader = experiment.evaluation_loader(split, whole=overlap is not None)

        def draw(number: int, sample: Any, split: str = split, total: int = len(loader)) -> None:
            if pictures.shows(number, total):
                maps = (field.data.squeeze(0).cpu().numpy() for field in (sample.pred_sem_seg, sample.gt_sem_seg))
                pictures.draw(split, number, total, Path(sample.img_path), *maps)

        results[split] = evaluate_model(tested, loader, experiment.manifest["classes"], draw)
    results |= exported
    write_per_image(paths.result_path(config, paths.PER_IMAGE, **names), images, experiment.manifest["classes"])
    results["made_from"] = settings.made_from(config, "evaluate", dataset, seed, network)
    write_json(paths.result_path(config, paths.EVALUATION, **names), results)
