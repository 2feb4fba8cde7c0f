import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from extending_page import FILES

from ssr_mmseg.costs import COSTS
from ssr_mmseg.profiling.backends import BACKENDS
from ssr_mmseg.search.regularizers import REGULARIZERS
from ssr_mmseg.search.selectors import SELECTORS
from ssr_mmseg.training.data.batch_transforms import BATCH_TRANSFORMS
from ssr_mmseg.utils.registry import import_modules

REGISTRIES = (BACKENDS, BATCH_TRANSFORMS, COSTS, REGULARIZERS, SELECTORS)


@pytest.fixture
def add(tmp_path, monkeypatch) -> Iterator[Callable[[str], None]]:
    """A function that adds a file of docs/extending.md to its package, or a config file to the working directory.

    The file is written to a temporary folder, which becomes a part of the package; the project is not changed.
    """
    classes = [dict(registry.module_dict) for registry in REGISTRIES]
    modules = set(sys.modules)

    def add_file(name: str) -> None:
        config = name.startswith("config/")
        file = Path(name) if config else tmp_path / "added" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(FILES[name], encoding="utf-8")
        if not config:
            package = importlib.import_module(".".join(Path(name).parent.parts))
            monkeypatch.setattr(package, "__path__", [*package.__path__, str(file.parent)])
            import_modules([str(file.parent)], package.__name__)

    yield add_file
    for registry, before in zip(REGISTRIES, classes, strict=True):
        registry.module_dict.clear()
        registry.module_dict.update(before)
    for name in [name for name in sys.modules if name.startswith("ssr_mmseg.") and name not in modules]:
        del sys.modules[name]
