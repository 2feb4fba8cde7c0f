"""Architecture parameters: α and the surviving options of every gate group, their probabilities and their shrinking.

A temperature T below 1 sharpens the probabilities: p ∝ s(α)^(1/T), s the sigmoid or, for softmax gates, the exponential
function, whose power 1/T is that of α / T. A sigmoid of α / T would not sharpen: it makes all positive α equal.

In each gate the last axis holds the options and the axes before it the groups. A group of a dropped block or a dead
operator is removed: it has no survivor. This is how hierarchical shrinking is represented.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssr_mmseg.architecture.search_space import GATES, SearchSpace, dependents
from ssr_mmseg.utils.errors import UserError


def _sigmoid_scores(alpha: Tensor) -> Tensor:
    return alpha.sigmoid()


def _softmax_scores(alpha: Tensor) -> Tensor:
    return (alpha - alpha.detach().amax(dim=-1, keepdim=True)).exp()  # shifted only to avoid overflow


def _same(alpha: Tensor) -> Tensor:
    return alpha


SCORES: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": _sigmoid_scores, "softmax": _softmax_scores}
LOG_SCORES: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": F.logsigmoid, "softmax": _same}
TEMPERATURE = "temperature"  # name of the buffer, which the states of earlier versions do not have


class ArchitectureParameters(nn.Module):
    """α (parameters, initially 0) and `alive` (buffers) of every gate, and the temperature (a buffer, initially 1).

    Args:
        space: The search space; options that it does not search are dead from the start.
        scores: `sigmoid` for the paper's p = σ(α) / Σ_alive σ(α) (method §4), or `softmax` for comparison.

    Attributes:
        tempered: Whether the temperature differs from 1, as a Python value that can be read without the GPU.

    Raises:
        UserError: There are no such scores.
    """

    temperature: Tensor

    def __init__(self, space: SearchSpace, scores: str = "sigmoid") -> None:
        super().__init__()
        if scores not in SCORES:
            raise UserError(f"unknown gate {scores!r}; choose one of: {', '.join(SCORES)}")
        self.space = space
        self.scores, self.log_scores = SCORES[scores], LOG_SCORES[scores]
        self.alpha = nn.ParameterDict({gate: torch.zeros(space.gate_shape(gate)) for gate in GATES})
        for gate in GATES:
            self.register_buffer(f"alive_{gate}", torch.from_numpy(space.allowed(gate)))
        self.register_buffer(TEMPERATURE, torch.ones(()))
        self.tempered = False
        self._read: list[tuple[int, int]] = []  # identity and version of the buffers when the next two were read
        self._survivors: dict[str, list] = {}
        self._decided = False

    @property
    def alive(self) -> dict[str, Tensor]:
        """Surviving options of each gate, boolean, (*groups, options)."""
        return {gate: getattr(self, f"alive_{gate}") for gate in GATES}

    def probabilities(self) -> dict[str, Tensor]:
        """Return p of each gate, (*groups, options): 0 for dead options, with sum 1 in every group with a survivor."""
        result = {}
        for gate, alive in self.alive.items():
            alpha = self.alpha[gate]
            scores = self._tempered_scores(alpha, alive) if self.tempered else self.scores(alpha) * alive
            total = scores.sum(dim=-1, keepdim=True)
            result[gate] = scores / torch.where(total > 0, total, torch.ones_like(total))
        return result

    def _tempered_scores(self, alpha: Tensor, alive: Tensor) -> Tensor:
        """Return the scores to the power of 1 / temperature, 0 for dead options.

        The largest score of a group is 1: at a low temperature all of them could underflow otherwise.
        """
        logarithms = torch.where(alive, self.log_scores(alpha) / self.temperature, -torch.inf)
        largest = logarithms.detach().amax(dim=-1, keepdim=True)
        return (logarithms - torch.where(largest.isfinite(), largest, 0.0)).exp()

    @torch.no_grad()
    def set_temperature(self, temperature: float) -> None:
        """Set the temperature of all gates."""
        self.temperature.fill_(temperature)
        self.tempered = temperature != 1

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *arguments: Any) -> None:
        """Load a state; the temperature is 1 in one of a version that had none."""
        state_dict.setdefault(f"{prefix}{TEMPERATURE}", torch.ones(()))
        super()._load_from_state_dict(state_dict, prefix, *arguments)
        self.tempered = bool(self.temperature != 1)

    def survivors(self) -> dict[str, list]:
        """Return `alive` as nested lists.

        They are cached on the host and read only after `alive` has changed, because reading synchronizes with the GPU.
        """
        state = [(id(alive), alive._version) for alive in self.alive.values()]
        if state != self._read:
            copies = {gate: alive.cpu() for gate, alive in self.alive.items()}
            self._survivors = {gate: alive.tolist() for gate, alive in copies.items()}
            self._decided = all(bool((alive.sum(dim=-1) <= 1).all()) for alive in copies.values())
            self._read = state
        return self._survivors

    @torch.no_grad()
    def choice(self) -> dict[str, np.ndarray]:
        """Return the index of the most probable survivor of each group, (*groups,); 0 for a removed group."""
        return {gate: p.argmax(dim=-1).cpu().numpy() for gate, p in self.probabilities().items()}

    def options_alive(self) -> dict[str, int]:
        """Count the survivors of each gate over all groups."""
        return {gate: int(alive.sum()) for gate, alive in self.alive.items()}

    def groups(self) -> dict[str, dict[str, int]]:
        """Count the groups of each gate that `exist` (have a survivor) and that are `decided` (have exactly one)."""
        counts = {gate: alive.sum(dim=-1) for gate, alive in self.alive.items()}
        return {gate: {"exist": int((n > 0).sum()), "decided": int((n == 1).sum())} for gate, n in counts.items()}

    @property
    def decided(self) -> bool:
        """Whether every group has at most one survivor. Cached like `survivors`, because every step reads it."""
        self.survivors()
        return self._decided

    def gates_decided(self) -> float:
        """Return the share of decided groups among the existing groups with a choice; 1 if there is no such group."""
        counts = []
        for gate, alive in self.alive.items():
            choice = torch.from_numpy(self.space.allowed(gate).sum(axis=-1) > 1)  # (*groups,)
            counts.append(alive.sum(dim=-1).cpu()[choice])
        survivors = torch.cat(counts)
        exist = int((survivors > 0).sum())
        return int((survivors == 1).sum()) / exist if exist else 1.0

    @torch.no_grad()
    def entropy(self) -> dict[str, float]:
        """Return the mean of −Σ p ln p over the existing groups of each gate, in nats; 0 once all are decided."""
        probabilities = self.probabilities()
        result = {}
        for gate, alive in self.alive.items():
            p = probabilities[gate][alive.any(dim=-1)]
            result[gate] = float(torch.special.entr(p).sum(dim=-1).mean())
        return result

    @torch.no_grad()
    def shrink(self, threshold: float, gates: Collection[str] = GATES) -> int:
        """Remove the options with p ≤ threshold · max p of their group, and the groups that depend on them (method §6).

        Args:
            threshold: Share of the group's largest probability.
            gates: Names of the gates to shrink.

        Returns:
            The number of options removed.

        Raises:
            UserError: A group would lose its last option, because its probabilities are not finite or are all 0. No
                option is removed then.
        """
        before = sum(self.options_alive().values())
        survivors = {}
        for gate, p in self.probabilities().items():
            if gate not in gates:
                continue
            survivors[gate] = self.alive[gate] & (p > threshold * p.amax(dim=-1, keepdim=True))
            emptied = torch.nonzero(self.alive[gate].any(dim=-1) & ~survivors[gate].any(dim=-1))
            if len(emptied):
                group = emptied[0].tolist()
                place = ", ".join(f"{axis} {index + 1}" for axis, index in zip(GATES[gate].axes, group, strict=True))
                raise UserError(
                    f"the search has diverged: shrinking would remove every option of gate {gate} of {place}, whose "
                    f"largest probability is {float(p[tuple(group)].max()):g}; lower the learning rate of the "
                    "architecture parameters or the loss weights in the mmengine config of the search"
                )
        for gate, alive in survivors.items():
            self.alive[gate].copy_(alive)
        self.remove_dependents()
        return before - sum(self.options_alive().values())

    def remove_dependents(self) -> None:
        """Remove the groups of blocks beyond the deepest surviving depth, and those of dead operators."""
        alive, first = self.alive, 0
        for index, stage in enumerate(self.space.stages):
            deepest = int(alive["depth"][index].nonzero().max())
            for gate in dependents("depth"):
                alive[gate][first + deepest + 1 : first + stage.blocks] = False
            first += stage.blocks
        for gate in dependents("operator"):
            alive[gate].logical_and_(alive["operator"].unsqueeze(-1))

    @contextmanager
    def one_hot(self, choice: Mapping[str, np.ndarray] | None = None) -> Iterator[None]:
        """Context in which only the chosen option of each group is alive; by default the most probable one.

        Inside, the supernet computes exactly the discrete network, and its expected cost is the cost of that network.
        """
        before = {gate: alive.clone() for gate, alive in self.alive.items()}
        chosen = self.choice() if choice is None else choice
        try:
            with torch.no_grad():
                for gate, alive in self.alive.items():
                    index = torch.as_tensor(chosen[gate], device=alive.device).unsqueeze(-1)
                    exists = before[gate].any(dim=-1, keepdim=True)
                    alive.copy_(torch.zeros_like(alive).scatter_(-1, index, True) & exists)
                self.remove_dependents()
            yield
        finally:
            with torch.no_grad():
                for gate, alive in self.alive.items():
                    alive.copy_(before[gate])
