"""All file formats of a YAML file, and the choice by a file's content or extension if it names none."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Literal

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.formats.arrow import Arrow
from artifact_pipelines.datasets.formats.csv import Csv, CsvOptions, Tsv
from artifact_pipelines.datasets.formats.ndjson import Json, Ndjson
from artifact_pipelines.datasets.formats.parquet import Parquet
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.declarations import OneOf

FORMATS: Sequence[type[IFileFormat]] = (Csv, Tsv, Ndjson, Json, Parquet, Arrow)


class ByExtension(CsvOptions):
    """The format of the file's extension, with the options that it has. A format with other options needs a `type`."""

    type: Literal["by_extension"] = "by_extension"

    def code_version(self) -> str:
        """Return a version that changes with the fields and with the code of any format."""
        changed = "".join(f" {each.tag()}={each.CODE_VERSION}" for each in FORMATS if each.CODE_VERSION != "1")
        return f"{super().code_version()}{changed}"

    def chosen_for(self, file: RawFile) -> IFileFormat:
        """See `IFileFormat`."""
        chosen = choose_format(file)
        options = self.model_dump(include=chosen.model_fields.keys() - {chosen.TAG}, exclude_defaults=True)
        return chosen.model_validate(options)

    def open(self, file: RawFile, contract: Contract) -> AbstractContextManager[OpenTable]:
        """See `IFileFormat`."""
        return self.chosen_for(file).open(file, contract)


def choose_format(file: RawFile) -> type[IFileFormat]:
    """Return the format that a file's first bytes show, or else its extension."""
    with file.path.open("rb") as stream:
        head = stream.read(16)
    for each in FORMATS:
        if each.MAGIC and head.startswith(each.MAGIC):
            return each
    for each in FORMATS:
        if file.file_type in each.EXTENSIONS:
            return each
    supported = ", ".join(each.tag() for each in FORMATS)
    raise UnparsableSourceError(file.label, f".{file.file_type} file", f"supported are {supported}")


FileFormat = Annotated[IFileFormat, OneOf((*FORMATS, ByExtension), default=ByExtension)]
