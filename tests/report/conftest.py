import pytest
from report_files import experiment, write_results


@pytest.fixture(scope="session")
def config():
    return experiment()


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def results(config, empty):
    """A working directory with all results of `config`."""
    write_results(config)
    return empty
