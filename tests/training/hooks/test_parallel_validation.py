"""Two data-parallel processes validate together, when the first decides to, and measure what one would."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from any_loop import CLASSES, build_runner
from mmengine import dist

from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.training.hooks.validation_hook import ValidationHook


def process(rank: int, folder: str) -> None:
    """Validate 3 images in one of two processes, of which only the first finds that it is time to."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    hook = ValidationHook(share=1.0)
    runner = build_runner(Path(folder) / str(rank), "EpochBasedTrainLoop", [hook])
    asked: list[int] = []

    def is_due(runner, done) -> bool:
        asked.append(done)
        return rank == 0 and done == 2

    hook._is_due = is_due  # type: ignore[method-assign]
    torch.manual_seed(1)
    for parameter in runner.model.decode_head.parameters():
        torch.nn.init.normal_(parameter)  # so that all classes are predicted
    hook.before_train(runner)
    images = []
    process_results = runner.val_evaluator.process
    runner.val_loop.evaluator.process = lambda **batch: (images.append(1), process_results(**batch))
    results = []
    for done in (1, 2):
        hook.after_period(runner, done)
        results.append(runner.message_hub.get_info("miou_val"))
    whole = [{key: [value] for key, value in sample.items()} for sample in runner.val_dataloader.dataset]
    expected = evaluate_model(runner.model, whole, list(CLASSES))["miou"]
    torch.save([*results, expected, len(images), len(asked)], f"{folder}/{rank}.pth")
    dist.barrier()
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> list[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("together")
    torch.multiprocessing.spawn(process, (str(folder),), nprocs=2)
    names = ("first", "second", "expected", "images", "asked")
    loaded = (torch.load(folder / f"{rank}.pth", weights_only=True) for rank in range(2))
    return [SimpleNamespace(**dict(zip(names, values, strict=True))) for values in loaded]


def test_both_processes_measure_when_the_first_decides_and_get_the_value_of_one(results):
    for result in results:
        assert result.first is None
        assert result.second == pytest.approx(result.expected, abs=0.006)
    assert results[0].second == results[1].second
    assert [result.asked for result in results] == [2, 0]
    assert [result.images for result in results] == [2, 2], "3 images and one for padding, which is not counted"
