"""Recorded passes change no value: weights, gates, statistics and optimizers are those of eager steps, bit for bit."""

import logging
from collections.abc import Callable

import pytest
import torch
from double_supernet import build_model, build_step, random_batch
from pretend_recorder import PretendRecorder
from tiny_experiment import assert_same_state
from torch import nn

from ssr_mmseg.search.graph_hook import BakedValues
from ssr_mmseg.search.step import TwoPhaseStep
from ssr_mmseg.training.recorded_step import RecordedTrainStep

RATES = {"weights": 1e-2, "architecture": 3e-2}
LOGGER = logging.getLogger("recorded")
Event = Callable[[TwoPhaseStep], None]


def kill(gate: str, *place: int) -> Event:
    """Return an event that removes an option, as shrinking does after an epoch."""

    def act(step: TwoPhaseStep) -> None:
        step.architecture.alive[gate][place] = False
        step.architecture.remove_dependents()

    return act


def raise_weights(step: TwoPhaseStep) -> None:
    step.objective.weights = {**step.objective.weights, "operator": 77.0, "depth": 40.5}


def evaluate(step: TwoPhaseStep) -> None:
    """What happens between epochs and leaves nothing behind: a validation, and a discrete network."""
    step.model.eval()
    with torch.no_grad(), step.architecture.one_hot():
        step.model.backbone(torch.stack(random_batch(7)["inputs"]))
    step.model.train()


def recorded(step: TwoPhaseStep) -> PretendRecorder:
    """Make a step record its passes."""
    recorder = PretendRecorder(step.model.buffers())
    step.train = RecordedTrainStep(recorder, BakedValues(step.model), LOGGER)
    return recorder


def adam_step(seed: int = 0) -> TwoPhaseStep:
    step = build_step(build_model(seed, dropout=True, class_weight=[1.0, 2.0, 0.5, 1.0, 1.5]), RATES, torch.optim.Adam)
    step.wrappers["architecture"].clip_grad_kwargs = {"max_norm": 5}
    step.wrappers["architecture"].clip_func = nn.utils.clip_grad_norm_
    step.wrappers["architecture"].grad_name = "grad_norm"
    return step


def state(step: TwoPhaseStep) -> dict:
    optimizers = {part: wrapper.optimizer.state_dict() for part, wrapper in step.wrappers.items()}
    return {"model": dict(step.model.state_dict()), "optimizers": optimizers}


def train(step: TwoPhaseStep, numbers: range, events: dict[int, Event]) -> list[dict]:
    """Run the steps of the given numbers, each after its event, and return their losses."""
    losses = []
    for number in numbers:
        events.get(number, lambda step: None)(step)
        torch.manual_seed(number)
        batches = random_batch(2 * number), random_batch(2 * number + 1)
        losses.append(step(*batches))
        for batch in batches:  # memory that the loader uses again
            for image, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
                image.fill_(torch.nan)
                sample.gt_sem_seg.data.zero_()
    return losses


