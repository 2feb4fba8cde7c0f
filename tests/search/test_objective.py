"""The loss of the architecture step, term by term."""

import pytest
import torch
from spaces import SPACE

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.macs_formulas import expected_macs, reference_macs
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.search.regularizers import build_regularizer
from ssr_mmseg.utils.errors import UserError

WEIGHTS = {"cross_entropy": 100, "operator": 30, "out_width": 15, "mid_width": 15, "depth": 15, "cost": 1}
CLASSES, SIZE, TARGET = 3, (64, 64), 0.6


def test_a_gate_without_a_weight_is_named_in_one_line():
    weights = {name: weight for name, weight in WEIGHTS.items() if name != "depth"}
    cost = build_cost({"type": "macs", "target": TARGET}, SPACE, CLASSES, SIZE)
    with pytest.raises(UserError, match=r"no weight for gate depth; add it to train_cfg\.objective"):
        ArchitectureObjective(ArchitectureParameters(SPACE), weights, "ssr", cost)


@pytest.mark.parametrize("hold", [None, 1000])
def test_the_loss_is_the_sum_of_its_weighted_terms(hold):
    torch.manual_seed(0)
    gates = ArchitectureParameters(SPACE)
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_()
    cost = build_cost({"type": "macs", "target": TARGET, "hold": hold}, SPACE, CLASSES, SIZE)
    cross_entropy = torch.tensor(0.7)
    loss, terms = ArchitectureObjective(gates, WEIGHTS, "ssr", cost)(cross_entropy)
    p = gates.probabilities()
    ratio = expected_macs(SPACE, p, CLASSES, SIZE) / reference_macs(SPACE, CLASSES, SIZE)
    wanted = (ratio - TARGET) ** 2 if hold is None else (ratio / TARGET - 1) ** 2
    if hold is None:
        assert torch.equal(terms["cost"], wanted), "the paper's term, to the last bit"
    assert float(terms["cost"].detach()) == pytest.approx(float(wanted.detach()), rel=1e-4)
    ssr = build_regularizer("ssr")
    total = 100 * cross_entropy + (hold or 1) * wanted
    for gate in GATES:
        total = total + WEIGHTS[gate] * ssr(gates.alpha[gate], p[gate], gates.alive[gate])
    assert float(loss.detach()) == pytest.approx(float(total.detach()), rel=1e-4)
