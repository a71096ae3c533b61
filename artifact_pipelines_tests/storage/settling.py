"""Storing one file and settling it in a transaction of the test's own, as the IO manager does."""

from collections.abc import Callable
from typing import BinaryIO, TypeVar

from artifact_pipelines.core.types import FileDescription, Lease
from artifact_pipelines.storage.artifact_producer import ArtifactProducer

Result = TypeVar("Result")


def put_and_settle(
    producer: ArtifactProducer, stream: BinaryIO, description: FileDescription, settle: Callable[[Lease], Result]
) -> Result:
    """Store what a stream yields; `settle` gets its lease and makes it lasting."""
    with producer.holding() as holding:
        lease = holding.put(stream, description)
        return holding.settle_with(lambda _: settle(lease))
