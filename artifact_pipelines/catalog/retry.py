"""Runs a transaction again when what stopped it may pass. The one place where the catalog is asked twice.

One idea: a method that is one transaction can be run again as a whole, because `writing` has found out whether the
first one was committed. What is run again was rolled back, so nothing is counted twice.
"""

import functools
import random
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from artifact_pipelines.core.exceptions import CatalogUnavailableError

RETRY_S = 4.0
"""How long a transaction is run again for: a restart of the server or a fail-over fits in, a caller can wait for it."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def retried(transaction: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Let a function that is one transaction be run again, for `RETRY_S` in all, when its error may pass.

    It may pass when the connection was lost or refused, a lock was busy, or the database chose this transaction to
    give way to another. The last error is raised as it is.
    """

    @functools.wraps(transaction)
    def run(*arguments: Parameters.args, **keywords: Parameters.kwargs) -> Result:
        deadline = time.monotonic() + RETRY_S
        for pause_s in _pauses():
            try:
                return transaction(*arguments, **keywords)
            except CatalogUnavailableError as error:
                if not error.may_pass or time.monotonic() + pause_s > deadline:
                    raise
            time.sleep(pause_s)
        raise AssertionError("unreachable")

    return run


def _pauses() -> Iterator[float]:
    """Yield pauses that double up to half a second, each shortened at random so that many who wait do not march."""
    pause_s = 0.02
    while True:
        yield pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        pause_s = min(2 * pause_s, 0.5)
