"""The time that a training waits for data is measured separately from the time it computes."""

from types import SimpleNamespace

import pytest

from ssr_mmseg.training import loop as loop_module
from ssr_mmseg.training.loop import ResumableTrainLoop


class Clock:
    """A clock that advances only when a test sets it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop_module, "time", clock)
    return clock


class SlowData:
    """Three batches that take 2 seconds each to load."""

    batch_size = 1

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sampler = SimpleNamespace(start=lambda epoch, offset: None)

    def __iter__(self):
        for batch in range(3):
            self.clock.now += 2
            yield batch

    def __len__(self) -> int:
        return 3


class SlowLoop(ResumableTrainLoop):
    """Iterations of 6 seconds that compute nothing."""

    def __init__(self, clock: Clock) -> None:
        model = SimpleNamespace(train=lambda: None)
        self._runner = SimpleNamespace(call_hook=lambda *_: None, model=model, seed=0)
        self.clock, self.dataloader = clock, SlowData(clock)
        self.seconds = self.waited = 0.0
        self._iter = self._epoch = 0

    def run_iter(self, idx, data_batch):
        self.clock.now += 6
        self._iter += 1


def test_waiting_is_the_time_until_a_batch_arrives(clock):
    loop = SlowLoop(clock)
    assert loop.data_wait_share == 0
    for _ in range(2):
        loop.run_epoch()
    assert (loop.seconds, loop.waited) == (48, 12)
    assert loop.data_wait_share == pytest.approx(0.25)
