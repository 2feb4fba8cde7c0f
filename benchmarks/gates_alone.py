"""Simulate when the gates of a configured search decide without cross-entropy; print JSON after a minute on one core.

    python benchmarks/gates_alone.py --config config/camvid.yaml --dataset camvid --images 367

SSR and the cost update α from 0 for as many steps as the search has after its warm-up, with the configured learning
rate and ramp, and shrinking after every epoch. Cross-entropy is replaced by a slope per option, drawn once, plus noise
in every step, which only breaks ties. So the result shows which rates suit a number of steps, not which network is
found.
"""

import argparse
import json
import math
from types import SimpleNamespace

import quiet_mmseg  # noqa: F401
import torch
from command_line import run_benchmark

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs import build_cost
from ssr_mmseg.experiment.cfg_options import read_named_config
from ssr_mmseg.experiment.lengths import search_length, warmup_epochs
from ssr_mmseg.search.cost_target import shrink_within_reach
from ssr_mmseg.search.hooks import RegularizerRampHook
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.settings.named_configs import search_config

SLOPE = 0.01  # of the simulated cross-entropy, per unit of probability


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="config/camvid.yaml", help="experiment configuration (%(default)s)")
    parser.add_argument("--dataset", default="camvid", help="one of its datasets (%(default)s)")
    parser.add_argument("--images", type=int, required=True, help="images in its training set")
    parser.add_argument("--classes", type=int, default=11, help="number of classes (%(default)s)")
    parser.add_argument("--rate", type=float, help="learning rate of α (the configured one)")
    parser.add_argument("--seed", type=int, default=0, help="seed of slopes and noise (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)

    dataset_settings = settings.for_dataset(settings.read_config(arguments.config), arguments.dataset)
    search, size = dataset_settings["search"], tuple(dataset_settings["dataset"]["size"])
    config = read_named_config(search_config(search))
    length = search_length(search, arguments.images)
    warmup = warmup_epochs(search, length.epochs)
    space = SearchSpace.from_settings(search)
    gates = ArchitectureParameters(space, search["gate"])
    cost = build_cost(search["cost"], space, arguments.classes, size)
    objective = ArchitectureObjective(gates, config["train_cfg"]["objective"], search["regularizer"], cost)
    loop = SimpleNamespace(train_loop=SimpleNamespace(objective=objective))
    ramps = [hook for hook in config["custom_hooks"] if hook["type"] == "RegularizerRampHook"]
    ramp = RegularizerRampHook(ramps[0]["begin"], ramps[0]["factor"], length.epochs) if ramps else None
    if ramp:
        ramp.before_train(loop)
    rule = config["optim_wrapper"]["architecture"]
    options = {key: value for key, value in rule["optimizer"].items() if key != "type"}
    options["lr"] = arguments.rate or options["lr"]
    optimizer = torch.optim.Adam(gates.parameters(), **options)
    slopes = {gate: SLOPE * torch.randn_like(alpha) for gate, alpha in gates.alpha.items()}

    rows = []
    for epoch in range(warmup, length.epochs):
        if ramp:
            ramp.set_value(loop, (epoch + 1) / length.epochs)
        for _ in range(length.steps_per_epoch):
            p = gates.probabilities()
            noisy = {gate: slopes[gate] + SLOPE * torch.randn_like(slopes[gate]) for gate in GATES}
            terms = [(p[gate] * noisy[gate]).sum() / math.prod(p[gate].shape[:-1]) for gate in GATES]
            loss, _ = objective(torch.stack(terms).sum())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(gates.parameters(), rule["clip_grad"]["max_norm"])
            optimizer.step()
        if search["shrink"] and cost.hold is None:
            gates.shrink(search["threshold"])
        elif search["shrink"]:
            shrink_within_reach(gates, cost, search["threshold"])
        if (epoch + 1) % max(1, length.epochs // 10) == 0:
            ratio = float(objective.cost_ratio(gates.probabilities()).detach())
            row = {"epoch": epoch + 1, "decided": round(gates.gates_decided(), 3), "alive": gates.options_alive()}
            rows.append({**row, "cost_ratio": round(ratio, 3)})
    facts = {"epochs": length.epochs, "warmup": warmup, "steps_per_epoch": length.steps_per_epoch, **options}
    print(json.dumps({**facts, "rows": rows}, indent=2))


if __name__ == "__main__":
    run_benchmark(main)
