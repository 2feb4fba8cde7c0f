"""Every hook has its effect under mmengine's loops as well as under this project's."""

import json
import math
import re
from types import SimpleNamespace

import pytest
import torch
from any_loop import CLASSES, EPOCHS, LOOPS, PALETTE, STEPS, Witness, build_runner, model_config
from mmengine.hooks import CheckpointHook
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.hooks.ema_hook import AverageHook
from ssr_mmseg.training.hooks.history_hook import HistoryHook
from ssr_mmseg.utils.errors import UserError


@pytest.fixture(scope="module", params=LOOPS)
def trained(request, tmp_path_factory):
    """A finished training with every hook: the runner, a witness, the folder, and whether it has epochs."""
    folder = tmp_path_factory.mktemp("trained")
    average, compiled = AverageHook(decay=0.5), []

    def count(graph, inputs):
        compiled.append(graph)
        return graph

    witness = Witness(average)
    by_epoch = request.param != "IterBasedTrainLoop"
    hooks = [
        {"type": "HistoryHook", "interval": STEPS},
        {"type": "ChannelsLastHook"},
        {"type": "CompileHook", "parts": ["decode_head"], "devices": ["cpu"], "backend": count},
        average,
        {"type": "ShrinkingHook", "threshold": 1 - 1e-6},
        {"type": "GateHistoryHook"},
        {"type": "ValidationHook", "interval": 1 if by_epoch else STEPS},
        {"type": "ProgressHook", "path": str(folder / "progress.json")},
        {"type": "BoardHook", "palette": PALETTE},
        {"type": "GateBoardHook"},
        witness,
    ]
    runner = build_runner(folder, request.param, hooks)
    runner.train()
    return SimpleNamespace(runner=runner, witness=witness, folder=folder, by_epoch=by_epoch, compiled=compiled)


def test_the_hub_has_a_record_of_finite_means_per_period(trained):
    history, losses = trained.runner.message_hub.get_info("history"), trained.witness.losses
    assert len(history) == EPOCHS
    assert len(losses) == EPOCHS * STEPS
    for number, record in enumerate(history):
        if trained.by_epoch:
            assert record["epoch"] == number + 1
        else:
            assert record["iteration"] == (number + 1) * STEPS
        assert record["loss"] == pytest.approx(sum(losses[number * STEPS :][:STEPS]) / STEPS)
        assert math.isfinite(record["decode.acc_seg"])
    json.dumps(history)  # plain values only


def test_the_validation_measures_the_average_and_is_recorded(trained):
    runner, witness = trained.runner, trained.witness
    assert witness.validated == [{"live": False, "mean": True}] * (EPOCHS * 3)
    history = runner.message_hub.get_info("history")
    assert all(0 <= record["miou_val"] <= 100 for record in history)
    assert runner.message_hub.get_info("miou_val") == history[-1]["miou_val"]
    assert torch.equal(runner.model.decode_head.conv_seg.weight, witness.mean), "the training ends with the average"
    measured = evaluate_model(runner.model, runner.val_dataloader, list(CLASSES))["miou"]
    assert history[-1]["miou_val"] == pytest.approx(measured, abs=0.006)


def test_the_head_is_compiled_for_the_training_alone_and_weights_are_channels_last(trained):
    assert trained.compiled
    assert "forward" not in vars(trained.runner.model.decode_head)
    for parameter in trained.runner.model.parameters():
        assert parameter.dim() < 4 or parameter.is_contiguous(memory_format=torch.channels_last)


def test_gates_shrink_after_every_period_and_are_recorded(trained):
    alive = trained.witness.alive
    history = trained.runner.message_hub.get_info("history")
    recorded = [sum(record["options_alive"].values()) for record in history]
    assert alive[0] > recorded[0] >= recorded[1]
    # an iteration-based training shrinks within the last iteration of the period, before the witness looks
    assert alive[STEPS - 1] == (alive[0] if trained.by_epoch else recorded[0])
    assert alive[STEPS] == recorded[0]
    for record in history:
        assert set(record["probabilities"]) == set(GATES)
        assert "cost_ratio" not in record, "there is no objective, and so no cost"


def test_progress_is_reported_with_epochs_where_there_are_any(trained):
    value = json.loads((trained.folder / "progress.json").read_text())
    history = trained.runner.message_hub.get_info("history")
    assert (value["iteration"], value["iterations"], value["seconds_left"]) == (EPOCHS * STEPS, EPOCHS * STEPS, 0)
    assert (value.get("epoch"), value.get("epochs")) == ((EPOCHS, EPOCHS) if trained.by_epoch else (None, None))
    assert value["terms"]["loss"] == history[-1]["loss"]
    assert value["miou_val"] == history[-1]["miou_val"]
    assert ("data_wait_share" in value) == hasattr(trained.runner.train_loop, "data_wait_share")


