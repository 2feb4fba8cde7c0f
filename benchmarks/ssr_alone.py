"""Measure the effect of the SSR regularizer on gates in the absence of other losses; print JSON after minutes.

In each row Adam minimizes SSR alone from small random α, with shrinking between the steps; the row counts the survivors
of every group at the end. docs/method.md explains the result.
"""

import argparse
import json
from collections import Counter

import torch
from command_line import run_benchmark

from ssr_mmseg.architecture.gates import SCORES
from ssr_mmseg.search.regularizers import build_regularizer

GROUPS, OPTIONS = 130, 10
WEIGHT = 15  # of the regularizer, which averages over the groups
LEARNING_RATE = 0.05
STEPS_PER_EPOCH = 20
THRESHOLD = 0.1
STEPS = (200, 1000, 3000)  # after which survivors are counted
SEEDS = 20


def survivors(gate: str, weight_decay: float, seed: int) -> dict[int, list[int]]:
    """Return the number of survivors of each group after each number of `STEPS`."""
    torch.manual_seed(seed)
    ssr = build_regularizer("ssr")
    alpha = torch.nn.Parameter(0.01 * torch.randn(GROUPS, OPTIONS))
    alive = torch.ones(GROUPS, OPTIONS, dtype=torch.bool)
    optimizer = torch.optim.Adam([alpha], lr=LEARNING_RATE, weight_decay=weight_decay)

    def probabilities() -> torch.Tensor:
        scores = SCORES[gate](alpha) * alive
        return scores / scores.sum(dim=-1, keepdim=True)

    result = {}
    for step in range(1, max(STEPS) + 1):
        optimizer.zero_grad()
        (WEIGHT * ssr(alpha, probabilities(), alive)).backward()
        optimizer.step()
        if step % STEPS_PER_EPOCH == 0:
            p = probabilities().detach()
            alive &= p > THRESHOLD * p.amax(dim=-1, keepdim=True)
        if step in STEPS:
            result[step] = alive.sum(dim=-1).tolist()
    return result


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    rows = []
    for gate, weight_decay in (("sigmoid", 0.0), ("sigmoid", 1e-3), ("softmax", 0.0)):
        runs = [survivors(gate, weight_decay, seed) for seed in range(SEEDS)]
        for steps in STEPS:
            counts = Counter(count for run in runs for count in run[steps])
            row = {"gate": gate, "weight_decay": weight_decay, "steps": steps}
            row["decided"] = round(counts[1] / counts.total(), 4)
            rows.append({**row, "groups_by_survivors": dict(sorted(counts.items()))})
    setting = {"groups": GROUPS, "options": OPTIONS, "weight": WEIGHT, "learning_rate": LEARNING_RATE}
    setting |= {"steps_per_epoch": STEPS_PER_EPOCH, "threshold": THRESHOLD, "seeds": SEEDS}
    print(json.dumps({**setting, "rows": rows}, indent=2))


if __name__ == "__main__":
    run_benchmark(main)
