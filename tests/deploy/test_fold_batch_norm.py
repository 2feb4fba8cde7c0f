"""Folding batch norms: the function is unchanged in double precision, and only eligible ones are folded."""

import copy

import pytest
import torch
from torch import nn

from ssr_mmseg.deploy.fold_batch_norm import BATCH_NORM, fold_batch_norms
from ssr_mmseg.utils.errors import UserError


def count_batch_norms(module) -> int:
    return sum(node.target is BATCH_NORM for node in module.graph.nodes)


def randomize(network: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return network.double()


class Branches(nn.Module):
    """Two eligible convolutions, one whose output is read twice, and a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(4, 4, (3, 1), padding=(2, 0), dilation=(2, 1), groups=2, bias=False)
        self.shared = nn.Conv2d(4, 4, 1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4)])
        self.joined = nn.BatchNorm2d(8, eps=1e-3)

    def forward(self, x):
        x = self.norms[0](self.first(x)).relu()
        x = self.norms[1](self.grouped(x)).relu()
        shared = self.shared(x)
        return self.joined(torch.cat([self.norms[2](shared), shared], dim=1))


def test_the_function_is_unchanged_and_only_eligible_batch_norms_are_folded():
    network = randomize(Branches())
    before = copy.deepcopy(network.state_dict())
    images = torch.randn(2, 3, 12, 16, dtype=torch.double)
    folded = fold_batch_norms(network.train(), images)
    torch.testing.assert_close(folded(images), network.eval()(images), rtol=1e-12, atol=1e-12)
    assert count_batch_norms(folded) == 2  # after a concatenation, and of an output that is read twice
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_control_flow_that_depends_on_values_is_refused_in_one_line():
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(UserError, match="the network cannot be traced") as caught:
        fold_batch_norms(Branching(), torch.zeros(1, 3, 8, 8))
    assert "\n" not in str(caught.value)
