"""The edge to Dagster: what a retry cannot mend must not be retried."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import dagster as dg

from artifact_pipelines.core.exceptions import ArtifactError, BackendError
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceStreamError

_MAY_PASS = (BackendError, SourceChangedError, SourceStreamError)  # a step that runs again makes a new stream or file

Value = TypeVar("Value")


@contextmanager
def failures_explained(where: str = "") -> Iterator[None]:
    """Turn errors that stay whatever is retried into `dg.Failure(allow_retries=False)`; those that may pass, pass.

    Args:
        where: What is being done, for whoever reads the failure, where the error itself does not know.
    """
    try:
        yield
    except _MAY_PASS:
        raise
    except ArtifactError as error:
        metadata = {"artifact/error": type(error).__name__}
        told = f"{type(error).__name__}: {where}{error}"
        raise dg.Failure(told, metadata=metadata, allow_retries=False) from error


def explained(values: Iterator[Value]) -> Iterator[Value]:
    """Yield the same values, of which each is made when it is asked for, with errors turned as above."""
    while True:
        with failures_explained():
            try:
                value = next(values)
            except StopIteration:
                return
        yield value
