"""The annealed temperature of the gates: its values, its place in states, and stopped and continued searches."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from spaces import SEARCH, SPACE, random_supernet, random_survivors
from tiny_experiment import DATASET, assert_same_state, experiment

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.architecture.structure import structure_to_json, surviving_structure
from ssr_mmseg.experiment.config_check.check import check_config
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.search.compaction import compact_weights
from ssr_mmseg.search.graph_hook import BakedValues
from ssr_mmseg.search.hooks import TemperatureHook
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.search.regularizers import build_regularizer
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.named_configs import search_config
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError

BOTH = pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
ENDS = {"sigmoid": 0.4, "softmax": 0.6}  # with these and the thresholds, the last stage has something left to decide
THRESHOLDS = {"sigmoid": 0.8, "softmax": 0.5}


def annealing(gate: str) -> dict:
    """Return the tiny experiment with a falling temperature instead of a regularizer."""
    hooks = [{"type": "TemperatureHook", "end": ENDS[gate]}]
    options = {"regularizer": "none", "cfg_options": {"custom_hooks": hooks}}
    return experiment(**options, gate=gate, threshold=THRESHOLDS[gate])


def random_gates(scores: str, scale: float = 2.0) -> ArchitectureParameters:
    torch.manual_seed(0)
    gates = ArchitectureParameters(SPACE, scores).double()
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_(0, scale)
    gates.shrink(0.3)  # some options and groups are dead
    return gates


def oracle(gates: ArchitectureParameters, gate: str, scores: str, temperature: float) -> torch.Tensor:
    """Return the probabilities by their definition."""
    alpha, alive = gates.alpha[gate].detach(), gates.alive[gate]
    if scores == "softmax":
        p = torch.softmax(torch.where(alive, alpha / temperature, -torch.inf), dim=-1)
        return torch.where(alive, p, 0.0)
    masked = alpha.sigmoid() ** (1 / temperature) * alive
    return masked / masked.sum(dim=-1, keepdim=True).clamp_min(1e-300)


@BOTH
@pytest.mark.parametrize("temperature", [0.9, 0.3, 0.05])
def test_probabilities_are_powers_of_the_scores_and_of_softmax_gates_those_of_alpha_divided(scores, temperature):
    gates = random_gates(scores)
    gates.set_temperature(temperature)
    for gate, p in gates.probabilities().items():
        torch.testing.assert_close(p, oracle(gates, gate, scores, float(gates.temperature)), rtol=1e-6, atol=1e-12)
        assert not bool(p[~gates.alive[gate]].any())


@BOTH
def test_a_temperature_of_one_changes_no_bit(scores):
    gates, tempered = random_gates(scores), random_gates(scores)
    tempered.set_temperature(0.5)
    tempered.set_temperature(1.0)
    for gate, p in gates.probabilities().items():
        assert torch.equal(p, tempered.probabilities()[gate])


@BOTH
def test_it_sharpens_every_group_and_keeps_the_choice(scores):
    gates = random_gates(scores)
    before, choice = gates.entropy(), gates.choice()
    gates.set_temperature(0.2)
    after = gates.entropy()
    assert all(after[gate] < value or value == 0 for gate, value in before.items())
    assert sum(before.values()) > 0
    for gate, index in gates.choice().items():
        assert (index == choice[gate]).all()


@BOTH
@pytest.mark.parametrize("sign", [-1, 1])
def test_no_group_loses_its_probabilities_at_a_low_temperature(scores, sign):
    gates = ArchitectureParameters(SPACE, scores)
    gates.shrink(0.5)
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.copy_(sign * (3 + torch.rand_like(alpha)))
    gates.set_temperature(1e-3)
    for gate, p in gates.probabilities().items():
        torch.testing.assert_close(p.sum(dim=-1), gates.alive[gate].any(dim=-1).float())
        p.square().sum().backward()
        assert bool(gates.alpha[gate].grad.isfinite().all())
    assert gates.shrink(0.1) > 0, "the search has not diverged"


@BOTH
def test_gradients_are_those_of_the_definition_and_dead_options_have_none(scores):
    gates = random_gates(scores)
    gates.set_temperature(0.5)
    for gate, p in gates.probabilities().items():
        weights = torch.randn_like(p)
        (p * weights).sum().backward()
        alpha = gates.alpha[gate].detach().clone().requires_grad_()
        alive = gates.alive[gate]
        scored = alpha.sigmoid() ** 2 if scores == "sigmoid" else (alpha / 0.5).exp()
        total = (scored * alive).sum(dim=-1, keepdim=True)
        (scored * alive / torch.where(total > 0, total, 1.0) * weights).sum().backward()
        torch.testing.assert_close(gates.alpha[gate].grad, alpha.grad)
        assert not bool(gates.alpha[gate].grad[~alive].any())


@BOTH
@pytest.mark.parametrize("name", ["ssr", "entropy", "zero_one", "beta_decay", "none"])
def test_every_regularizer_is_finite_at_a_low_temperature(scores, name):
    gates, regularizer = random_gates(scores), build_regularizer(name)
    gates.set_temperature(0.01)
    for gate, p in gates.probabilities().items():
        loss = regularizer(gates.alpha[gate], p, gates.alive[gate])
        assert bool(loss.isfinite())
        if loss.requires_grad:
            loss.backward()
            assert gates.alpha[gate].grad is None or bool(gates.alpha[gate].grad.isfinite().all())


@BOTH
def test_one_hot_gates_have_probability_one_at_any_temperature(scores):
    gates = random_gates(scores)
    gates.set_temperature(0.01)
    before = gates.probabilities()
    with gates.one_hot():
        for gate, p in gates.probabilities().items():
            assert set(p.unique().tolist()) <= {0.0, 1.0}
            assert torch.equal(p.sum(dim=-1) == 1, gates.alive[gate].any(dim=-1))
    for gate, p in gates.probabilities().items():
        assert torch.equal(p, before[gate])


def cold_supernet(seed: int) -> SSRSupernet:
    supernet = random_supernet(seed)
    random_survivors(supernet, seed)
    supernet.architecture.set_temperature(0.25)
    return supernet


def smaller(supernet: SSRSupernet) -> SSRSupernet:
    alive = {gate: value.numpy() for gate, value in supernet.architecture.alive.items()}
    return SSRSupernet(**SEARCH, structure=structure_to_json(surviving_structure(SPACE, alive))).double().eval()


def test_compaction_keeps_the_function_and_the_temperature():
    supernet = cold_supernet(0)
    small = smaller(supernet)
    small.load_state_dict(compact_weights(supernet.state_dict(), small))
    assert small.architecture.tempered
    assert float(small.architecture.temperature) == 0.25
    images = torch.randn(2, 3, 48, 64, dtype=torch.double)
    with torch.no_grad():
        for ours, theirs in zip(small(images), supernet(images), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "compacted"])
def test_a_state_of_a_version_without_temperatures_loads_with_one(tmp_path, cut):
    supernet = cold_supernet(1)
    state = {name: value for name, value in supernet.state_dict().items() if "temperature" not in name}
    assert len(state) == len(supernet.state_dict()) - 1
    save_state(tmp_path / "state.pth", {"model": state})
    target = smaller(supernet) if cut else cold_supernet(2)
    state = load_state(tmp_path / "state.pth")["model"]
    target.load_state_dict(compact_weights(state, target) if cut else state)
    assert float(target.architecture.temperature) == 1
    assert not target.architecture.tempered


def test_a_state_without_another_value_is_still_refused():
    supernet = cold_supernet(1)
    state = {name: value for name, value in supernet.state_dict().items() if "alpha.depth" not in name}
    with pytest.raises(RuntimeError, match=r"alpha\.depth"):
        supernet.load_state_dict(state)
    with pytest.raises(KeyError, match=r"alpha\.depth"):
        compact_weights(state, smaller(supernet))


def test_recorded_passes_are_recorded_again_when_the_first_temperature_is_set():
    supernet = random_supernet(0)
    values = BakedValues(SimpleNamespace(parameters=supernet.parameters, training=True, backbone=supernet))
    seen = [values()]
    for temperature in (0.5, 0.25):
        supernet.architecture.set_temperature(temperature)
        seen.append(values())
    assert seen[0] != seen[1] == seen[2]


@pytest.mark.parametrize("epochs", [20, None], ids=["given", "the loop's"])
@pytest.mark.parametrize(
    ("begin", "expected"),
    [(0.0, {0: 0.01 ** (1 / 20), 9: 0.1, 19: 0.01}), (0.5, {0: 1, 9: 1, 14: 0.1, 19: 0.01})],
)
def test_the_temperature_falls_exponentially_to_its_end(epochs, begin, expected):
    gates = ArchitectureParameters(SPACE)
    model = SimpleNamespace(backbone=SimpleNamespace(architecture=gates))
    runner = SimpleNamespace(model=model, train_loop=None, max_epochs=20)
    hook = TemperatureHook(end=0.01, begin=begin, epochs=epochs)
    for epoch, temperature in expected.items():
        runner.epoch = epoch
        hook.before_train_epoch(runner)
        assert float(gates.temperature) == pytest.approx(temperature)
        assert gates.tempered == (temperature != 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"end": 0}, "expected an end > 0 and ≤ 1, found 0; correct it"),
        ({"end": 2}, "expected an end > 0 and ≤ 1, found 2; correct it"),
        ({"end": "low"}, "expected an end > 0 and ≤ 1, found 'low'; correct it"),
        ({"end": float("nan")}, "expected an end > 0 and ≤ 1, found nan; correct it"),
        ({"end": 0.1, "begin": 1}, "expected a begin ≥ 0 and < 1, found 1; correct it"),
        ({"end": 0.1, "begin": -0.1}, "expected a begin ≥ 0 and < 1, found -0.1; correct it"),
    ],
)
def test_a_value_out_of_range_is_one_line_when_the_run_is_planned(arguments, message):
    with pytest.raises(UserError) as caught:
        TemperatureHook(**arguments)
    assert str(caught.value) == f"TemperatureHook: {message}"
    hooks = [{"type": "TemperatureHook", **arguments}]
    one = settings.merge(experiment()["search"], {"cfg_options": {"custom_hooks": hooks}})
    if arguments["end"] == arguments["end"]:  # NaN is refused as a setting
        with pytest.raises(UserError, match="TemperatureHook: expected") as caught:
            check_config(search_config(one))
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def annealed(prepared, tmp_path_factory) -> dict[str, list[dict]]:
    """The states of all stages of uninterrupted searches by gate, in which shrinking removes options."""
    states = {}
    for gate in ("sigmoid", "softmax"):
        folder = tmp_path_factory.mktemp(gate)
        with pytest.MonkeyPatch.context() as patch:
            states[gate] = run_search(prepared, folder, patch, gate)
    return states


def run_search(prepared: Path, folder: Path, patch: pytest.MonkeyPatch, gate: str) -> list[dict]:
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    patch.chdir(folder)
    config = annealing(gate)
    for stage in range(2):
        search(config, DATASET, 0, stage)
    discretize(config, DATASET, 0)
    return [load_state(paths.state_path({}, DATASET, 0, stage)) for stage in range(2)]


@pytest.mark.parametrize("gate", ["sigmoid", "softmax"])
@pytest.mark.parametrize(("stage", "iteration"), [(0, 3), (1, 1)])
def test_a_stopped_search_equals_an_uninterrupted_one(annealed, workplace, stopped, gate, stage, iteration):
    workplace("stopped")
    config = annealing(gate)
    for before in range(stage):
        search(config, DATASET, 0, before)
    stopped(SearchLoop, iteration, search, config, DATASET, 0, stage)
    for rest in range(stage, 2):
        search(config, DATASET, 0, rest)
    for number, expected in enumerate(annealed[gate]):
        assert_same_state(load_state(paths.state_path({}, DATASET, 0, number)), expected)


def test_the_stages_of_a_search_share_one_schedule(annealed):
    for gate, states in annealed.items():
        assert not states[0]["decided"]
        assert any(not bool(states[0]["model"][f"backbone.architecture.alive_{name}"].all()) for name in GATES)
        temperatures = [float(state["model"]["backbone.architecture.temperature"]) for state in states]
        assert temperatures == pytest.approx([ENDS[gate] ** (2 / 3), ENDS[gate]])


def test_the_annealed_gates_differ_from_others(annealed, workplace):
    workplace("plain")
    search(experiment(regularizer="none"), DATASET, 0, 0)
    plain = load_state(paths.state_path({}, DATASET, 0, 0))["model"]
    cold = annealed["sigmoid"][0]["model"]
    assert float(plain["backbone.architecture.temperature"]) == 1
    assert any(
        not torch.equal(plain[f"backbone.architecture.alpha.{gate}"], cold[f"backbone.architecture.alpha.{gate}"])
        for gate in GATES
    )
