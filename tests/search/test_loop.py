"""The search loop: the images of each step, the learning rates, and the optimizer state after compaction."""

import itertools
from collections.abc import Callable

import pytest
import torch
from mmseg.registry import DATASETS
from tiny_experiment import DATASET, experiment

from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.search.loop import SearchLoop, halves
from ssr_mmseg.search.step import TwoPhaseStep
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state

AUGMENTATION = [{"type": "RandomFlip", "prob": 0.5}, {"type": "RandomShift", "pixels": 2}]
BEFORE = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "AlignedResize"}]


@pytest.fixture(params=[False, True], ids=["read from files", "on the device"])
def mmseg_config(request, workplace) -> Callable[[list], str]:
    """Write the default mmengine config with another augmentation, of the training set on disk or on the device.

    Its working directory is a new one.
    """
    folder = workplace("loop")

    def write(augmentation: list) -> str:
        steps = [*BEFORE, *([] if request.param else augmentation), {"type": "PackSegInputs"}]
        loader = {"_delete_": True, "batch_size": 4, "dataset": {"pipeline": steps}}
        if request.param:
            loader |= {"type": "ResidentLoader", "augmentation": augmentation}
        base = paths.PROJECT / "config/mmseg/supernet_streets.py"
        (folder / "mine.py").write_text(f"_base_ = [{str(base)!r}]\ntrain_dataloader = {loader!r}\n")
        return "mine.py"

    return write


def record_batches(monkeypatch, config: dict) -> dict[str, list[torch.Tensor]]:
    """Return the augmented images of each weight step and each architecture step of the first stage."""
    seen: dict[str, list[torch.Tensor]] = {"weights": [], "architecture": []}
    for part, batches in seen.items():
        learn = getattr(TwoPhaseStep, f"learn_{part}")

        def noted(self, batch, learn=learn, batches=batches):
            inputs = batch["inputs"]
            batches.append((inputs if torch.is_tensor(inputs) else torch.stack(inputs)).float().cpu())
            return learn(self, batch)

        monkeypatch.setattr(TwoPhaseStep, f"learn_{part}", noted)
    search(config, DATASET, 0)
    return seen


def positions(batches: list[torch.Tensor], images: torch.Tensor) -> list[list[int]]:
    """Return the indices of the training images in each batch."""
    return [[int((images == image).flatten(1).all(dim=1).nonzero()) for image in batch] for batch in batches]


@pytest.mark.parametrize("split", ["halves", "whole"])
def test_each_step_uses_the_images_of_its_half(mmseg_config, split, monkeypatch):
    config = experiment(config=mmseg_config([]), split=split, threshold=0.01)
    source = Experiment(config, DATASET, 0)
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}]
    dataset = DATASETS.build({**source.splits["train"], "pipeline": pipeline})
    images = torch.stack([dataset[index]["inputs"] for index in range(len(dataset))]).float()
    seen = {part: positions(batches, images) for part, batches in record_batches(monkeypatch, config).items()}
    epochs, used = config["search"]["epochs"], 8 if split == "halves" else 16
    expected = halves(16, seed=0) if split == "halves" else (list(range(16)),) * 2
    for part, indices in zip(("weights", "architecture"), expected, strict=True):
        steps = used // 4
        assert len(seen[part]) == epochs * steps
        for epoch in range(epochs):
            assert sorted(itertools.chain.from_iterable(seen[part][epoch * steps :][:steps])) == indices
    assert all(set(a) != set(b) for a, b in zip(*seen.values(), strict=True)), (
        "the two steps of an iteration use different images"
    )


def test_the_two_steps_are_augmented_independently(mmseg_config, monkeypatch):
    """If both steps use the whole training set, an image is augmented in two ways per epoch."""
    seen = record_batches(monkeypatch, experiment(config=mmseg_config(AUGMENTATION), split="whole", threshold=0.01))
    weights, architecture = (torch.cat(batches) for batches in seen.values())
    same = (weights.unsqueeze(1) == architecture.unsqueeze(0)).flatten(2).all(dim=2)
    assert float(same.any(dim=1).float().mean()) < 0.6  # 18 forms of each image and 4 draws, so some are equal


def test_rates_decay_over_the_whole_search_and_those_of_the_gates_are_constant(workplace, monkeypatch):
    """(1 − s/S)^0.9 over the steps of all stages: the last step has (1/S)^0.9 of the first rate, not 0."""
    workplace("rates")
    rates = []
    iterate = SearchLoop.run_iter

    def run_iter(self, idx, batch):
        wrappers = self.runner.optim_wrapper
        rates.append([wrappers[part].optimizer.param_groups[0]["lr"] for part in ("weights", "architecture")])
        iterate(self, idx, batch)

    monkeypatch.setattr(SearchLoop, "run_iter", run_iter)
    paper = experiment(threshold=0.01, config="config/mmseg/supernet_cityscapes.py")
    for stage in (0, 1):
        search(paper, DATASET, 0, stage)
    steps, epochs = 2, 3
    expected = [3e-4 * (1 - step // steps / epochs) ** 0.9 for step in range(steps * epochs)]  # by epoch
    assert [weights for weights, _ in rates] == pytest.approx(expected)
    assert {architecture for _, architecture in rates} == {2e-3}


def test_the_optimizers_survive_compaction(finished):
    """Adam's step counts continue from stage to stage; moments that were dropped would restart at 0."""
    before, after = (load_state(finished / paths.state_path({}, DATASET, 0, stage)) for stage in (0, 1))
    assert before["iteration"] < after["iteration"]
    for part in ("weights", "architecture"):
        counts = [
            {
                name: int(state["optimizers"][part]["state"][position]["step"])
                for position, name in enumerate(state["parameters"][part])
                if position in state["optimizers"][part]["state"]
            }
            for state in (before, after)
        ]
        assert set(counts[1]) <= set(counts[0])
        grown = {counts[1][name] - counts[0][name] for name in counts[1]}
        assert max(grown) == after["iteration"] - before["iteration"]
        assert max(counts[1].values()) == after["iteration"]
