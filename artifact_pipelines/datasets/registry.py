"""All file formats of a YAML file, and the choice by a file's extension if it names none."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Literal

import pyarrow as pa
import pydantic

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.formats.csv import Csv, Tsv
from artifact_pipelines.datasets.formats.ndjson import Ndjson
from artifact_pipelines.datasets.formats.parquet import Parquet
from artifact_pipelines.datasets.interfaces import IFileFormat, RawFile
from artifact_pipelines.declarations import OneOf

FORMATS: Sequence[type[IFileFormat]] = (Csv, Tsv, Ndjson, Parquet)


class _ByExtension(IFileFormat):
    type: Literal[None] = None

    def code_version(self) -> str:
        """Return a version that changes with the fields and with the code of any format."""
        changed = "".join(f" {each.tag()}={each.CODE_VERSION}" for each in FORMATS if each.CODE_VERSION != "1")
        return f"by_extension{changed} {self.model_dump_json(exclude_none=True)}"

    def open(self, file: RawFile, columns: Mapping[str, str]) -> AbstractContextManager[pa.RecordBatchReader]:
        """Open a file in the format of its extension, with the options that this format has.

        Raises:
            UnparsableSourceError: No format has this extension.
        """
        for each in FORMATS:
            if file.file_type in each.EXTENSIONS:
                options = self.model_dump(include=set(each.model_fields), exclude_none=True)
                return each.model_validate(options).open(file, columns)
        supported = ", ".join(each.tag() for each in FORMATS)
        raise UnparsableSourceError(file.label, file.file_type, f"supported are {supported}, plain or .gz")


def _options() -> Mapping[str, Any]:
    """Return the fields of all formats that have extensions, none of them required."""
    return {
        name: (
            Annotated[(field.annotation, *field.metadata, None)] | None,  # Annotated takes two or more
            pydantic.Field(default=None, description=field.description),
        )
        for each in reversed(FORMATS)  # the first format that has a field describes it
        for name, field in each.model_fields.items()
        if each.EXTENSIONS and name != each.TAG
    }


ByExtension: type[_ByExtension] = pydantic.create_model("ByExtension", __base__=_ByExtension, **_options())

FileFormat = Annotated[IFileFormat, OneOf(FORMATS, untagged=ByExtension)]
