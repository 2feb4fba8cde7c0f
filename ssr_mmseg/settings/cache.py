"""Answers about a configuration and the project's files, kept while a workflow is planned.

A plan asks for the same settings, digests and identities for each of its jobs. Elsewhere nothing is kept: there a file
may change between two questions.
"""

import functools
import itertools
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable)

_answers: dict[Hashable, tuple[Any, tuple]] | None = None


def remember() -> None:
    """From now on answer a repeated question to a `remembered` function as the first time; called by the workflow.

    Configurations are told apart by identity, and must not change any more; nor may what is answered be changed.
    """
    global _answers
    _answers = {} if _answers is None else _answers


def forget() -> None:
    """Drop all answers, and compute again as before `remember`."""
    global _answers
    _answers = None


def remembered(function: Function) -> Function:
    """Decorate a function of configurations and hashable values whose answers may be kept."""

    @functools.wraps(function)
    def answer(*arguments: Any, **named: Any) -> Any:
        if _answers is None:
            return function(*arguments, **named)
        values = (*arguments, *itertools.chain(*sorted(named.items())))
        question = (function, *(id(value) if isinstance(value, dict) else value for value in values))
        if question not in _answers:
            # With the arguments: a configuration that is kept alive keeps its id to itself.
            _answers[question] = (function(*arguments, **named), values)
        return _answers[question][0]

    return answer  # type: ignore[return-value]
