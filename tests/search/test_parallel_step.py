"""Two processes step like one to the last digits of double precision: gradients, statistics and survivors."""

from types import SimpleNamespace

import pytest
import torch
from double_supernet import CLASSES, build_model, build_step, phase_parameters, random_batch
from mmengine import dist
from torch import Tensor

from ssr_mmseg.search.hooks import ShrinkingHook
from ssr_mmseg.search.step import TwoPhaseStep, get_architecture
from ssr_mmseg.utils import distributed

BATCH, STEPS, EPOCHS = 4, 2, 4
CLASS_WEIGHT = [1.0, 0.3, 2.0, 5.0, 0.7]
assert len(CLASS_WEIGHT) == CLASSES


def rank_batch(seed: int) -> dict:
    """Return the images of a batch that belong to this rank; the valid labels are not spread evenly."""
    batch, share = random_batch(seed, BATCH, ignored=0.2), distributed.images_per_process(BATCH)
    first = dist.get_rank() * share
    return {key: values[first : first + share] for key, values in batch.items()}


def iterate(step: TwoPhaseStep, number: int) -> dict[str, Tensor]:
    """Run one iteration with dropout; return the mean losses over the processes."""
    torch.manual_seed(number)
    losses = step(rank_batch(2 * number), rank_batch(2 * number + 1))
    return {name: distributed.mean(value) for name, value in losses.items() if "loss" in name}


def gradients_of_a_step() -> dict[str, Tensor]:
    """Return the gradients of both phases, the running statistics after the step, and its losses."""
    model = build_model(0, dropout=True, class_weight=CLASS_WEIGHT)
    step = build_step(model, {"weights": 1e-3, "architecture": 1e-3})
    gradients: dict[str, Tensor] = {}
    for part, parameters in phase_parameters(model).items():

        def keep(*_, parameters=parameters) -> None:
            present = {name: p.grad for name, p in parameters.items() if p.grad is not None}
            gradients.update({f"gradient {name}": gradient.clone() for name, gradient in present.items()})

        step.wrappers[part].optimizer.register_step_pre_hook(keep)
    losses = iterate(step, 0)
    statistics = {name: value for name, value in model.named_buffers() if "running" in name}
    return {**gradients, **losses, **statistics}


def short_search() -> dict[str, Tensor]:
    """Return α and survivors after a few epochs of Adam, with a rate at which options die in every epoch."""
    model = build_model(0, dropout=True, class_weight=CLASS_WEIGHT)
    step = build_step(model, {"weights": 2e-3, "architecture": 0.1}, torch.optim.Adam)
    runner = SimpleNamespace(
        model=model, iter=0, train_loop=SimpleNamespace(objective=step.objective), logger=SimpleNamespace(info=print)
    )
    architecture, hook = get_architecture(model), ShrinkingHook(0.2)
    alive = []
    for epoch in range(EPOCHS):
        for number in range(STEPS):
            iterate(step, epoch * STEPS + number)
        hook.after_train_epoch(runner)
        alive.append(sum(architecture.options_alive().values()))
    return {**architecture.state_dict(), "history": torch.tensor(alive)}


def process(rank: int, folder: str) -> None:
    """Write the results of one of two processes to a file."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.save([gradients_of_a_step(), short_search()], f"{folder}/{rank}.pth")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> list[list[dict[str, Tensor]]]:
    """The results of each process: of one step and of a short search."""
    folder = tmp_path_factory.mktemp("together")
    torch.multiprocessing.spawn(process, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pth", weights_only=True) for rank in range(2)]


def test_two_processes_have_the_gradients_of_one(together):
    alone = gradients_of_a_step()
    assert sum(name.startswith("gradient") for name in alone) > 100
    assert any("alpha" in name for name in alone)
    for step, _ in together:
        assert set(step) == set(alone)
        for name, expected in alone.items():
            # large terms cancel in small gradients, so rounding errors scale with the tensor's largest value
            error = 1e-11 + 1e-10 * float(expected.abs().max())
            torch.testing.assert_close(step[name], expected, rtol=1e-9, atol=error, msg=lambda m, n=name: f"{n}: {m}")


def test_the_same_options_survive_in_two_processes(together):
    alone = short_search()
    history = alone["history"].tolist()
    assert history[0] > history[-1], "without removed options the test compares nothing"
    for _, search in together:
        for name, expected in alone.items():
            if expected.is_floating_point():
                assert torch.allclose(search[name], expected, rtol=1e-6, atol=1e-9), name
            else:
                assert torch.equal(search[name], expected), name
