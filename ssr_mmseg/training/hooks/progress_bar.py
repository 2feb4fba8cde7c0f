"""Progress bar of a training on a terminal, below the lines of the log."""

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
    """Return texts for mIoU, gates and loss terms, as far as they are available."""
    texts = []
    if value.get("miou_val") is not None:
        texts.append(f"mIoU {value['miou_val']:.1f} %")
    if value.get("options_alive") is not None:
        texts.append(f"{value['options_alive']} options alive")
    if value.get("cost_ratio") is not None:
        texts.append(f"expected cost {value['cost_ratio']:.2f}")
    texts += [f"{name.removeprefix('loss_').replace('_', ' ')} {number:.3g}" for name, number in value["terms"].items()]
    return texts


def line(value: dict[str, Any]) -> str:
    """Return a training's position and figures as one line of text."""
    position = f"iteration {value['iteration']} of {value['iterations']}"
    if "epoch" in value:  # an iteration-based training has none
        position += f", epoch {value['epoch']} of {value['epochs']}"
    return f"{position}, {duration(value['seconds_left'])} left: {', '.join(terms(value))}"


class Bar:
    """Context manager that draws a training's latest position below all other output on the terminal.

    Args:
        logger: Logger whose terminal output is redirected to scroll above the bar.
        console: Console to draw on; standard error by default.
    """

    def __init__(self, logger: logging.Logger, console: Console | None = None) -> None:
        self.logger = logger
        self.live = Live(
            console=console or Console(stderr=True),
            auto_refresh=False,
            redirect_stdout=sys.stdout.isatty(),  # output that goes to a file is not redirected
        )
        self.streams: list[tuple[logging.StreamHandler, Any]] = []

    def __enter__(self) -> "Bar":
        self.live.start()
        for handler in self.logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream.isatty():
                self.streams.append((handler, handler.stream))
                handler.setStream(sys.stderr)  # rich's stream, which writes above the bar
        return self

    def __exit__(self, *_: object) -> None:
        for handler, stream in self.streams:
            handler.setStream(stream)
        self.streams.clear()
        self.live.stop()

    def show(self, value: dict[str, Any]) -> None:
        """Draw a position: bar, iteration, epoch and time left, with the figures below."""
        first = Table.grid(padding=(0, 1), expand=True)
        first.add_column(ratio=1)
        first.add_column(no_wrap=True)
        share = value["iteration"] / value["iterations"]
        position = f"{share:4.0%}  {value['iteration']}/{value['iterations']}"
        if "epoch" in value:
            position += f"  epoch {value['epoch']}/{value['epochs']}"
        first.add_row(
            ProgressBar(total=value["iterations"], completed=value["iteration"]),
            Text(f"{position}  {duration(value['seconds_left'])} left"),
        )
        self.live.update(Group(first, Text(" · ".join(terms(value)), style="dim")), refresh=True)
