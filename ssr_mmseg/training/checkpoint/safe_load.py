"""Errors of a readable state that is not the one that is needed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssr_mmseg.utils.errors import UserError, one_line


@contextmanager
def state_needed(path: Path | str) -> Iterator[None]:
    """Convert the errors that a valid state of another network or version causes into a `UserError`.

    Args:
        path: The file, or a name for the message.
    """
    try:
        yield
    except UserError:
        raise
    except (LookupError, ArithmeticError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        problem = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"{path} is not the state that this stage needs ({one_line(problem, 200)}); "
            "delete it and run the stage that makes it"
        ) from error
