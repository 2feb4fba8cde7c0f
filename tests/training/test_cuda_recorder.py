"""The order in which the recorder of CUDA graphs calls torch, on a pretended `torch.cuda`."""

from contextlib import contextmanager

import pytest
import torch

from ssr_mmseg.training.recorded_step import CudaRecorder


class Cuda:
    """What the recorder uses of `torch.cuda`; `calls` is the protocol."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.current = Stream(self, "main")
        self.default_generators = [Generator(self)]

    def current_device(self) -> int:
        return 0

    def current_stream(self, device) -> "Stream":
        return self.current

    def set_stream(self, stream) -> None:
        self.current = stream

    def Stream(self, device) -> "Stream":  # noqa: N802
        return Stream(self, "side")

    def CUDAGraph(self) -> "Graph":  # noqa: N802
        return Graph(self)

    @contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before

    @contextmanager
    def graph(self, graph, pool, stream):
        self.calls.append(f"begin in {pool}")
        self.current = stream
        try:
            yield
        except Exception:  # as torch does: its own error hides the first one, and the stream stays current
            raise RuntimeError("capture invalidated")  # noqa: B904
        self.current = self.default


class Stream:
    def __init__(self, cuda: Cuda, name: str) -> None:
        self.cuda, self.name = cuda, name

    def wait_stream(self, other: "Stream") -> None:
        self.cuda.calls.append(f"{self.name} waits for {other.name}")


class Generator:
    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda

    def clone_state(self) -> str:
        return "state"

    def graphsafe_set_state(self, state: str) -> None:
        self.cuda.calls.append(f"generator gets {state}")


class Graph:
    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda

    def pool(self) -> str:
        return "the pool"

    def replay(self) -> None:
        self.cuda.calls.append("replay")


@pytest.fixture
def cuda(monkeypatch) -> Cuda:
    pretended = Cuda()
    pretended.default = pretended.current
    monkeypatch.setattr(torch, "cuda", pretended)
    return pretended


def test_recordings_share_memory_until_all_are_forgotten(cuda):
    recorder = CudaRecorder(torch.device("cuda"))
    result, replay = recorder.record(lambda: cuda.current.name)
    assert result == "side", "recorded on the stream of the warm-up"
    replay()
    recorder.record(lambda: None)
    recorder.forget()
    recorder.record(lambda: None)
    assert cuda.calls == ["begin in None", "replay", "begin in the pool", "begin in None"]


def test_the_warm_up_runs_between_the_work_before_and_after_it(cuda):
    recorder = CudaRecorder(torch.device("cuda"))
    assert recorder.warm_up(lambda: cuda.calls.append("run") or cuda.current.name) == "side"
    assert cuda.calls == ["side waits for main", "run", "main waits for side"]
    assert cuda.current.name == "main"


def test_a_failed_recording_leaves_stream_and_generator_as_before(cuda):
    recorder = CudaRecorder(torch.device("cuda"))

    def fail() -> None:
        raise ValueError("no kernel")

    with pytest.raises(RuntimeError, match="invalidated") as caught:
        recorder.record(fail)
    assert str(caught.value.__context__) == "no kernel"
    assert cuda.current.name == "main"
    assert cuda.calls == ["begin in None", "generator gets state"]
    assert recorder.pool is None
    assert len(recorder.failed) == 1
