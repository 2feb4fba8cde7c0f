"""JSON Schema as this project means it: an integer is written as one, and a violation is told in one line."""

import itertools
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

SCHEMAS = Path(__file__).parent.parent / "schemas"
MOST_ERRORS = 50  # to choose the best one from: a foreign document could have a million

# The standard counts 3.0 as an integer; Python's `range` and torch do not.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


@cache
def _validator(name: str) -> Any:
    return _Validator(read_json(SCHEMAS / f"{name}.schema.json"))


def violation(value: Any, name: str) -> ValidationError | None:
    """The violation of `schemas/<name>.schema.json` by plain data that tells most, or None."""
    errors = itertools.islice(_validator(name).iter_errors(value), MOST_ERRORS)
    return jsonschema.exceptions.best_match(errors)


def told(error: ValidationError) -> str:
    """A violation as `place: what is wrong`."""
    where = ".".join(str(part) for part in error.absolute_path) or "top level"
    message = error.message if len(error.message) < 200 else f"{error.message[:200]} …"
    return f"{where}: {message}"


def has_schema(name: str) -> bool:
    """Whether there is a schema of that name."""
    return (SCHEMAS / f"{name}.schema.json").is_file()


def check(value: Any, name: str, origin: str, remedy: str) -> None:
    """Hold `value` against `schemas/<name>.schema.json`.

    Args:
        origin: What the value is, or the file it comes from.
        remedy: What to do about a violation.

    Raises:
        UserError: it does not fit.
    """
    error = violation(value, name)
    if error is not None:
        raise UserError(f"{origin} is not as expected: {told(error)}; {remedy}")
