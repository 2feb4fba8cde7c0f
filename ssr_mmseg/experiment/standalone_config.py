"""Complete mmengine configs as files: mmseg's own tools run them, without the experiment that they come from."""

import inspect
import itertools
from collections.abc import Mapping
from pathlib import Path
from pprint import pformat
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ssr_mmseg.training.data.reading import check_reading
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_text

REGISTER = "ssr_mmseg.experiment.register"
HEADER = """\
# Written by ssr-mmseg: the config of this network's training, and of its test with `weights.pth`.
# Run mmsegmentation's tools in the folder in which the workflow ran, because the paths of the data start there.
"""
# Of a config whose file has none: what mmseg's tools and inferencers need.
DEFAULTS: dict[str, Any] = {
    "visualizer": {"type": "SegLocalVisualizer", "vis_backends": [{"type": "LocalVisBackend"}], "name": "visualizer"},
    "test_cfg": {"type": "TestLoop"},
}


class WorkflowRunner(Runner):
    """mmengine's runner for the workflow, which writes the complete config itself and names files that fail.

    mmengine keeps loggers, message hubs and visualizers by the experiment's name and the second of the start. A number
    behind the name gives each runner of a process its own, however soon one follows another.
    """

    _numbers = itertools.count()

    def __init__(self, *, experiment_name: str, **options: Any) -> None:
        super().__init__(experiment_name=f"{experiment_name}-{next(self._numbers)}", **options)

    def dump_config(self) -> None:
        """Write nothing."""

    @staticmethod
    def build_dataloader(*arguments: Any, **options: Any) -> DataLoader:
        """Build a loader that raises `UserError` with the name of a file that cannot be read."""
        loader = Runner.build_dataloader(*arguments, **options)
        check_reading(loader.dataset)
        return loader


def runner_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a config that are arguments of mmengine's `Runner`."""
    parameters = inspect.signature(Runner).parameters
    return {key: value for key, value in config.items() if key in parameters}


def standalone(config: Config, test_data: dict) -> Config:
    """Return the parts of a training's config that mmseg's tools use, with those of the test.

    Keys that mmseg's tools do not read, such as the variables of its files, are left out: their values may differ from
    those that the workflow laid over them.

    Args:
        config: The config of the training.
        test_data: Config of the dataset of the test, with its pipeline.
    """
    imports = config.get("custom_imports") or {}
    names = imports.get("imports") or []
    names = [names] if isinstance(names, str) else names
    hooks = config.get("default_hooks") or {}
    return Config(
        {
            "default_scope": "mmseg",
            "custom_imports": {**imports, "imports": list(dict.fromkeys([*names, REGISTER]))},
            **DEFAULTS,
            "test_evaluator": config["val_evaluator"],
            **{key: value for key, value in runner_arguments(config).items() if value or key not in DEFAULTS},
            "default_hooks": {"visualization": {"type": "SegVisualizationHook"}, **hooks},
            "test_dataloader": {
                "batch_size": 1,
                "num_workers": 0,
                "sampler": {"type": "DefaultSampler", "shuffle": False},
                "dataset": test_data,
            },
            "test_pipeline": test_data["pipeline"],  # for mmseg's `inference_model`
        }
    )


def write_config(path: Path, config: Config) -> None:
    """Write a config atomically as Python that assigns plain values; `Config.fromfile` reads it back.

    mmengine's own `Config.dump` takes seconds to format a config.

    Raises:
        UserError: A value is not plain, or the file cannot be written.
    """
    entries = [
        f"{key} = {pformat(value, indent=1, width=110, compact=True, sort_dicts=False)}\n"
        for key, value in _plain(config.to_dict(), "config").items()
    ]
    write_text(path, HEADER + "".join(entries))


def _plain(value: Any, place: str) -> Any:
    """Return a value whose text is a Python literal; raise `UserError` if there is none."""
    if isinstance(value, dict):
        return {str(key): _plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_plain(item, f"{place}.{index}") for index, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and abs(value) < float("inf")):
        return value
    raise UserError(
        f"the mmengine config has {value!r} as {place.partition('.')[2]}, expected text, numbers, lists and dicts "
        "only; name classes by their registered names"
    )
