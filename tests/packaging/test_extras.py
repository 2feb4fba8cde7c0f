"""Each third-party package has an extra, and a command that lacks one says how to install it."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from ssr_mmseg.settings.paths import PACKAGE, PROJECT
from ssr_mmseg.utils.extras import EXTRAS, install_command, missing_package

PROJECT_TABLE = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
DISTRIBUTIONS = {  # of modules that are named otherwise
    "PIL": "pillow",
    "cv2": "opencv-python",
    "mmcv": "onedl-mmcv",
    "mmengine": "onedl-mmengine",
    "mmseg": "onedl-mmsegmentation",
    "pydantic_core": "pydantic",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}


def names(requirements):
    return {re.split(r"[<>=~! ;\[]", text)[0].lower() for text in requirements}


def imported():
    """Third-party modules that the package imports, at the top of a file or within a function."""
    modules = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(str(node.module).partition(".")[0])
    return modules - set(sys.stdlib_module_names) - {"ssr_mmseg"}


def test_every_imported_package_is_required_or_has_an_extra():
    base = names(PROJECT_TABLE["dependencies"])
    for module in imported():
        distribution = DISTRIBUTIONS.get(module, module)
        assert distribution in base or distribution in names(PROJECT_TABLE["optional-dependencies"][EXTRAS[module]])


def test_every_extra_of_the_table_installs_its_package():
    for module, extra in EXTRAS.items():
        assert DISTRIBUTIONS.get(module, module) in names(PROJECT_TABLE["optional-dependencies"][extra])


def test_modules_that_are_not_optional_have_no_message():
    assert missing_package(ModuleNotFoundError("x", name="ssr_mmseg.tpyo"), "a command") is None
    assert missing_package(ModuleNotFoundError("x"), "a command") is None
    message = missing_package(ModuleNotFoundError("x", name="torch.nn"), "search")
    assert str(message) == "search needs torch, which is not installed; run: pip install 'ssr-mmseg[train]'"
    assert install_command("onnxruntime") == "pip install 'ssr-mmseg[runtime]'"


@pytest.mark.parametrize(
    ("absent", "command", "line"),
    [
        (
            "torch",
            "search --dataset streets",
            "search needs torch, which is not installed; run: pip install 'ssr-mmseg[train]'",
        ),
        ("pandas", "table", "table needs pandas, which is not installed; run: pip install 'ssr-mmseg[train]'"),
        (
            "vl_convert",
            "report",
            "report needs vl_convert, which is not installed; run: pip install 'ssr-mmseg[report]'",
        ),
        (
            "onnxruntime",
            "predict net.onnx photo.png --out o",
            "an exported network needs onnxruntime, which is not installed; run: pip install 'ssr-mmseg[runtime]'",
        ),
    ],
)
def test_a_command_without_its_package_ends_in_one_line(absent, command, line, tmp_path):
    (tmp_path / "photo.png").touch()
    hidden = f"import sys; sys.modules[{absent!r}] = None; from ssr_mmseg.cli import main; sys.exit(main())"
    result = subprocess.run(
        [sys.executable, "-c", hidden, *command.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (2, f"ssr-mmseg: {line}\n")


@pytest.mark.parametrize("module", ["ssr_mmseg", "ssr_mmseg.cli", "ssr_mmseg.deploy.predict", "ssr_mmseg.api.base"])
def test_the_runtime_needs_no_torch(module, tmp_path):
    optional = {name for name, extra in EXTRAS.items() if extra != "runtime"}
    code = f"import sys; sys.modules |= dict.fromkeys({sorted(optional)!r}); import {module}"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
