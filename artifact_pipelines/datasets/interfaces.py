"""The interfaces of file formats and of landing zones. Must not import Dagster."""

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, ClassVar, Protocol

import pyarrow as pa

from artifact_pipelines.datasets.entry_names import SourceGlob
from artifact_pipelines.declarations import Declaration


@dataclasses.dataclass(frozen=True, slots=True)
class RawFile:
    """A stored copy of a dropped file.

    Attributes:
        path: Its name carries no meaning.
        file_type: Extension of the dropped file, such as `csv`.
        compression_type: None or `gzip`.
        label: Names the file in errors.
    """

    path: pathlib.Path
    file_type: str
    compression_type: str | None
    label: str


class IFileFormat(Declaration, abc.ABC):
    """Reads raw files as tables. Each format is a class in `formats/`, listed in the registry.

    Attributes:
        EXTENSIONS: Files with these are read in this format if the dataset declares no type.
    """

    TAG: ClassVar[str] = "type"
    EXTENSIONS: ClassVar[Sequence[str]] = ()

    @abc.abstractmethod
    def open(self, file: RawFile, columns: Mapping[str, str]) -> AbstractContextManager[pa.RecordBatchReader]:
        """Open a file as batches, in the order of its rows; taking a batch reads it.

        Args:
            columns: DuckDB types of declared columns; the file may have more columns.

        Raises:
            UnparsableSourceError: The file is not of this format, or a value does not have the declared type.
            SchemaMismatchError: A declared column is missing.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """An entry of the landing zone as one look found it.

    Attributes:
        path: Path below the landing zone, as text; see `entry_names`.
        changed_ns: When bytes, name or rights last changed.
        problem: Why it is no file that can be ingested; None: it is one.
    """

    path: str
    size_bytes: int
    changed_ns: int
    problem: str | None = None


class ILandingZone(Protocol):
    """Where people drop files. `str()` of it names it in errors.

    Nothing in it is trusted: an entry may be anything, have any name, and change at any time.
    """

    def list_entries(self, glob: SourceGlob) -> Sequence[Sighting]:
        """Return the entries that match, sorted by path, and those that hide what may match below them.

        Whatever is wrong with one entry is its `problem`.

        Raises:
            LandingZoneMissingError: The landing zone itself cannot be listed.
        """
        ...

    def look(self, path: str) -> Sighting | None:
        """Return the entry at a path, as text; None: there is none."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Return a seekable stream of the regular file at a path, as text. A read to the end proves that it is whole.

        Raises:
            SourceError: There is no such file, it cannot be read, or it has changed; also when the stream is read.
        """
        ...

    def move(self, entry: Sighting, target: str) -> None:
        """Move a file to another path, replacing what lies there. Folders are made as needed.

        Raises:
            SourceChangedError: The file is no longer as it was sighted. It stays where it is.
            SourceError: It cannot be moved.
        """
        ...

    def remove(self, entry: Sighting) -> None:
        """Remove a file.

        Raises:
            SourceError: As `move`.
        """
        ...
