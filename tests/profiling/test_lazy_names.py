"""Names of packages that are imported when they are first used."""

import subprocess
import sys
from pathlib import Path

import pytest

from ssr_mmseg import profiling, settings
from ssr_mmseg.settings.paths import PROJECT

LATER = {profiling: profiling.__all__, settings: settings._LATER}


@pytest.mark.parametrize("package", LATER, ids=lambda package: package.__name__)
def test_each_name_is_there_and_no_module_takes_its_place(package):
    modules = {path.stem for path in Path(package.__path__[0]).iterdir()}
    for name in LATER[package]:
        assert name not in modules, "an import of the module would set the package's attribute"
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        package.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("package", "absent"), [("profiling", "torch"), ("profiling.timing", "torch"), ("settings", "pydantic")]
)
def test_importing_the_package_is_quick(package, absent):
    code = f"import sys, ssr_mmseg.{package}; sys.exit({absent!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
