"""A training's progress on a terminal: a bar that log lines scroll past."""

import logging
import sys
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ssr_mmseg.jobs.progress import duration


def terms(value: dict[str, Any]) -> list[str]:
    """mIoU, gates and loss terms in words, as far as they are known."""
    told = []
    if value.get("miou_val") is not None:
        told.append(f"mIoU {value['miou_val']:.1f} %")
    if value.get("options_alive") is not None:
        told.append(f"{value['options_alive']} options alive")
    if value.get("cost_ratio") is not None:
        told.append(f"expected cost {value['cost_ratio']:.2f}")
    told += [f"{name.removeprefix('loss_').replace('_', ' ')} {number:.3g}" for name, number in value["terms"].items()]
    return told


def line(value: dict[str, Any]) -> str:
    """A training's position and figures as one line of text."""
    position = f"iteration {value['iteration']} of {value['iterations']}, epoch {value['epoch']} of {value['epochs']}"
    return f"{position}, {duration(value['seconds_left'])} left: {', '.join(terms(value))}"


class Bar:
    """Draws a training's last position below everything else that goes to the terminal. A context manager.

    Args:
        logger: Its lines to the terminal go through the bar, so that neither tears the other.
        console: Where to draw; standard error by default.
    """

    def __init__(self, logger: logging.Logger, console: Console | None = None) -> None:
        self.logger = logger
        self.live = Live(
            console=console or Console(stderr=True),
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),  # what is sent to a file stays there
        )
        self.streams: list[tuple[logging.StreamHandler, Any]] = []

    def __enter__(self) -> "Bar":
        self.live.start()
        for handler in self.logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream.isatty():
                self.streams.append((handler, handler.stream))
                handler.setStream(sys.stderr)  # rich has put its own stream there, which writes above the bar
        return self

    def __exit__(self, *_: object) -> None:
        for handler, stream in self.streams:
            handler.setStream(stream)
        self.streams.clear()
        self.live.stop()

    def show(self, value: dict[str, Any]) -> None:
        """Draw a position: the bar with iteration, epoch and time left, and the figures below it."""
        first = Table.grid(padding=(0, 1), expand=True)
        first.add_column(ratio=1)
        first.add_column(no_wrap=True)
        share = value["iteration"] / value["iterations"]
        told = f"{share:4.0%}  {value['iteration']}/{value['iterations']}  epoch {value['epoch']}/{value['epochs']}"
        first.add_row(
            ProgressBar(total=value["iterations"], completed=value["iteration"]),
            Text(f"{told}  {duration(value['seconds_left'])} left"),
        )
        self.live.update(Group(first, Text(" · ".join(terms(value)), style="dim")), refresh=True)
