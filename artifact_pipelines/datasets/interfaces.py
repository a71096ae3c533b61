"""What a file format is: a declaration that opens raw files as tables. Not to be imported here: Dagster."""

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Literal

import pyarrow as pa

from artifact_pipelines.declarations import Declaration


@dataclasses.dataclass(frozen=True, slots=True)
class RawFile:
    """A file as it was dropped, stored under a name that says nothing.

    Attributes:
        file_type: Extension that it was dropped with, such as `csv`.
        compression_type: None or `gzip`.
        label: Its name in errors.
    """

    path: pathlib.Path
    file_type: str
    compression_type: str | None
    label: str

    @property
    def compression(self) -> Literal["gzip", "none"]:
        """The compression as DuckDB names it."""
        return "gzip" if self.compression_type == "gzip" else "none"


class IFileFormat(Declaration, abc.ABC):
    """How a raw file becomes a table: a class in `formats/`, listed in the registry.

    Attributes:
        EXTENSIONS: Of the files that are read so where a dataset declares no type.
    """

    TAG: ClassVar[str] = "type"
    EXTENSIONS: ClassVar[Sequence[str]] = ()

    @abc.abstractmethod
    def open(self, file: RawFile, columns: Mapping[str, str]) -> AbstractContextManager[pa.RecordBatchReader]:
        """Open a file as batches, in the order of its rows; it is read as they are taken.

        Args:
            columns: Columns with the types (DuckDB's names) that their values must have; the file has others too.

        Raises:
            UnparsableSourceError: The file is not of this format, or a value is not of its column's type.
            SchemaMismatchError: A column is missing.
        """
