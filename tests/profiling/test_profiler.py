import copy
import json
import re
import types

import pytest
import torch
from torch import nn

from ssr_mmseg.profiling import BACKENDS, Backend, backends, environment, profile_model
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.registry import import_modules

BRIEF = {"min_runs": 5, "min_seconds": 0, "warmup_seconds": 0}  # one warm-up run, five timed ones
CPU = {"device": "cpu", **BRIEF}


@pytest.fixture
def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1))


@pytest.fixture
def scratch_backends():
    """Remove the backends that a test registers."""
    before = dict(BACKENDS.module_dict)
    yield
    BACKENDS.module_dict.clear()
    BACKENDS.module_dict.update(before)


class Probe(nn.Module):
    """Calls `look` with each batch and returns logits of two classes."""

    def __init__(self, look) -> None:
        super().__init__()
        object.__setattr__(self, "look", look)  # shared with copies

    def __deepcopy__(self, memo):
        return Probe(self.look)

    def forward(self, images):
        self.look(images)
        return images[:, :2]


def test_one_record_per_size_with_every_field(network):
    records = profile_model(network, [(16, 24), (8, 8)], batch=2, **CPU)
    assert [record["size"] for record in records] == [[16, 24], [8, 8]]
    for record, pixels in zip(records, (16 * 24, 64), strict=True):
        assert json.loads(json.dumps(record, allow_nan=False)) == record
        assert record["macs"] == pixels * (3 * 4 * 9 + 4 * 2)
        assert record["params"] == (108 + 4) + 8 + (8 + 2)
        assert (record["batch"], record["runs"], record["warmup_runs"], record["settled"]) == (2, 5, 1, False)
        assert (record["backend"], record["precision"]) == ("eager", "fp32")
        assert record["peak_memory_mb"] is None or record["peak_memory_mb"] >= 0
        assert record["latency_with_copies_ms_p50"] is None  # nothing is copied on a CPU
        assert (record["logits_error"], record["label_agreement"]) == (0.0, 1.0)
        assert 0 < record["latency_ms_p50"] <= record["latency_ms_p95"] <= record["latency_ms_p99"]
        assert record["fps"] == pytest.approx(2000 / record["latency_ms_p50"])
        here = environment(torch.device("cpu"))
        del here["cpu_clock_mhz"]  # changes all the time
        assert here.items() <= record.items()


def test_the_model_is_unchanged(network):
    network.train()
    network[1].eval()
    before = copy.deepcopy(network.state_dict())
    profile_model(network, [(8, 8)], **CPU)
    assert [module.training for module in network] == [True, False, True]
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_images_depend_only_on_the_seed():
    def images_of(seed: int, *sizes: tuple[int, int]) -> torch.Tensor:
        seen = []
        profile_model(Probe(lambda images: seen.append(images.clone())), list(sizes), seed=seed, **CPU)
        return seen[-1]

    assert torch.equal(images_of(1, (8, 8)), images_of(1, (16, 8), (8, 8)))
    assert not torch.equal(images_of(1, (8, 8)), images_of(2, (8, 8)))


def test_float32_is_not_rounded_to_tf32_and_settings_are_restored():
    def settings() -> tuple:
        cudnn = torch.backends.cudnn
        return cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, torch.get_float32_matmul_precision()

    torch.set_float32_matmul_precision("high")
    try:
        before, seen = settings(), []
        profile_model(Probe(lambda images: seen.append(settings())), [(8, 8)], **CPU)
        assert set(seen[1:]) == {(False, True, False, "highest")}  # seen[0] is the run that counts macs
        assert settings() == before
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("size", [(8, 12), (7, 8), (0, 8), (-8, 8), (8.0, 8), (8,), (8, 8, 8), (True, 8)])
def test_bad_sizes_are_refused_before_any_run(size):
    runs = []
    with pytest.raises(UserError, match="positive multiples of 8") as caught:
        profile_model(Probe(runs.append), [(8, 8), size], **CPU)
    assert "\n" not in str(caught.value)
    assert runs == []


def test_an_empty_list_of_sizes_and_an_empty_batch_are_refused(network):
    with pytest.raises(UserError, match="at least one input size"):
        profile_model(network, [], **CPU)
    with pytest.raises(UserError, match="batch of at least 1"):
        profile_model(network, [(8, 8)], batch=0, **CPU)


def test_an_unknown_backend_is_refused_with_the_nearest_name_and_all_names(network):
    message = "unknown profiling backend 'tensort'; did you mean tensorrt? choose one of: channels_last, compile"
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        profile_model(network, [(8, 8)], backend="tensort", **CPU)
    assert "\n" not in str(caught.value)


