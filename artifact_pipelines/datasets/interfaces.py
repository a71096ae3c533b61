"""The interfaces of file formats and of landing zones. Must not import Dagster."""

import abc
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, ClassVar, Protocol

import pyarrow as pa

from artifact_pipelines.datasets.landing.entry_names import SourceGlob
from artifact_pipelines.datasets.reading.bad_rows import BadRows
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.declarations import Declaration


@dataclasses.dataclass(frozen=True, slots=True)
class RawFile:
    """A stored copy of a dropped file.

    Attributes:
        path: Its name carries no meaning.
        file_type: Extension of the dropped file, such as `csv`.
        label: Name of the dropped file; it names the file in errors.
    """

    path: pathlib.Path
    file_type: str
    label: str


Written = tuple[int, str | None]
"""Number of the line where a row begins, and the row's text."""


@dataclasses.dataclass(frozen=True, slots=True)
class OpenTable:
    """A table that is ready to be read.

    Attributes:
        batches: Its rows, in their order; taking a batch reads it.
        read_as: How the file is written: what is written down with the version, and used for the next one.
        written: Returns for rows of the batch that was taken last, by their ascending places in it, the number of the
            line (of a sheet: the row) where each begins, and its text, if it has one. None: rows have no lines.
        texts: Returns all values of a column of that batch as the file writes them. None: they are no texts there.
        reordered: Columns that stood in another order in the file than in the version before.
        bad: The rows that are left out, as batches are taken; None: the contract allows none.
        file_column: Column that no file has, with the name of each row's file; None: there is none.
    """

    batches: pa.RecordBatchReader
    read_as: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    written: Callable[[Sequence[int]], Sequence[Written]] | None = None
    texts: Callable[[str], Sequence[str | None]] | None = None
    bad: BadRows | None = None
    reordered: Sequence[str] = ()
    file_column: str | None = None


class IFileFormat(Declaration, abc.ABC):
    """Reads raw files as tables. Each format is a class in `formats/`, listed in the registry.

    Attributes:
        EXTENSIONS: Files with these are read in this format if the dataset declares no type.
        MAGIC: Beginnings of all files in this format. Files with one are read in it if the dataset declares no type.
        ISOLATED: True if a library parses the bytes, so that the file is opened in a process of its own.
    """

    TAG: ClassVar[str] = "type"
    EXTENSIONS: ClassVar[Sequence[str]] = ()
    MAGIC: ClassVar[Sequence[bytes]] = ()
    ISOLATED: ClassVar[bool] = False

    def chosen_for(self, file: RawFile) -> "IFileFormat":
        """Return the format that reads a file: this one, unless it stands for a choice."""
        return self

    @abc.abstractmethod
    def open(self, file: RawFile, contract: Contract) -> AbstractContextManager[OpenTable]:
        """Open a file as a table: each value as it is written, or an error that names file, line, column and value.

        The values have the types that the contract declares, or those of the version before; the file may have more
        columns.

        Raises:
            UnparsableSourceError: The file is not of this format.
            MalformedRowError: A row cannot be read in one way only.
            RefusedValueError: A value does not have its column's type.
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

    def stamp(self) -> object | None:
        """Return a value that changes when an entry comes, goes or is renamed; None: only a listing could tell.

        It is cheap enough to ask for several times a second.
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

    def put(self, stream: BinaryIO, path: str, replaced: Sighting | None = None) -> None:
        """Put a file at a path, as text, in one step. Folders are made as needed.

        Args:
            replaced: The file that lies there, which may be gone by then; None: there is no file.

        Raises:
            SourceUnreadableError: The path leads outside.
            SourceChangedError: Something else has come to lie there. It stays.
            SourceError: The stream raised.
            BackendError: The landing zone cannot be written.
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
