"""Estimate the speed-up of a data-parallel search from a measured step and its communication; print JSON in a second.

    python benchmarks/scale_out.py --record benchmarks/records/search-step-cuda-bf16.json

The record is one of `search_step.py`, which gives the seconds per iteration on one GPU. Communicated are the gradients,
once per phase and without overlap with the backward pass, and batch norm statistics, in many short messages.
docs/scaling.md has the formulas.
"""

import argparse
import json
import math
from pathlib import Path

import quiet_mmseg  # noqa: F401
from command_line import run_benchmark
from our_supernet import SPACE

from ssr_mmseg.architecture.search_space import DIMENSIONS, GATES, SearchSpace
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.utils.files import read_json

PROCESSES = (1, 2, 4, 8, 16, 32, 64)
PER_NODE = 8
STEMS = 3  # reduction blocks, each with a batch norm


def messages() -> dict:
    """Count what an iteration on 5 + 8 blocks with every option alive sends: bytes of gradients, short messages."""
    search = {"space": SPACE, "dimensions": list(DIMENSIONS), "gate": "sigmoid"}
    supernet = SSRSupernet(search)
    space = SearchSpace.from_settings(search)
    alphas = sum(math.prod(space.gate_shape(gate)) for gate in GATES)
    weights = sum(p.numel() for p in supernet.parameters()) - alphas
    blocks, operators, mixtures = len(space.blocks), len(space.operators), len(space.resolutions)
    forward = 2 * mixtures * blocks + STEMS  # statistics of all first and all second batch norms of a mixture
    backward = 2 * operators * blocks + STEMS
    return {
        "weight_gradient_bytes": 4 * weights,
        "alpha_gradient_bytes": 4 * alphas,
        "short_messages": 2 * (forward + backward),  # in two phases
    }


def seconds_sent(count: int, sent: dict, bandwidth: float, latency: float) -> float:
    """Return the seconds that `count` processes spend communicating: a ring for gradients, a tree for messages."""
    if count == 1:
        return 0.0
    size = sent["weight_gradient_bytes"] + sent["alpha_gradient_bytes"]
    ring = 2 * (count - 1) / count * size / bandwidth
    return ring + sent["short_messages"] * latency * math.ceil(math.log2(count))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=Path, required=True, help="JSON of search_step.py")
    parser.add_argument("--node-bandwidth", type=float, default=200e9, help="bytes/s within a node (%(default)g)")
    parser.add_argument("--network-bandwidth", type=float, default=25e9, help="bytes/s between nodes (%(default)g)")
    parser.add_argument("--node-latency", type=float, default=10e-6, help="seconds per hop within a node (%(default)g)")
    parser.add_argument(
        "--network-latency", type=float, default=20e-6, help="seconds per hop between nodes (%(default)g)"
    )
    arguments = parser.parse_args()
    record = read_json(arguments.record)
    step, sent, rows = record["ours"]["seconds"], messages(), []
    for count in PROCESSES:
        place = "node" if count <= PER_NODE else "network"
        bandwidth, latency = (getattr(arguments, f"{place}_{kind}") for kind in ("bandwidth", "latency"))
        sending = seconds_sent(count, sent, bandwidth, latency)
        rows.append(
            {
                "processes": count,
                "global_batch": count * record["setting"]["batch"],
                "sending_seconds": sending,
                "seconds_per_step": step + sending,
                "speed_up": count * step / (step + sending),
                "efficiency": step / (step + sending),
            }
        )
    print(json.dumps({"step_seconds_alone": step, **sent, "rows": rows}, indent=2))
    return 0


if __name__ == "__main__":
    run_benchmark(main)
