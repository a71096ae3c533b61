"""Errors of io_manager, and the edge to Dagster: errors that a retry cannot fix must not be retried."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

from artifact_pipelines.core.exceptions import ArtifactError, BackendError, UsageError
from artifact_pipelines.instance.exceptions import RunEndedError
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceStreamError

_RETRIED = (BackendError, SourceChangedError, SourceStreamError)  # a step that runs again makes a new stream or file


@contextmanager
def failures_explained(where: Callable[[], str] = str) -> Iterator[None]:
    """Turn errors that a retry cannot fix into `dg.Failure(allow_retries=False)`; other errors pass through.

    Args:
        where: Returns the beginning of the message, where the error itself does not know its place.
    """
    try:
        yield
    except ArtifactError as error:
        if isinstance(error, _RETRIED) and not isinstance(error, RunEndedError):
            raise
        name = type(error).__name__
        raise dg.Failure(f"{name}: {where()}{error}", metadata={"artifact/error": name}, allow_retries=False) from error


@dataclasses.dataclass(eq=False)
class NoBlockingChecksError(UsageError):
    """An asset is published after its checks, and no check of it is blocking: nothing would ever publish it."""

    asset: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset} is published after its checks (`artifact/publish: after_checks`), but the code location "
            "that runs it declares no check of it with blocking=True, so nothing would ever publish it. "
            "Declare one, or remove `artifact/publish`."
        )


@dataclasses.dataclass(eq=False)
class StoresNothingError(UsageError):
    """An input is of an asset that returns no value, so there is nothing to load."""

    asset: str
    reason: str

    def __str__(self) -> str:
        return (
            f"Nothing of asset {self.asset} is stored: {self.reason}. Depend on it without an input, with "
            f"deps=[{self.asset!r}], or let it return a value."
        )