def test_tensorboard_shows_losses_gates_and_predictions(trained):
    (events,) = trained.folder.glob("log/*/vis_data/events*")
    shown = EventAccumulator(str(events), size_guidance={"images": 0, "histograms": 0}).Reload()
    history = trained.runner.message_hub.get_info("history")
    steps = [STEPS, EPOCHS * STEPS]

    def scalars(tag):
        return [(event.step, event.value) for event in shown.Scalars(tag)]

    assert scalars("epoch/loss") == [(step, pytest.approx(r["loss"])) for step, r in zip(steps, history, strict=True)]
    alive = [float(record["options_alive"]["operator"]) for record in history]
    assert scalars("options_alive/operator") == list(zip(steps, alive, strict=True))
    assert [h.step for h in shown.Histograms("probabilities/operator")] == steps
    assert scalars("miou_val") == [(s, pytest.approx(r["miou_val"])) for s, r in zip(steps, history, strict=True)]
    assert shown.Tags()["images"] == ["val/1-0", "val/1-1"]
    assert [image.step for image in shown.Images("val/1-0")] == steps


@pytest.mark.parametrize("loop", LOOPS)
def test_the_regularizer_grows_towards_the_end_where_the_loop_has_an_objective(tmp_path, loop):
    hooks = [{"type": "RegularizerRampHook", "begin": 0.0, "factor": 16}, {"type": "ShrinkingHook", "threshold": 0.1}]
    with pytest.raises(UserError, match=f"needs a loop with an objective, but {loop} has none; train by SearchLoop"):
        build_runner(tmp_path, loop, hooks).train()
    runner = build_runner(tmp_path, loop, hooks)
    weights = dict.fromkeys(GATES, 2.0) | {"cost": 1.0}
    runner.train_loop.objective = SimpleNamespace(weights=weights, cost=SimpleNamespace(hold=None))
    runner.train()
    assert runner.train_loop.objective.weights == pytest.approx(dict.fromkeys(GATES, 32.0) | {"cost": 1.0})


def test_validations_that_the_loop_starts_are_recorded(tmp_path):
    hooks = [{"type": "HistoryHook"}, {"type": "ValidationHook"}]
    cfg = {"type": "EpochBasedTrainLoop", "max_epochs": EPOCHS, "val_begin": 2}
    runner = build_runner(tmp_path, "EpochBasedTrainLoop", hooks, train_cfg=cfg)
    runner.train()
    assert ["miou_val" in record for record in runner.message_hub.get_info("history")] == [False, True]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_share_of_the_time_measures_without_records_and_not_at_the_end(tmp_path, loop):
    hooks = [{"type": "HistoryHook", "interval": STEPS}, {"type": "ValidationHook", "share": 1e9}]
    witness = Witness()
    runner = build_runner(tmp_path, loop, [*hooks, witness])
    witness.before_val_iter = lambda *arguments, **options: witness.validated.append({})
    runner.train()
    assert len(witness.validated) == 3 * (EPOCHS - 1)
    assert runner.message_hub.get_info("miou_val") is not None
    assert not any("miou_val" in record for record in runner.message_hub.get_info("history"))


def test_a_checkpoint_of_mmengine_continues_history_and_average(tmp_path):
    saved, resumed = AverageHook(decay=0.5), AverageHook(decay=0.5)

    def run(epochs: int, average: AverageHook, resume: bool) -> list[dict]:
        loop = {"type": "EpochBasedTrainLoop", "max_epochs": epochs}
        checkpoint = CheckpointHook(interval=1)
        hooks = [{"type": "HistoryHook"}, average, checkpoint]
        runner = build_runner(tmp_path, "EpochBasedTrainLoop", hooks, validation=False, train_cfg=loop, resume=resume)
        runner.train()
        return runner.message_hub.get_info("history")

    first = [dict(record) for record in run(1, saved, False)]
    kept = load_state(tmp_path / "log/epoch_1.pth")["average"]
    resumed.after_train_iter = lambda *arguments, **options: None  # so that it stays as it was loaded
    records = run(2, resumed, True)
    assert records[:1] == first
    assert [record["epoch"] for record in records] == [1, 2]
    assert records[1]["loss"] != records[0]["loss"]
    last = load_state(tmp_path / "log/epoch_2.pth")
    assert set(kept) == set(last["average"])
    assert all(torch.equal(value, kept[name]) for name, value in last["average"].items())
    assert not torch.equal(
        last["average"]["decode_head.conv_seg.weight"], last["state_dict"]["decode_head.conv_seg.weight"]
    )


