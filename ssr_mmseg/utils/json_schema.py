"""Validation against JSON Schema, with strict integers and one-line messages."""

import itertools
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMAS = Path(__file__).parent.parent / "schemas"
MAX_ERRORS = 50  # from which the most relevant is chosen; an untrusted document could have a million


@cache
def _validator(name: str) -> Any:
    import jsonschema  # here, because many commands validate nothing and it takes long to import

    # JSON Schema accepts 3.0 as an integer; Python's `range` and torch do not.
    strict = jsonschema.validators.extend(
        jsonschema.Draft202012Validator,
        type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
            "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
        ),
    )
    return strict(read_json(SCHEMAS / f"{name}.schema.json"))


def violation(value: Any, name: str) -> "ValidationError | None":
    """Return the most relevant violation of `schemas/<name>.schema.json` by plain data, or None."""
    from jsonschema.exceptions import best_match

    return best_match(itertools.islice(_validator(name).iter_errors(value), MAX_ERRORS))


def describe(error: "ValidationError") -> str:
    """Format a violation as `location: problem`, in one line."""
    location = ".".join(str(part) for part in error.absolute_path) or "top level"
    message = error.message if len(error.message) < 200 else f"{error.message[:200]} …"
    return f"{location}: {message}"


def has_schema(name: str) -> bool:
    """Return whether a schema of that name exists."""
    return (SCHEMAS / f"{name}.schema.json").is_file()


def check(value: Any, name: str, origin: str, remedy: str) -> None:
    """Validate `value` against `schemas/<name>.schema.json`.

    Args:
        origin: The name of the value or the file it comes from, for the message.
        remedy: The way to fix a violation, for the message.

    Raises:
        UserError: The value violates the schema.
    """
    error = violation(value, name)
    if error is not None:
        raise UserError(f"{origin} is not as expected: {describe(error)}; {remedy}")
