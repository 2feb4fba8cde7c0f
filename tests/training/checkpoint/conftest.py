"""The protection that our commands switch on, for one test at a time."""

import pytest
from mmengine.fileio.handlers import file_handlers
from mmengine.runner import CheckpointLoader

from ssr_mmseg.training.checkpoint.mmengine_loader import forbid_unpickling


@pytest.fixture
def protected(monkeypatch):
    """Switch the protection on for the test, and restore torch's and mmengine's behavior afterwards."""
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))
    handlers = dict(file_handlers)
    forbid_unpickling()
    yield
    file_handlers.update(handlers)
