"""Training by single paths: each step trains one random network, and a stopped training continues exactly."""

import numpy as np
import pytest
import torch
from spaces import SEARCH, SPACE
from tiny_experiment import DATASET, assert_same_state, experiment

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import random_choice
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.search.shared_operators import share_operators
from ssr_mmseg.search.single_path import SinglePathStep
from ssr_mmseg.search.step import TwoPhaseStep
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.selector_supernets import search_overrides
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state

OPTION = "train_cfg.share_operators"


def single_path(share: bool = False) -> dict:
    config = experiment()
    overrides = search_overrides(config["search"], "single_path") | {"cfg_options": {OPTION: share}}
    return settings.complete(settings.merge(config, {"search": overrides}))


def test_it_trains_in_one_stage_as_long_as_the_search():
    before, after = experiment()["search"], single_path()["search"]
    assert after["shrink_stages"] == 0
    assert after["epochs"] == before["epochs"] + before["shrink_stages"] * before["shrink_epochs"]


def test_weights_are_trained_and_the_gates_stay(workplace):
    workplace("run")
    search(single_path(), DATASET, 0)
    model = load_state(paths.state_path({}, DATASET, 0, 0))["model"]
    alpha = {name: value for name, value in model.items() if ".alpha." in name}
    alive = {name: value for name, value in model.items() if ".alive_" in name}
    assert alpha
    assert not any(value.any() for value in alpha.values())
    assert all(value.any(dim=-1).all() for value in alive.values())


@pytest.mark.parametrize(("iteration", "share"), [(1, False), (3, False), (6, False), (1, True), (3, True)])
def test_a_stopped_training_continues_exactly(workplace, stopped, iteration, share):
    config = single_path(share)
    whole = workplace("whole")
    search(config, DATASET, 0)
    cut = workplace("cut")
    stopped(SearchLoop, iteration, search, config, DATASET, 0)
    search(config, DATASET, 0)
    path = paths.state_path({}, DATASET, 0, 0)
    assert_same_state(load_state(cut / path), load_state(whole / path))


def test_a_warm_up_leaves_the_gates_alone_until_its_end(workplace, monkeypatch):
    workplace("run")
    steps = []
    for step in (SinglePathStep, TwoPhaseStep):
        call = step.__call__

        def noted(self, *arguments, call=call, step=step):
            steps.append(step)
            return call(self, *arguments)

        monkeypatch.setattr(step, "__call__", noted)
    config = experiment(warmup=0.4)  # 1 of 3 epochs of 2 steps
    search(config, DATASET, 0)
    search(config, DATASET, 0, 1)
    assert steps[:4] == [SinglePathStep] * 2 + [TwoPhaseStep] * 2
    assert set(steps[4:]) <= {TwoPhaseStep}
    model = load_state(paths.state_path({}, DATASET, 0, 0))["model"]
    assert any(value.any() for name, value in model.items() if ".alpha." in name)


class Segmentor(torch.nn.Module):
    """A stand-in for a segmentor: notes the network that is alive when it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SSRSupernet(**SEARCH)


def test_each_batch_trains_another_network_and_all_survive_afterwards(monkeypatch):
    networks = []

    def note(model, batch, wrapper):
        alive = model.backbone.architecture.alive
        assert all(int(group.sum()) <= 1 for value in alive.values() for group in value.flatten(0, -2))
        networks.append((batch, wrapper, tuple(int(v) for v in alive["operator"].double().argmax(dim=-1))))
        return {"loss": torch.tensor(float(batch)), "decode.acc_seg": torch.tensor(0.0)}

    monkeypatch.setattr("ssr_mmseg.search.single_path.train_step", note)
    model = Segmentor()
    before = {gate: alive.clone() for gate, alive in model.backbone.architecture.alive.items()}
    step = SinglePathStep(model, {"weights": "w", "architecture": "a"})
    losses = [step((1, 2), np.random.default_rng((0, number)))["loss_weights"] for number in range(20)]
    assert all(loss == 1.5 for loss in losses)
    assert [network[:2] for network in networks] == [(1, "w"), (2, "w")] * 20
    assert len({network[2] for network in networks}) > 15
    for gate, alive in model.backbone.architecture.alive.items():
        assert torch.equal(alive, before[gate])
    assert model.backbone.space == SPACE


def test_shared_operators_are_equal_after_every_path_and_so_are_their_optimizer_states():
    torch.manual_seed(0)
    supernet = SSRSupernet(**SEARCH)
    optimizer = torch.optim.Adam([p for name, p in supernet.named_parameters() if "alpha" not in name], lr=0.01)
    generator = np.random.default_rng(0)
    for _ in range(3):
        choice = random_choice(SPACE, generator)
        with supernet.architecture.one_hot(choice):
            supernet(torch.randn(2, 3, 32, 32))[-1].square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        trained = [
            {name: value.clone() for name, value in block.operators[str(option)].state_dict().items()}
            for block, option in zip((b for s in supernet.stages for b in s), choice["operator"], strict=True)
        ]
        share_operators(supernet, optimizer, choice["operator"])
        for block, expected in zip((b for s in supernet.stages for b in s), trained, strict=True):
            first, *others = block.operators.values()
            for operator in block.operators.values():
                for name, value in operator.state_dict().items():
                    assert torch.equal(value, expected[name])
            for other in others:
                for a, b in zip(first.parameters(), other.parameters(), strict=True):
                    assert (a in optimizer.state) == (b in optimizer.state)
                    for name, value in optimizer.state.get(a, {}).items():
                        assert torch.equal(value, optimizer.state[b][name])
                        assert value is not optimizer.state[b][name]
    assert optimizer.state


def test_a_warm_up_shares_operators_if_its_config_says_so(workplace):
    workplace("run")
    equal = []
    for share in (True, False):
        config = experiment(warmup=1.0, epochs=1, shrink_stages=0, cfg_options={OPTION: share})
        search(config, DATASET, int(share))
        model = load_state(paths.state_path({}, DATASET, int(share), 0))["model"]
        kernels = [value for name, value in model.items() if "stages.0.0.operators" in name and "conv1.weight" in name]
        equal.append(all(torch.equal(kernels[0], kernel) for kernel in kernels))
    assert equal == [True, False]
