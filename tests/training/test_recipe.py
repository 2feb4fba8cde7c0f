"""The ingredients of a training recipe, one by one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmseg.models.losses import accuracy
from spaces import SPACE
from torch import nn

from ssr_mmseg.architecture.genotype import build_genotype, random_choice
from ssr_mmseg.models.decode_heads import AggregationHead, pixel_accuracy
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.models.losses import HardPixelCrossEntropy
from ssr_mmseg.training.bfloat16 import BFloat16OptimWrapper
from ssr_mmseg.training.hooks.compile_hook import ChannelsLastHook, CompileHook
from ssr_mmseg.training.hooks.ema_hook import AverageHook
from ssr_mmseg.training.hooks.validation_hook import ValidationHook
from ssr_mmseg.utils.errors import UserError


def runner_for(model: nn.Module, iteration: int = 0) -> SimpleNamespace:
    return SimpleNamespace(model=model, iter=iteration)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


# --- the average -----------------------------------------------------------------------------------------------------


def test_the_average_equals_the_naive_recursion_and_the_model_ends_with_it():
    model, hook = network(), AverageHook(decay=0.9)
    hook.before_train(runner_for(model))
    expected = {name: value.clone() for name, value in model.state_dict().items() if value.is_floating_point()}
    for iteration in range(12):
        model(torch.randn(2, 3, 5, 5))  # updates the statistics
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn_like(parameter)
        hook.after_train_iter(runner_for(model, iteration), iteration)
        decay = min(0.9, (2 + iteration) / (11 + iteration))
        for name, value in model.state_dict().items():
            if name in expected:
                expected[name] = decay * expected[name] + (1 - decay) * value
    live = {name: value.clone() for name, value in model.state_dict().items()}
    runner = runner_for(model)
    for before, after in (
        (hook.before_val_epoch, hook.after_val_epoch),
        (hook.before_test_epoch, hook.after_test_epoch),
    ):
        before(runner)
        for name, value in expected.items():
            torch.testing.assert_close(model.state_dict()[name], value)
        after(runner)
    for name, value in live.items():
        assert torch.equal(model.state_dict()[name], value)
    hook.after_train(runner_for(model))
    torch.testing.assert_close(model.state_dict()["0.weight"], expected["0.weight"])
    hook.before_test_epoch(runner)  # a test after the training measures the average, too
    torch.testing.assert_close(model.state_dict()["0.weight"], expected["0.weight"])


def test_a_saved_average_is_restored():
    model, hook, other = network(), AverageHook(), AverageHook()
    hook.before_train(runner_for(model))
    hook.average["0.weight"] += 1
    other.before_train(runner_for(model))
    other.load_training_state(hook.training_state())
    assert torch.equal(other.average["0.weight"], model[0].weight + 1)


@pytest.mark.parametrize(("interval", "measured"), [(2, [2, 4]), (3, [3]), (None, [1, 2, 3])])
def test_validation_measures_the_average_and_a_curve_is_in_the_history(interval, measured):
    """Without an interval the share of the time decides, here all of it, and the last epoch is not measured."""
    model, average = network(), AverageHook()
    average.before_train(runner_for(model))
    average.average["0.bias"][:] = 7.0
    hub = MessageHub("validation")
    visualizer = SimpleNamespace(add_scalar=lambda *arguments, **options: None)
    runner = SimpleNamespace(
        model=model, train_loop=None, max_epochs=4, max_iters=4, iter=0, message_hub=hub, visualizer=visualizer
    )
    # the time that all measurements together may take is far from used up
    hook, seen, history = ValidationHook(share=1e9, interval=interval), [], []
    hub.update_info("history", history)

    def run() -> None:
        """Validate as mmengine's `ValLoop` does."""
        average.before_val_epoch(runner)
        model.eval()
        metrics = {"aAcc": 1.0, "mIoU": float(model.state_dict()["0.bias"][0])}
        for called in (average, hook):
            called.after_val_epoch(runner, metrics)

    runner.val_loop = SimpleNamespace(run=run)
    hook.before_train(runner)
    for epoch in range(4):
        runner.epoch, runner.iter = epoch, epoch + 1
        hub.update_info("miou_val", None, resumed=False)
        history.append({"epoch": epoch + 1})
        hook.after_train_epoch(runner)
        assert model.training
        seen += [epoch + 1] if hub.get_info("miou_val") == 7.0 else []
    assert seen == measured
    assert [r["epoch"] for r in history if "miou_val" in r] == (measured if interval else [])
    assert not bool((model[0].bias == 7.0).any())


