"""Names of plug-ins, read from the source of their files: a configuration is checked without importing torch."""

import ast
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

from ssr_mmseg.settings import paths
from ssr_mmseg.utils.errors import UserError

FOLDERS = {  # by kind
    "regularizer": "search/regularizers",
    "selector": "search/selectors",
    "cost": "costs",
    "backend": "profiling/backends",
}


@cache
def plugin_names(kind: str) -> tuple[str, ...]:
    """Return the names under which the files of a kind of plug-in register their classes."""
    files = sorted((paths.PACKAGE / FOLDERS[kind]).glob("*.py"))
    return tuple(sorted({name for file in files for name in _registered_names(file.read_text(encoding="utf-8"))}))


@cache
def class_literal(kind: str, name: str, attribute: str) -> Any:
    """Return the literal value of a class attribute of the plug-in of that name; None if the class does not set it."""
    for part in _body(kind, name):
        if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == attribute:
            return ast.literal_eval(part.value)
    return None


@cache
def class_arguments(kind: str, name: str) -> tuple[str, ...]:
    """Return the names of the constructor's arguments of the plug-in of that name."""
    for part in _body(kind, name):
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            arguments = (*part.args.posonlyargs, *part.args.args, *part.args.kwonlyargs)
            return tuple(argument.arg for argument in arguments[1:])
    return ()


def _body(kind: str, name: str) -> list[ast.stmt]:
    """Return the statements in the class of a plug-in; none if there is no plug-in of that name in the package."""
    for file in sorted((paths.PACKAGE / FOLDERS[kind]).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and name in _names_of(node):
                return node.body
    return []


def check_plugin_name(kind: str, name: str, origin: str) -> None:
    """Refuse a name that is not known and resembles one that is.

    Any other name may be that of a plug-in outside of the package, which an mmengine config imports (`custom_imports`);
    it is checked when it is used.

    Args:
        kind: A key of `FOLDERS`.
        origin: Where the name comes from, for the message.

    Raises:
        UserError: The name is misspelled.
    """
    names = plugin_names(kind)
    close = get_close_matches(name.lower(), [known.lower() for known in names], n=1, cutoff=0.7)
    if name not in names and close:
        meant = close[0] if close[0] in names else next(known for known in names if known.lower() == close[0])
        raise UserError(f"{origin}: unknown {kind} {name}; did you mean {meant}? known are: {', '.join(names)}")


def _registered_names(source: str) -> Iterator[str]:
    """Yield the names that the classes of a file are registered under."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            yield from _names_of(node)


def _names_of(node: ast.ClassDef) -> Iterator[str]:
    """Yield the names in `@REGISTRY.register_module(name=...)`: a text, a list of texts, or by default the class's."""
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".register_module"):
            values = [ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == "name"]
            names = values[0] if values else node.name
            yield from [names] if isinstance(names, str) else names
