"""Memoization of configuration look-ups, active only while Snakemake builds the DAG or a configuration is checked.

The DAG needs the same settings, digests and identities for each of its jobs, and so does a check for each scenario.
Elsewhere nothing is cached, because a file may change between two look-ups.
"""

import functools
import itertools
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable)

_results: dict[Hashable, tuple[Any, tuple]] | None = None


def enable_cache() -> None:
    """Enable caching of `cached` functions; called once by the Snakefile.

    Configurations are distinguished by identity: neither they nor the returned values may be changed from now on.
    """
    global _results
    _results = {} if _results is None else _results


def disable_cache() -> None:
    """Drop all cached results and compute every call again."""
    global _results
    _results = None


@contextmanager
def caching() -> Iterator[None]:
    """Enable caching within a `with` block, in which neither configurations nor files may change."""
    global _results
    before = _results
    enable_cache()
    try:
        yield
    finally:
        _results = before


def cached(function: Function) -> Function:
    """Decorate a function of configurations and hashable values, whose results may be cached while the DAG is built."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        if _results is None:
            return function(*arguments, **named)
        values = (*arguments, *itertools.chain(*sorted(named.items())))
        key = (function, *(id(value) if isinstance(value, dict) else value for value in values))
        if key not in _results:
            # Keep a reference to the arguments, so that their id() is not reused by another dict.
            _results[key] = (function(*arguments, **named), values)
        return _results[key][0]

    return call  # type: ignore[return-value]