def test_a_missing_gpu_is_refused(network, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no usable GPU"):
        profile_model(network, [(8, 8)], device="cuda")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_refused(network, value):
    with torch.no_grad():
        network[2].bias[1] = value
    with pytest.raises(UserError, match="not finite at 8×16"):
        profile_model(network, [(8, 16)], **CPU)


class Returns(nn.Module):
    def __init__(self, value) -> None:
        super().__init__()
        self.value = value

    def forward(self, images):
        return self.value


def test_a_graph_that_computes_something_else_is_refused(network):
    other = copy.deepcopy(network)
    with torch.no_grad():
        other[0].weight.mul_(1.001)
    (record,) = profile_model(network, [(8, 8)], timed=copy.deepcopy(network), **CPU)
    assert record["logits_error"] == 0
    with pytest.raises(UserError, match="the graph of backend eager at 8×8 differs from the network: relative error"):
        profile_model(network, [(8, 8)], timed=other, **CPU)
    with pytest.raises(UserError, match=r"returns logits of shape \(1, 2, 4, 8\), expected \(1, 2, 8, 8\)"):
        profile_model(network, [(8, 8)], timed=nn.Sequential(*network, nn.AvgPool2d((2, 1))), **CPU)


def test_parameters_and_macs_are_those_of_the_model_not_of_the_timed_network(network):
    slim = nn.Sequential(nn.Conv2d(3, 2, 1))
    wide = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 2, 1))
    with torch.no_grad():
        wide[0].weight.copy_(torch.eye(3)[:, :, None, None])
        wide[0].bias.zero_()
        wide[1].load_state_dict(slim[0].state_dict())
    (record,) = profile_model(slim, [(8, 8)], timed=wide, **CPU)
    assert (record["macs"], record["params"]) == (64 * 6, 8)


def test_given_images_are_run():
    seen = []
    images = torch.rand(1, 3, 8, 16)
    profile_model(Probe(lambda batch: seen.append(batch.clone())), [(8, 16)], images=[images], **CPU)
    assert all(torch.equal(batch, images) for batch in seen[1:])  # the first run counts macs, on zeros


def test_a_precision_that_is_not_offered_is_refused_with_those_that_are(network):
    with pytest.raises(UserError, match="backend eager does not offer precision 'int4'; choose one of: fp32, tf32"):
        profile_model(network, [(8, 8)], precision="int4", **CPU)


@pytest.mark.parametrize(("value", "found"), [((1, 2), "tuple"), (torch.zeros(3, 2), r"shape \(3, 2\)")])
def test_a_result_that_is_not_a_batch_of_logits_is_refused(value, found):
    with pytest.raises(UserError, match=f"logits of 1 images, found .*{found}"):
        profile_model(Returns(value), [(8, 8)], **CPU)


def test_too_little_gpu_memory_is_a_user_error():
    runs = []

    def exhaust(images):
        runs.append(images)
        if len(runs) > 1:  # the first run counts macs
            raise torch.OutOfMemoryError("tried to allocate")

    with pytest.raises(UserError, match="too little free memory for a batch of 3 at 8×16"):
        profile_model(Probe(exhaust), [(8, 16)], batch=3, **CPU)


def test_a_file_in_the_folder_of_backends_is_usable_by_name(network, tmp_path, monkeypatch, scratch_backends):
    (tmp_path / "doubled.py").write_text(
        "from ssr_mmseg.profiling.backends.base import BACKENDS\n"
        "from ssr_mmseg.profiling.backends.eager import Eager\n"
        "@BACKENDS.register_module(name='doubled')\n"
        "class Doubled(Eager):\n"
        "    precisions = ('fp32x2', 'fp32')\n"
    )
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])
    import_modules(backends.__path__, backends.__name__)
    (record,) = profile_model(network, [(8, 8)], backend="doubled", **CPU)
    assert (record["backend"], record["precision"]) == ("doubled", "fp32x2")
    (record,) = profile_model(network, [(8, 8)], backend="doubled", precision="fp32", **CPU)
    assert record["precision"] == "fp32"


def test_a_name_is_registered_once(scratch_backends):
    with pytest.raises(
        KeyError, match=r"eager is already registered in backend at ssr_mmseg\.profiling\.backends\.eager"
    ):
        BACKENDS.register_module(name="eager")(Backend)


def test_gpu_runs_are_synchronized_and_their_memory_excludes_the_callers(network, monkeypatch, scratch_backends):
    """The GPU is simulated: by a backend that queues its runs, and by torch.cuda's memory counters."""
    queued, memory = [], {"held": 100_000_000, "peak": 0}
    properties = types.SimpleNamespace(name="Some GPU", uuid="12-ab")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: queued.clear())
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: memory["held"])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: memory["peak"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: memory.update(peak=memory["held"]))
    pending = []

    @BACKENDS.register_module(name="queueing")
    class Queueing(Backend):
        def __init__(self, model, device, precision=None):
            super().__init__(model, device, precision)
            self.model = copy.deepcopy(model).eval()
            memory["held"] += 4_000_000  # weights

        def prepare(self, images):
            self.logits = self.model(images)
            self.workspace = 900_000_000  # needed by the first run only

        def run(self):
            pending.append(len(queued))
            queued.append("run")
            memory["peak"] = max(memory["peak"], memory["held"] + 30_000_000 + self.workspace)
            self.workspace = 0
            return self.logits

    (record,) = profile_model(network, [(8, 8)], device="cuda", backend="queueing", **BRIEF)
    assert record["peak_memory_mb"] == 34.0
    assert (record["device"], record["device_type"]) == ("Some GPU", "cuda")
    assert pending == [0] * 8  # check, warm-up, 5 timed, memory: none started on a busy GPU