def test_a_checkpoint_within_a_period_continues_its_means(tmp_path):
    losses = []
    for iterations in (3, 4):
        witness = Witness()
        hooks = [HistoryHook(interval=STEPS), CheckpointHook(interval=1, by_epoch=False), witness]
        loop = {"type": "IterBasedTrainLoop", "max_iters": iterations}
        runner = build_runner(
            tmp_path, "IterBasedTrainLoop", hooks, validation=False, train_cfg=loop, resume=iterations == 4
        )
        runner.train()
        losses += witness.losses
        records = runner.message_hub.get_info("history")
        assert [record["iteration"] for record in records] == [2, iterations]
    assert len(losses) == 4
    assert [record["loss"] for record in records] == [pytest.approx(sum(losses[i : i + 2]) / 2) for i in (0, 2)]


@pytest.mark.parametrize("loop", LOOPS)
def test_learning_rates_means_and_metrics_are_logged_without_reading_losses(tmp_path, loop):
    defaults = {
        "runtime_info": {"type": "UnreadLossesInfoHook"}, "logger": {"type": "LoggerHook", "interval": STEPS},
        "checkpoint": None,
    }  # fmt: skip
    hooks = [HistoryHook(interval=STEPS), {"type": "ValidationHook", "interval": 1 if "Iter" not in loop else STEPS}]
    runner = build_runner(tmp_path, loop, hooks, default_hooks=defaults)
    runner.train()
    assert not [name for name in runner.message_hub.log_scalars if "loss" in name]
    (file,) = (tmp_path / "log").glob("*/*.log")
    log, miou = file.read_text(), runner.message_hub.get_info("miou_val")
    assert len(re.findall(r"\(train\).* lr: 5.0000e-02", log)) == EPOCHS
    assert len(re.findall(r"(?:epoch|iteration) \d, loss [\d.]+", log)) == EPOCHS
    assert re.findall(r"\(val\).* mIoU: ([\d.]+)", log)[-1] == f"{miou:.4f}"


def test_another_run_in_the_same_process_begins_with_an_empty_history(tmp_path):
    for _ in range(2):
        runner = build_runner(
            tmp_path, "EpochBasedTrainLoop", [HistoryHook()], validation=False, experiment_name="same"
        )
        runner.train()
    assert len(runner.message_hub.get_info("history")) == EPOCHS


@pytest.mark.parametrize(
    ("loop", "hook", "changes", "message"),
    [
        (
            "EpochBasedTrainLoop",
            {"type": "StateHook", "path": "state.pth"},
            {},
            "no EpochBasedTrainLoop; .* Checkpoint",
        ),
        ("IterBasedTrainLoop", {"type": "StateHook", "path": "state.pth"}, {}, "no IterBasedTrainLoop; .* Checkpoint"),
        *[
            (loop, {"type": "ValidationHook"}, {"validation": False}, "set val_dataloader, val_cfg and val_evaluator")
            for loop in LOOPS
        ],
        ("EpochBasedTrainLoop", {"type": "GateHistoryHook"}, {}, "HistoryHook keeps; add it to"),
        ("EpochBasedTrainLoop", {"type": "BoardHook", "palette": PALETTE}, {}, "HistoryHook keeps; add it to"),
    ],
)
def test_a_hook_that_lacks_something_says_so_at_the_start(tmp_path, loop, hook, changes, message):
    runner = build_runner(tmp_path, loop, [hook], **changes)
    with pytest.raises(UserError, match=message) as caught:
        runner.train()
    assert "\n" not in str(caught.value)
    assert runner.iter == 0


def test_other_lacks(tmp_path):
    hooks = [{"type": "HistoryHook"}, {"type": "BoardHook", "palette": PALETTE}]
    with pytest.raises(UserError, match=r"add dict\(type='TensorboardVisBackend'\) to the visualizer's vis_backends"):
        build_runner(tmp_path, "EpochBasedTrainLoop", hooks, visualizer=None).train()
    hooks = [{"type": "HistoryHook"}, {"type": "ValidationHook", "interval": 1}]
    runner = build_runner(
        tmp_path, "EpochBasedTrainLoop", hooks, val_evaluator={"type": "IoUMetric", "iou_metrics": ["mDice"]}
    )
    with pytest.raises(UserError, match="does not measure mIoU: set val_evaluator"):
        runner.train()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", ["TeacherHook", "MutualHook"])
def test_a_network_learns_from_another_under_every_loop(kind, loop, tmp_path):
    hook = {"type": kind, "model": model_config(), "features": 1.0}
    if kind == "TeacherHook":
        init_default_scope("mmseg")
        teacher = MODELS.build(model_config())
        hook["weights"] = str(tmp_path / "teacher.pth")
        torch.save({"state_dict": teacher.state_dict()}, hook["weights"])
    runner = build_runner(tmp_path, loop, [{"type": "HistoryHook", "interval": STEPS}, hook])
    runner.train()
    for record in runner.message_hub.get_info("history"):
        assert record["distill.loss_logits"] > 0
        assert record["distill.loss_features"] > 0
    assert not {"loss", "extract_feat"} & vars(runner.model).keys(), "the methods are the classes' again"
