"""The interface of file formats. Must not import Dagster."""

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

import pyarrow as pa

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
