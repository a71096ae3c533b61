"""The edge to Dagster: errors that a retry cannot fix must not be retried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import dagster as dg

from artifact_pipelines.core.exceptions import ArtifactError, BackendError
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceStreamError

_RETRIED = (BackendError, SourceChangedError, SourceStreamError)  # a step that runs again makes a new stream or file

Value = TypeVar("Value")


@contextmanager
def failures_explained(where: Callable[[], str] = str) -> Iterator[None]:
    """Turn errors that a retry cannot fix into `dg.Failure(allow_retries=False)`; other errors pass through.

    Args:
        where: Returns the beginning of the message, where the error itself does not know its place.
    """
    try:
        yield
    except _RETRIED:
        raise
    except ArtifactError as error:
        metadata = {"artifact/error": type(error).__name__}
        message = f"{type(error).__name__}: {where()}{error}"
        raise dg.Failure(message, metadata=metadata, allow_retries=False) from error


def explained(values: Iterator[Value]) -> Iterator[Value]:
    """Yield the same values, made one at a time, with errors turned as above."""
    while True:
        with failures_explained():
            try:
                value = next(values)
            except StopIteration:
                return
        yield value
