"""Binary streams: stored in pieces, closed, and verified when they are read back."""

import gzip
import io
import pathlib
import tempfile
import typing
from typing import Any, BinaryIO

import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.exceptions import DamagedBytesError
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.writing import round_trip, written
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
def test_every_file_can_be_read_as_a_stream(folder: pathlib.Path, annotation: Any) -> None:
    for value in ("text", b"text", io.BytesIO(b"text")):
        with round_trip(folder, value, annotation) as stream:
            assert stream.read(2) + stream.read() == b"text"
            assert stream.seek(1) == 1
            assert stream.read() == b"ext"


def test_stream_read_to_its_end_is_verified(catalog: Catalog, producer: ArtifactProducer, back_door: BackDoor) -> None:
    artifact = producer.artifact(catalog.files.get_file(producer.create_artifact(io.BytesIO(b"data" * 1000), "bin")))
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
def test_text_streams_and_foreign_stream_classes_are_not_read(folder: pathlib.Path, annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match="typing.BinaryIO"):
        round_trip(folder, "text", annotation)


@pytest.mark.parametrize("value", [lambda: io.StringIO("text"), lambda: open(__file__)])  # noqa: PTH123, SIM115
def test_text_stream_is_refused(value: Any) -> None:
    with value() as stream, pytest.raises(InvalidArgumentError, match="mode 'rb'"):
        TypeHandlers().find_writer(stream)[0].describe(stream)


def test_closed_stream_is_refused() -> None:
    stream = io.BytesIO(b"data")
    stream.close()
    with pytest.raises(InvalidArgumentError, match="return it without closing it"):
        TypeHandlers().find_writer(stream)[0].describe(stream)


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


@pytest.mark.parametrize("make", STREAMS)
def test_stream_is_stored_from_its_position_and_closed(make: Any) -> None:
    stream = make()
    assert written(stream)[1] == b"data"
    assert getattr(stream, "closed", True)


def test_open_file_has_the_type_of_its_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(b"packed")
    description, data = written((tmp_path / "x.csv.gz").open("rb"))
    assert (description.file_type, description.compression_type, data) == ("csv", "gzip", b"packed")
