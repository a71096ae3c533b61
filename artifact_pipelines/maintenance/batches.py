"""The files of a store, some at a time: there may be more than memory holds."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from artifact_pipelines.core.types import StoragePath


def batches(paths: Iterable[StoragePath], size: int) -> Iterator[Sequence[StoragePath]]:
    """Yield up to `size` paths at a time, to the last."""
    paths = iter(paths)
    while batch := list(itertools.islice(paths, size)):
        yield batch
