"""All file formats of a YAML file, and the choice by a file's extension if it names none."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Literal

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.formats.csv import Csv, Delimiter, NullValues, Tsv
from artifact_pipelines.datasets.formats.ndjson import Ndjson
from artifact_pipelines.datasets.formats.parquet import Parquet
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile
from artifact_pipelines.declarations import OneOf

FORMATS: Sequence[type[IFileFormat]] = (Csv, Tsv, Ndjson, Parquet)


class ByExtension(IFileFormat):
    """The format of the file's extension, with the options that it has. A format with other options needs a `type`."""

    type: Literal["by_extension"] = "by_extension"
    delimiter: Delimiter | None = None
    null_values: NullValues = ()

    def code_version(self) -> str:
        """Return a version that changes with the fields and with the code of any format."""
        changed = "".join(f" {each.tag()}={each.CODE_VERSION}" for each in FORMATS if each.CODE_VERSION != "1")
        return f"{super().code_version()}{changed}"

    def open(self, file: RawFile, columns: Mapping[str, str]) -> AbstractContextManager[pa.RecordBatchReader]:
        """See `IFileFormat`."""
        for each in FORMATS:
            if file.file_type in each.EXTENSIONS:
                options = self.model_dump(include=each.model_fields.keys() - {each.TAG}, exclude_defaults=True)
                return each.model_validate(options).open(file, columns)
        supported = ", ".join(each.tag() for each in FORMATS)
        raise UnparsableSourceError(file.label, file.file_type, f"supported are {supported}, plain or .gz")


FileFormat = Annotated[IFileFormat, OneOf((*FORMATS, ByExtension), default=ByExtension)]
