"""The record of the gates after every epoch of a search."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from spaces import search_settings

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import SearchSpace, StageSpace
from ssr_mmseg.search.hooks import GateHistoryHook, RegularizerRampHook, leading_probabilities


@pytest.fixture
def architecture():
    gates = ArchitectureParameters(SearchSpace.from_settings(search_settings()))
    torch.manual_seed(0)
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_()
    return gates


def fake_runner(architecture, epoch, max_epochs=200):
    objective = SimpleNamespace(cost_ratio=lambda probabilities: torch.tensor(0.5), target_ratio=0.6)
    model = torch.nn.Module()
    model.backbone = torch.nn.Module()
    model.backbone.architecture = architecture
    hub = MessageHub("gates")
    hub.update_info("history", [{"epoch": epoch}])
    return SimpleNamespace(
        model=model,
        train_loop=SimpleNamespace(objective=objective),
        message_hub=hub,
        epoch=epoch - 1,
        iter=epoch,
        max_iters=max_epochs,
    )


def test_widths_are_those_of_each_blocks_most_probable_operator(architecture):
    recorded = leading_probabilities(architecture)
    p = architecture.probabilities()
    for block, operators in enumerate(recorded["operator"]):
        leading = int(np.argmax(operators))
        for gate in ("mid_width", "out_width"):
            assert recorded[gate][block] == pytest.approx(p[gate][block, leading].tolist(), abs=1e-4)
            assert sum(recorded[gate][block]) == pytest.approx(1, abs=1e-3)


def test_a_removed_group_is_empty_and_a_dead_option_zero(architecture):
    architecture.alive["operator"][0, 1:] = False
    architecture.alive["operator"][-1] = False
    architecture.remove_dependents()
    recorded = leading_probabilities(architecture)
    assert recorded["operator"][0] == [1.0] + [0.0] * (len(architecture.space.operators) - 1)
    assert (recorded["operator"][-1], recorded["mid_width"][-1], recorded["out_width"][-1]) == ([], [], [])


@pytest.mark.parametrize(("epoch", "kept"), [(1, True), (40, True), (41, False), (45, True), (57, True), (58, False)])
def test_later_probabilities_are_recorded_at_intervals_and_at_the_end_of_a_stage(architecture, epoch, kept):
    runner = fake_runner(architecture, epoch, max_epochs=57)
    GateHistoryHook().after_train_epoch(runner)
    (record,) = runner.message_hub.get_info("history")
    assert ("probabilities" in record) == kept
    assert (record["cost_ratio"], record["cost_target"]) == (0.5, 0.6)
    assert record["options_alive"] == architecture.options_alive()


def test_the_history_of_the_papers_search_stays_small():
    space = SearchSpace((StageSpace(6, 64, 4), StageSpace(11, 128, 4)))
    architecture = ArchitectureParameters(space)
    hook, size = GateHistoryHook(), 0
    for epoch in range(1, 201):
        runner = fake_runner(architecture, epoch, max_epochs=epoch if epoch % 20 == 0 else 200)
        hook.after_train_epoch(runner)
        size += len(json.dumps(runner.message_hub.get_info("history"), indent=2))
    assert size < 2e6


def test_without_an_objective_the_cost_is_left_out(architecture):
    runner = fake_runner(architecture, 1)
    del runner.train_loop.objective
    GateHistoryHook().after_train_epoch(runner)
    assert set(runner.message_hub.get_info("history")[0]) == {
        "epoch", "options_alive", "entropy", "gates_decided", "probabilities"
    }  # fmt: skip


@pytest.mark.parametrize("hold", [None, 1000], ids=["aimed", "held"])
@pytest.mark.parametrize("epochs", [20, None], ids=["given", "the loop's"])
def test_the_weights_that_decide_grow_towards_the_end(epochs, hold):
    weights = {
        "cross_entropy": 100.0,
        "cost": 1.0,
        "operator": 30.0,
        "out_width": 15.0,
        "mid_width": 15.0,
        "depth": 15.0,
    }
    loop = SimpleNamespace(objective=SimpleNamespace(weights=dict(weights), cost=SimpleNamespace(hold=hold)))
    runner = SimpleNamespace(train_loop=loop, max_epochs=20)
    hook = RegularizerRampHook(begin=0.5, factor=16, epochs=epochs)
    hook.before_train(runner)
    seen = {}
    for epoch in (0, 9, 14, 19):
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        seen[epoch] = loop.objective.weights["operator"] / 30
        assert loop.objective.weights["cross_entropy"] == 100
        assert loop.objective.weights["cost"] == pytest.approx(seen[epoch] if hold else 1)
        assert loop.objective.weights["depth"] / 15 == pytest.approx(seen[epoch])
    assert seen == pytest.approx({0: 1, 9: 1, 14: 4, 19: 16})
