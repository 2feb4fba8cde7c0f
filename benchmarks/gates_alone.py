"""Simulate when the gates of a configured search decide without cross-entropy; print JSON after a minute on one core.

    python benchmarks/gates_alone.py --config config/camvid.yaml --dataset camvid --images 183

SSR and the cost update α from 0 for as many steps as the search has, with the configured learning rate and shrinking
after every epoch. Cross-entropy is replaced by a slope per option, drawn once, plus noise in every step, which only
breaks ties. So the result shows which rates suit a number of steps, not which network is found.
"""

import argparse
import json
import math

import torch

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs.macs_formulas import expected_macs, reference_macs
from ssr_mmseg.search.hooks import RegularizerRampHook
from ssr_mmseg.search.regularizers import build_regularizer
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.mmengine_config import read_mmengine_config

SLOPE = 0.01  # of the simulated cross-entropy, per unit of probability


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="config/camvid.yaml", help="experiment configuration (%(default)s)")
    parser.add_argument("--dataset", default="camvid", help="one of its datasets (%(default)s)")
    parser.add_argument("--images", type=int, required=True, help="images that update α: half of train")
    parser.add_argument("--classes", type=int, default=11, help="number of classes (%(default)s)")
    parser.add_argument("--rate", type=float, help="learning rate of α (the configured one)")
    parser.add_argument("--seed", type=int, default=0, help="seed of slopes and noise (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)

    dataset_settings = settings.for_dataset(settings.read_config(arguments.config), arguments.dataset)
    search, size = dataset_settings["search"], tuple(dataset_settings["dataset"]["size"])
    config = read_mmengine_config(paths.project_file(search["config"]))
    epochs = search["epochs"] + search["shrink_stages"] * search["shrink_epochs"]
    steps = arguments.images // search["batch_size"]
    space = SearchSpace.from_settings(search)
    gates = ArchitectureParameters(space, search["gate"])
    regularizer, weights = build_regularizer(search["regularizer"]), config["train_cfg"]["objective"]
    ramps = [hook for hook in config["custom_hooks"] if hook["type"] == "RegularizerRampHook"]
    ramp = RegularizerRampHook(ramps[0]["begin"], ramps[0]["factor"], epochs) if ramps else None
    reference, target = reference_macs(space, arguments.classes, size), search["cost"]["target"]
    rule = config["optim_wrapper"]["architecture"]
    options = {key: value for key, value in rule["optimizer"].items() if key != "type"}
    options["lr"] = arguments.rate or options["lr"]
    optimizer = torch.optim.Adam(gates.parameters(), **options)
    slopes = {gate: SLOPE * torch.randn_like(alpha) for gate, alpha in gates.alpha.items()}

    rows = []
    for epoch in range(epochs):
        growth = ramp.growth(epoch) if ramp else 1.0
        for _ in range(steps):
            p = gates.probabilities()
            ratio = expected_macs(space, p, arguments.classes, size) / reference
            terms = [weights["cost"] * (ratio - target) ** 2]
            for gate in GATES:
                noisy = slopes[gate] + SLOPE * torch.randn_like(slopes[gate])
                terms.append(weights["cross_entropy"] * (p[gate] * noisy).sum() / math.prod(p[gate].shape[:-1]))
                terms.append(growth * weights[gate] * regularizer(gates.alpha[gate], p[gate], gates.alive[gate]))
            optimizer.zero_grad()
            torch.stack(terms).sum().backward()
            torch.nn.utils.clip_grad_norm_(gates.parameters(), rule["clip_grad"]["max_norm"])
            optimizer.step()
        gates.shrink(search["threshold"])
        if (epoch + 1) % max(1, epochs // 10) == 0:
            row = {"epoch": epoch + 1, "decided": round(gates.gates_decided(), 3), "alive": gates.options_alive()}
            rows.append({**row, "cost_ratio": round(float(ratio.detach()), 3)})
    print(json.dumps({"epochs": epochs, "steps_per_epoch": steps, **options, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