# --- the loss --------------------------------------------------------------------------------------------------------


def prediction(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(2, 3, 5, 7, generator=generator)
    labels = torch.randint(0, 3, (2, 5, 7), generator=generator)
    labels[0, :2] = 255
    return logits, labels


def test_the_default_loss_is_torchs_weighted_cross_entropy():
    logits, labels = prediction()
    weights = [1.0, 3.0, 0.5]
    ours = HardPixelCrossEntropy(class_weight=weights)(logits, labels)
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, torch.tensor(weights), ignore_index=255))


def test_smoothing_is_cross_entropy_with_a_mixture():
    logits, labels = prediction()
    kept = labels != 255
    target = 0.9 * F.one_hot(labels[kept], 3) + 0.1 / 3
    expected = -(target * logits.permute(0, 2, 3, 1)[kept].log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(HardPixelCrossEntropy(label_smoothing=0.1)(logits, labels), expected)


@pytest.mark.parametrize(("keep", "threshold"), [(0.3, 0.0001), (0.01, 0.7), (0.1, 0.5)])
def test_the_loss_takes_the_hard_pixels(keep, threshold):
    """The naive way: sort the pixels by the probability of their class."""
    logits, labels = prediction()
    weights = torch.tensor([1.0, 3.0, 0.5])
    options = {"keep": keep, "threshold": threshold, "class_weight": weights.tolist()}
    ours = HardPixelCrossEntropy(**options)(logits, labels)
    pixels = []
    for place in (labels != 255).nonzero().tolist():
        label = int(labels[tuple(place)])
        p = float(logits[place[0], :, place[1], place[2]].softmax(0)[label])
        pixels.append((p, label))
    pixels.sort()
    count = max(round(keep * labels.numel()), sum(p < threshold for p, _ in pixels))
    total = sum(-float(weights[label]) * torch.tensor(p).log() for p, label in pixels[:count])
    torch.testing.assert_close(ours, total / sum(float(weights[label]) for _, label in pixels[:count]))


def test_easy_and_unlabeled_pixels_have_no_gradient():
    logits, labels = prediction()
    logits.requires_grad_()
    HardPixelCrossEntropy(keep=0.2, threshold=0.01)(logits, labels).backward()
    touched = logits.grad.abs().sum(dim=1) > 0
    assert int(touched.sum()) == round(0.2 * labels.numel())
    assert not bool(touched[labels == 255].any())


def test_a_batch_without_labels_has_no_loss_and_no_gradient():
    logits, labels = prediction()
    logits.requires_grad_()
    loss = HardPixelCrossEntropy(keep=0.2)(logits, torch.full_like(labels, 255))
    loss.backward()
    assert loss == 0
    assert not bool(logits.grad.any())


@pytest.mark.parametrize("seed", range(20))
def test_pixel_accuracy_equals_mmsegs_to_the_bit(seed):
    logits, labels = prediction(seed)
    if seed == 0:
        labels[:] = 255
    assert torch.equal(pixel_accuracy(logits, labels, 255), accuracy(logits, labels, ignore_index=255).squeeze())


def test_a_label_without_a_logit_is_wrong():
    logits, labels = prediction()
    expected = accuracy(logits[:, :1], labels, ignore_index=255).squeeze()
    assert torch.equal(pixel_accuracy(logits[:, :1], labels, 255), expected)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_pixels_whose_logits_are_all_equal_are_correct_and_undefined_ones_are_not(value):
    logits, labels = prediction()
    logits[:] = value
    assert pixel_accuracy(logits, labels, 255) == pytest.approx(0 if value else 100, abs=1e-4)


# --- precision, layout, compilation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("enabled", [True, False])
def test_bfloat16_is_used_for_the_arithmetic_alone(enabled):
    model = network()
    wrapper = BFloat16OptimWrapper(torch.optim.Adam(model.parameters()), enabled=enabled, clip_grad={"max_norm": 0.1})
    with wrapper.optim_context(model):
        features = model[0](torch.randn(2, 3, 8, 8))
        loss = F.cross_entropy(model[1](features).flatten(2), torch.zeros(2, 36, dtype=torch.long))
    assert features.dtype == (torch.bfloat16 if enabled else torch.float32)
    assert loss.dtype == torch.float32
    clipped = []
    wrapper.optimizer.register_step_pre_hook(lambda *_: clipped.append([p.grad.clone() for p in model.parameters()]))
    wrapper.update_params(loss)
    assert torch.stack([gradient.norm() for gradient in clipped[0]]).norm() <= 0.1001
    tensors = [*model.parameters(), *(v for s in wrapper.state_dict()["state"].values() for v in s.values())]
    assert {value.dtype for value in tensors} == {torch.float32}


def test_channels_last_changes_the_layout_alone():
    model = network()
    images, before = torch.randn(1, 3, 6, 6), model.state_dict()["0.weight"].clone()
    expected = model.eval()(images)
    ChannelsLastHook().before_train(runner_for(model))
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(model[0].weight, before)
    torch.testing.assert_close(model(images), expected)


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = network()


def test_parts_are_compiled_for_training_only(monkeypatch):
    compiled = []

    def remember(function, **options):
        compiled.append(options)
        return lambda *arguments: function(*arguments) + 1

    monkeypatch.setattr(torch, "compile", remember)
    model, images = Parts(), torch.randn(1, 3, 6, 6)
    model.eval()
    plain = model.backbone(images)
    hook = CompileHook(["backbone"], devices=["cpu"], mode="reduce-overhead")
    names = set(model.state_dict())
    hook.before_train(runner_for(model))
    assert torch.equal(model.backbone(images), plain), "evaluation is not compiled"
    model.train()
    assert bool((model.backbone(images).mean() - 1).abs() < 0.01), (
        "training is compiled: the normalized mean of 0 becomes 1"
    )
    assert compiled == [{"dynamic": False, "mode": "reduce-overhead"}]
    hook.after_train(runner_for(model))
    assert bool(model.backbone(images).mean().abs() < 0.01)
    assert set(model.state_dict()) == names


@pytest.mark.parametrize(("variable", "set_to"), [("CXX", None), ("CXX", "no-such-compiler")])
def test_without_a_compiler_a_training_does_not_start(monkeypatch, variable, set_to):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(variable, raising=False) if set_to is None else monkeypatch.setenv(variable, set_to)
    expected = r"CompileHook, which may be left out, needs a C\+\+ compiler \(.+\); install one or set CXX"
    with pytest.raises(UserError, match=expected):
        CompileHook(["backbone"], devices=["cpu"]).before_train(runner_for(Parts()))


def test_on_other_devices_nothing_is_compiled():
    model = Parts()
    CompileHook(["backbone"], devices=["cuda"]).before_train(runner_for(model))
    assert "forward" not in vars(model.backbone)


def test_dynamo_captures_the_network_in_whole_and_gradients_agree():
    """Capture the derived network without a graph break, and without generating code."""
    torch.manual_seed(0)
    genotype = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(1)), "tiny").to_dict()
    model = nn.Module()
    model.backbone = SSRNet(genotype)
    model.decode_head = AggregationHead(
        list(model.backbone.widths), num_classes=3, align_corners=False, loss_decode={"type": "CrossEntropyLoss"}
    )
    images = torch.randn(2, 3, 48, 64)

    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(1)
        model.zero_grad()
        model.decode_head.forward(model.backbone(images)).square().mean().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    plain = gradients()
    hook = CompileHook(devices=["cpu"], backend="aot_eager", fullgraph=True)
    hook.before_train(runner_for(model))
    for compiled, expected in zip(gradients(), plain, strict=True):
        torch.testing.assert_close(compiled, expected)
