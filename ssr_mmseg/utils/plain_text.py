"""The text that names of classes and files may have, since results, tables and messages quote them."""

import unicodedata
from collections.abc import Sequence

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.safe_parsing import quote

MAX_NAME = 1000  # characters, as in the schemas of results
UNWRITABLE = {"Cc": "a control character", "Cs": "a character that is not UTF-8"}  # by Unicode's category


def text_problem(text: str) -> str | None:
    """Return what prevents a text from being quoted in results and messages, such as a control character; else None."""
    if text.isprintable():  # fast: a dataset has a million paths
        return None
    return next((UNWRITABLE[kind] for kind in map(unicodedata.category, text) if kind in UNWRITABLE), None)


def class_name_problem(name: object) -> str | None:
    """Return what is wrong with the name of a class, or None."""
    if not isinstance(name, str):
        return f"is of type {type(name).__name__}, expected text"
    if not name.strip():
        return "is empty"
    if len(name) > MAX_NAME:
        return f"has {len(name)} characters, expected at most {MAX_NAME}"
    problem = text_problem(name)
    return f"has {problem}" if problem else None


def check_class_names(names: Sequence[object], origin: str) -> None:
    """Refuse names of classes that results cannot have, or that occur twice.

    Args:
        origin: Where they come from, for the message.

    Raises:
        UserError: The first such name, and what is wrong with it.
    """
    seen = set()
    for number, name in enumerate(names):
        problem = "is the name of another class, too" if name in seen else class_name_problem(name)
        if problem:
            raise UserError(f"{origin}: the name {quote(name)} of class {number} {problem}; rename the class")
        seen.add(name)


def check_path(path: object, origin: str) -> None:
    """Refuse a path that results and messages cannot quote.

    Raises:
        UserError: It has a control character, such as a line break, or is not UTF-8.
    """
    if problem := text_problem(str(path)):
        raise UserError(f"{origin}: the path {quote(str(path))} has {problem}; rename the file or folder")
