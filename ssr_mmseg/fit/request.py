"""What the command `fit` is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FitRequest:
    """The options of `fit`.

    Attributes:
        source: Folder of labeled images.
        entry: The dataset's entry that says how they are read, with its name.
        name: Name of the experiment and of the dataset in it.
        ms: Milliseconds per image that the network may take on the device.
        hours: Time for the whole run.
        device: `auto`, `cpu` or `cuda`.
        backend: What runs the network: a key of `BACKENDS`.
        precision: One of the backend's.
        size: Height and width of the input; None to choose it.
        cores: CPU cores for the run.
        rivals: Exported networks of other tools to compare with.
        license: License of the data, for the card.
        command: The command line, for the configuration's first line.
    """

    source: Path
    entry: Mapping[str, Any]
    name: str
    ms: float
    hours: float
    device: str
    backend: str
    precision: str
    size: tuple[int, int] | None
    cores: int
    rivals: tuple[Path, ...]
    license: str | None
    command: str
