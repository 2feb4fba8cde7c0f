"""Each listed text is hidden where it would appear, and nothing else is."""

import io
import logging
import warnings

import pytest
from mmengine.logging import MMLogger, print_log

from ssr_mmseg.utils.third_party_noise import (
    LOGGED,
    PRINTED,
    WARNED,
    quiet_standard_output,
    silence_logs,
    silence_warnings,
)


@pytest.mark.parametrize("text", WARNED)
def test_a_listed_warning_is_hidden_and_another_of_the_same_module_is_not(text):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        silence_warnings()
        for message in (f"{text} and more", f"unlike {text}", "another"):
            warnings.warn_explicit(message, UserWarning, "mmseg/models/losses.py", 1, module="mmseg.models.losses")
    assert [str(warning.message) for warning in caught] == [f"unlike {text}", "another"]


def test_printed_lines_are_dropped_or_moved_to_the_standard_error(capsys):
    with quiet_standard_output():
        for text in PRINTED:
            print_log(text, level=logging.DEBUG)
        print("a line that is not listed")
    print("a result")
    captured = capsys.readouterr()
    assert captured.out == "a result\n"
    assert captured.err == "a line that is not listed\n"


@pytest.fixture
def logger(monkeypatch, tmp_path):
    """A new logger of mmengine with a log file; what silences it is undone afterwards."""
    monkeypatch.setattr(MMLogger, "callHandlers", MMLogger.callHandlers)
    quiet = MMLogger.get_instance("quiet", log_file=str(tmp_path / "a.log"))
    quiet.handlers[0].stream = io.StringIO()  # in place of the terminal
    yield quiet
    for handler in MMLogger._instance_dict.pop("quiet").handlers:
        handler.close()


@pytest.mark.parametrize("text", LOGGED)
def test_a_listed_record_reaches_only_the_log_file(logger, tmp_path, text):
    silence_logs()
    silence_logs()
    logger.info(f"\n-----\n{text} and more")
    logger.warning(text)
    logger.info(f"unlike {text}")
    logger.error("100 % another")
    out = logger.handlers[0].stream.getvalue()
    assert f"unlike {text}" in out
    assert "100 % another" in out
    assert len(out.strip().splitlines()) == 2
    assert (tmp_path / "a.log").read_text().count(text) == 3


def test_every_entry_has_a_reason():
    assert all(len(reason) > 30 for table in (PRINTED, WARNED, LOGGED) for reason in table.values())
