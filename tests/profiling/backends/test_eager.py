import copy

import pytest
import torch
from torch import nn

from ssr_mmseg.profiling.backends.eager import Eager

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 1))
    model[1].running_mean.normal_()
    return model.train()


@pytest.mark.parametrize("device", DEVICES)
def test_logits_are_those_of_the_network_in_eval_mode(network, device):
    images = torch.randn(2, 3, 16, 24)
    backend = Eager(network, torch.device(device))
    backend.prepare(images)
    logits = backend.run()
    backend.synchronize()
    expected = copy.deepcopy(network).eval()(images)
    torch.testing.assert_close(logits.cpu(), expected, rtol=1e-3, atol=1e-4)
    assert logits.is_inference()
    assert logits.device.type == device


def test_the_callers_network_is_unchanged(network):
    before = copy.deepcopy(network.state_dict())
    backend = Eager(network, torch.device("cpu"))
    backend.prepare(torch.randn(1, 3, 8, 8))
    backend.run()
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    network(torch.randn(2, 3, 8, 8)).sum().backward()  # still trains


def test_later_changes_by_the_caller_do_not_affect_the_copy(network):
    backend = Eager(network, torch.device("cpu"))
    backend.prepare(torch.randn(1, 3, 8, 8))
    logits = backend.run()
    with torch.no_grad():
        network[3].weight.zero_()
    assert torch.equal(backend.run(), logits)


def test_networks_and_images_of_other_types_run_in_float32(network):
    backend = Eager(network.to(torch.bfloat16), torch.device("cpu"))
    backend.prepare(torch.zeros(1, 3, 8, 8, dtype=torch.float64))
    assert backend.run().dtype == torch.float32
    assert backend.precision == "fp32"


def test_synchronize_waits_for_its_own_gpu(network, monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    backend = Eager(network, torch.device("cpu"))
    backend.synchronize()
    assert waited == []  # nothing to wait for on a CPU
    backend.device = torch.device("cuda")
    backend.synchronize()
    assert waited == [torch.device("cuda")]
