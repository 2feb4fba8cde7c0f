"""Stage `evaluate`: measure the accuracy of a network on val and test, and save pictures of predictions."""

import shutil
from pathlib import Path

import numpy as np

from ssr_mmseg import settings
from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.evaluation.sliding_window import SlidingWindowSegmentor
from ssr_mmseg.evaluation.visualization import side_by_side
from ssr_mmseg.experiment.earlier_results import load_retrained
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.files import atomic_path, sha256, write_json


def evaluate(config: dict, dataset: str, seed: int, network: str) -> None:
    """Evaluate a retrained network on val and test; write its accuracy, the checksum of its weights, and pictures.

    Raises:
        UserError: The network has not been trained yet, or its weights are of another training or not finite.
    """
    experiment = Experiment(config, dataset, seed)
    names = {"dataset": dataset, "seed": seed, "network": network}
    experiment.limit_threads("retrain")
    model = experiment.build(experiment.network(network, genotype_for(config, network, dataset, seed)))
    weights = load_retrained(model, config, dataset, seed, network)
    model.to(experiment.device)
    overlap = experiment.overlap
    tested = model if overlap is None else SlidingWindowSegmentor(model, experiment.size, overlap)
    palette = np.array(experiment.manifest["palette"], dtype=np.uint8)
    folder = paths.result_path(config, paths.PREDICTIONS, **names)
    shutil.rmtree(folder, ignore_errors=True)  # an earlier run may have saved other frames
    frames = experiment.settings["evaluate"]["frames"]
    results: dict[str, dict | None] = {"weights": {"bytes": weights.stat().st_size, "sha256": sha256(weights)}}
    for split in ("val", "test"):
        if experiment.splits[split] is None:  # its labels are not public
            results[split] = None
            continue
        loader = experiment.evaluation_loader(split, whole=overlap is not None)
        shown = set(np.linspace(0, len(loader) - 1, frames).round().astype(int).tolist()) if frames else set()

        def draw(number: int, sample, split: str = split, shown: set = shown) -> None:
            if number in shown:
                prediction, label = (field.data.squeeze(0).cpu() for field in (sample.pred_sem_seg, sample.gt_sem_seg))
                picture = side_by_side(Path(sample.img_path), prediction, label, palette)
                with atomic_path(folder / f"{split}_{number:04d}.png") as temporary:
                    picture.save(temporary)

        results[split] = evaluate_model(tested, loader, experiment.manifest["classes"], draw)
    results["made_from"] = settings.made_from(config, "evaluate", dataset, seed, network)
    write_json(paths.result_path(config, paths.EVALUATION, **names), results)
