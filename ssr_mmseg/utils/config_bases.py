"""The text of mmengine configs and the files that they name as `_base_`, read without running them.

Must not import mmengine: the Snakefile imports this module.
"""

import ast
from dataclasses import dataclass
from pathlib import Path

from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.files import read_bytes

MAX_BYTES = 2**18  # of a config with its bases; those of mmseg have less than 50 kB
MAX_FILES = 100  # of a config with its bases, each counted as often as it is named


@dataclass(frozen=True)
class ConfigText:
    """An mmengine config that has not been run.

    Attributes:
        path: The file.
        tree: Its statements.
        bases: What it names as `_base_`, except for configs inside an installed package (`mmseg::…`).
    """

    path: Path
    tree: ast.Module
    bases: tuple["ConfigText", ...]


def read_config_text(path: Path) -> ConfigText:
    """Read a config, its bases, and theirs.

    Raises:
        UserError: A file is missing or not Python, `_base_` is no text or list of texts, a config is a base of itself,
            or they are too many or too long.
    """
    return _collect(path, (), [])


def _collect(path: Path, below: tuple[Path, ...], sizes: list[int]) -> ConfigText:
    """Read a config and its bases.

    Args:
        path: The config.
        below: The configs that it is a base of.
        sizes: Bytes of the files that have been read, to which those of this one are added.
    """
    if path.resolve() in below:
        raise UserError(f"{path} is a base of itself; check its _base_, and those of its bases")
    tree, names = _read(path, sizes)
    bases = [_base(path, name) for name in names if "::" not in name]
    return ConfigText(path, tree, tuple(_collect(base, (*below, path.resolve()), sizes) for base in bases))


def _read(path: Path, sizes: list[int]) -> tuple[ast.Module, list[str]]:
    """Return the statements of a config, and what it names as `_base_`."""
    try:
        content = read_bytes(path, MAX_BYTES)
        sizes.append(len(content))
        if len(sizes) > MAX_FILES or sum(sizes) > MAX_BYTES:
            limits = f"{MAX_FILES} files or {MAX_BYTES} bytes"
            raise UserError(f"{path} and what it is a base of are more than {limits}; use fewer bases")
        tree = ast.parse(content.decode("utf-8"))
        ast.dump(tree)  # deeply nested code cannot be
        names = [name for node in tree.body for name in _base_names(node)]
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} is not a valid mmengine config: {error.strerror}; check its path") from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = one_line(error, 300) or "it is nested too deeply"
        raise UserError(f"{path} is not a valid mmengine config: {reason}; correct it") from error
    for name in names:
        if not isinstance(name, str) or not name or "\0" in name:
            raise UserError(f"{path}: _base_: expected the path of a config or a list of them, found {name!r:.60}")
    return tree, names


def _base_names(node: ast.stmt) -> list:
    """Return what a statement assigns to `_base_`: one value, or those of a list."""
    if not isinstance(node, ast.Assign) or not any(isinstance(t, ast.Name) and t.id == "_base_" for t in node.targets):
        return []
    value = ast.literal_eval(node.value)
    return list(value) if isinstance(value, list | tuple) else [value]


def _base(path: Path, name: str) -> Path:
    base = path.parent / name
    try:
        exists = base.is_file()
    except OSError:  # a name that is too long for the file system
        exists = False
    if not exists:
        raise UserError(f"{path} has the base {one_line(name, 200)}, which does not exist; check its _base_")
    return base