EVENTS: dict[str, tuple[dict[int, Event], int]] = {  # events by step, and the recordings of each phase
    "nothing": ({}, 1),
    "a validation": ({3: evaluate}, 1),
    "new weights": ({3: raise_weights}, 1),
    "a width dies": ({3: kill("mid_width", 0, 1, 0)}, 1),
    "an operator dies": ({3: kill("operator", 1, 2)}, 2),
    "a depth dies": ({3: kill("depth", 1, 2)}, 2),
    "all of it": (
        {
            2: kill("operator", 0, 0),
            3: raise_weights,
            4: kill("out_width", 3, 3, 1),
            5: evaluate,
            6: kill("depth", 0, 1),
        },
        3,
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_recorded_steps_equal_eager_steps(name):
    events, recordings = EVENTS[name]
    eager, step = adam_step(), adam_step()
    recorder = recorded(step)
    losses = train(step, range(8), events)
    assert_same_state(losses, train(eager, range(8), events))
    assert_same_state(state(step), state(eager))
    assert recorder.warm_ups == 2, "one eager step"
    assert step.train.recordings == recorder.records == 2 * recordings
    assert recorder.replays == 2 * 7


def test_a_resumed_training_with_recorded_steps_equals_an_eager_one():
    events = {5: kill("operator", 1, 2)}
    eager, first, second = adam_step(), adam_step(), adam_step(seed=1)
    recorded(first)
    train(first, range(3), events)
    kept = state(first)
    second.model.load_state_dict(kept["model"])
    for part, wrapper in second.wrappers.items():
        wrapper.optimizer.load_state_dict(kept["optimizers"][part])
    recorded(second)
    train(second, range(3, 8), events)
    train(eager, range(8), events)
    assert_same_state(state(second), state(eager))


def test_a_state_restored_into_a_running_training_is_used():
    step, eager = adam_step(), adam_step()
    recorded(step)
    kept = {name: value.clone() for name, value in step.model.state_dict().items()}
    for each in (step, eager):
        train(each, range(3), {})
        each.model.load_state_dict(kept)
        train(each, range(3, 5), {})
    assert_same_state(state(step), state(eager))


def test_batches_of_another_shape_are_recorded_again():
    step, eager = adam_step(), adam_step()
    recorder = recorded(step)
    for each in (step, eager):
        for number, images in enumerate([2, 2, 3, 3, 3, 2]):
            torch.manual_seed(number)
            each(random_batch(number, images), random_batch(number + 50, images))
    assert_same_state(state(step), state(eager))
    assert (recorder.warm_ups, recorder.records) == (4, 6)


def test_moved_weights_are_recorded_again():
    step, eager = adam_step(), adam_step()
    recorder = recorded(step)
    for each in (step, eager):
        train(each, range(3), {})
        each.model.to(memory_format=torch.contiguous_format)
        train(each, range(3, 5), {})
    assert_same_state(state(step), state(eager))
    assert recorder.records == 4


def test_losses_are_not_overwritten_by_later_steps():
    step = adam_step()
    recorded(step)
    losses = train(step, range(3), {})
    before = [{name: float(value) for name, value in terms.items()} for terms in losses]
    train(step, range(3, 6), {})
    assert [{name: float(value) for name, value in terms.items()} for terms in losses] == before
    assert before[1] != before[2]


def test_gradients_stay_where_the_recording_writes_them():
    """mmengine sets gradients to None after a step, and clipping changes them in place."""
    step = adam_step()
    recorded(step)
    places: list[list[int]] = []
    wrapper = step.wrappers["architecture"]
    update = wrapper.step

    def noted(**options) -> None:
        places.append([p.grad.data_ptr() for group in wrapper.param_groups for p in group["params"]])
        update(**options)

    wrapper.step = noted
    train(step, range(5), {})
    assert all(p.grad is None for p in step.model.parameters())
    assert places[1] == places[2] == places[4]


def test_weights_of_dead_operators_are_not_updated():
    step = adam_step()
    recorded(step)
    train(step, range(3), {0: kill("operator", 1, 2), 2: kill("operator", 0, 3)})
    before = {name: value.clone() for name, value in step.model.state_dict().items()}
    train(step, range(3, 6), {})
    moved = {name for name, value in step.model.state_dict().items() if not torch.equal(value, before[name])}
    dead = ("backbone.stages.0.1.operators.2.", "backbone.stages.0.0.operators.3.")
    assert moved
    assert not [name for name in moved if name.startswith(dead)]


def test_a_phase_that_cannot_be_recorded_runs_eagerly_after_one_warning(caplog):
    step, eager = adam_step(), adam_step()
    recorder = recorded(step)
    for each in (step, eager):
        each.objective.regularizer.register_forward_hook(lambda module, inputs, output: float(output.detach()) * output)
    with caplog.at_level(logging.WARNING, "recorded"):
        train(step, range(5), {3: kill("operator", 1, 2)})
    train(eager, range(5), {3: kill("operator", 1, 2)})
    assert_same_state(state(step), state(eager))
    assert len(caplog.records) == 1
    assert "cannot be recorded as a CUDA graph" in caplog.text
    assert "not permitted" in caplog.text
    assert recorder.replays == 1, "the phase of the weights, once"


def test_the_recorder_of_the_tests_bakes_numbers_in():
    """Otherwise the tests above would not notice a number that a CUDA graph has baked in."""
    step = adam_step()
    recorder = PretendRecorder(step.model.buffers())
    factor, data = [1.0], torch.ones(3)
    result, replay = recorder.record(lambda: data * factor[0] + torch.zeros(3).bernoulli_(0.5))
    assert bool(result.isnan().all())
    factor[0] = 5.0
    data.fill_(2.0)
    torch.manual_seed(1)
    replay()
    torch.manual_seed(1)
    assert torch.equal(result, 2 + torch.zeros(3).bernoulli_(0.5))
