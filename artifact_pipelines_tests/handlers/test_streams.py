"""Binary streams: stored without being held, closed, and read back with proof."""

import gzip
import io
import pathlib
import tempfile
import typing
from collections.abc import Iterator
from typing import Any, BinaryIO

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import FileInfo
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.storage.exceptions import DamagedBytesError
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.test_type_handlers import round_trip, stored
from artifact_pipelines_tests.storage.back_door import BackDoor

READABLE = [
    BinaryIO,
    typing.IO[bytes],
    typing.IO,
    io.BufferedIOBase,
    io.BufferedReader,
    io.IOBase,
    io.RawIOBase,
    io.BytesIO,
]


@pytest.mark.parametrize("annotation", READABLE)
def test_every_file_is_read_as_a_stream(store: Store, annotation: Any) -> None:
    for value in ("text", b"text", io.BytesIO(b"text")):
        with round_trip(store, value, annotation) as stream:
            assert stream.read(2) + stream.read() == b"text"
            assert stream.seek(1) == 1
            assert stream.read() == b"ext"


def test_a_stream_that_is_read_to_its_end_is_verified(store: Store, back_door: BackDoor) -> None:
    artifact = stored(store, b"data" * 1000)
    back_door.put(artifact.info.storage_path, b"dat" + b"A" + b"data" * 999)
    with TypeHandlers().read(artifact, BinaryIO) as stream, pytest.raises(DamagedBytesError):
        stream.read()


class _Raw(io.RawIOBase):
    def __init__(self) -> None:
        self._inner = io.BytesIO(b"data")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._inner.readinto(buffer)


@pytest.mark.parametrize("annotation", [typing.TextIO, typing.IO[str], _Raw])
def test_other_streams_are_not_read(store: Store, annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match="typing.BinaryIO"):
        round_trip(store, "text", annotation)


@pytest.mark.parametrize("value", [lambda: io.StringIO("text"), lambda: open(__file__)])  # noqa: PTH123, SIM115
def test_text_streams_are_not_stored(value: Any) -> None:
    with value() as stream, pytest.raises(InvalidArgumentError, match="mode 'rb'"):
        TypeHandlers().for_value(stream).describe(stream)


def test_a_stream_that_is_closed_already_is_not_stored() -> None:
    stream = io.BytesIO(b"data")
    stream.close()
    with pytest.raises(InvalidArgumentError, match="return it without closing it"):
        TypeHandlers().for_value(stream).describe(stream)


class _ReadOnly:
    """Has `read` and nothing else."""

    def __init__(self) -> None:
        self._pieces = iter([b"da", b"ta"])

    def read(self, size: int = -1) -> bytes:
        return next(self._pieces, b"")


def _half_read() -> BinaryIO:
    stream = io.BytesIO(b"xxdata")
    stream.read(2)
    return stream


def _temporary(make: Any) -> Any:
    stream = make()
    stream.write(b"data")
    stream.seek(0)
    return stream


STREAMS = [
    lambda: io.BytesIO(b"data"),
    _half_read,
    _ReadOnly,
    _Raw,
    lambda: _temporary(tempfile.NamedTemporaryFile),
    lambda: _temporary(tempfile.SpooledTemporaryFile),
    lambda: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"data"))),
]


@pytest.fixture
def io_manager(store: Store) -> ArtifactIOManager:
    return ArtifactIOManager(store.catalog, store._producer)


@pytest.mark.parametrize("make", STREAMS)
def test_a_stream_is_stored_from_where_it_stands_and_closed(io_manager: ArtifactIOManager, make: Any) -> None:
    given, seen = [], []

    @dg.asset
    def made() -> Any:
        given.append(make())
        return given[-1]

    @dg.asset
    def used(made: BinaryIO) -> None:
        with made:
            seen.append(made.read())

    for _ in range(2):  # the second time it is a duplicate
        assert dg.materialize([made, used], resources={"io_manager": io_manager}).success
    assert all(getattr(stream, "closed", True) for stream in given)
    assert seen == [b"data", b"data"]


def test_an_open_file_is_told_by_its_name(store: Store, io_manager: ArtifactIOManager, tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(b"packed")

    @dg.asset
    def made() -> Any:
        return (tmp_path / "x.csv.gz").open("rb")

    assert dg.materialize([made], resources={"io_manager": io_manager}).success
    info: FileInfo = store.history("made")[0].file
    assert (info.file_type, info.compression_type, info.size_bytes) == ("csv", "gzip", 6)


def test_a_stream_that_breaks_is_tried_again_and_leaves_nothing(store: Store, io_manager: ArtifactIOManager) -> None:
    class Broken(io.RawIOBase):
        def readinto(self, buffer: Any) -> int:
            raise ConnectionResetError("the line went dead")

        def readable(self) -> bool:
            return True

    streams: Iterator[BinaryIO] = iter([Broken(), io.BytesIO(b"data")])  # type: ignore[list-item]

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def made() -> Any:
        return next(streams)

    result = dg.materialize([made], resources={"io_manager": io_manager})
    assert result.success
    assert [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY]
    assert [file.size_bytes for file in store.catalog.files.list_files(10)] == [4]
