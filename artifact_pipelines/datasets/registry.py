"""All file formats of a YAML file, and the choice by a file's content or extension if it names none."""

import codecs
import pathlib
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Literal

from artifact_pipelines.datasets.exceptions import UnparsableSourceError
from artifact_pipelines.datasets.formats.arrow import Arrow
from artifact_pipelines.datasets.formats.avro import Avro
from artifact_pipelines.datasets.formats.csv import Csv, CsvOptions, Tsv
from artifact_pipelines.datasets.formats.excel import Excel
from artifact_pipelines.datasets.formats.fixed import Fixed
from artifact_pipelines.datasets.formats.ndjson import Json, Ndjson
from artifact_pipelines.datasets.formats.parquet import Parquet
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile
from artifact_pipelines.datasets.reading.archives import member_name
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.raw_stream import (
    COMPRESSED_MAGIC,
    compression_of,
    compression_of_bytes,
    open_plain,
)
from artifact_pipelines.declarations import OneOf

_FOREIGN = {
    **dict.fromkeys((b"<!doctype", b"<html", b"<head>", b"<body", b"<table"), "HTML"),
    **dict.fromkeys((b"<?xml", b"<error>", b"<!--"), "XML"),
    b"%pdf-": "PDF",
    b"{\\rtf": "RTF",
    b"<stata_dta>": "Stata",
    b"$fl2@(#)": "SPSS",
    b"sqlite format 3": "SQLite",
    b"\x89hdf": "HDF5",
    b"7z\xbc\xaf": "7-Zip",
    b"rar!\x1a": "RAR",
    b"version https://git-lfs": "a pointer of Git LFS in place of the file (`git lfs pull` fetches it)",
    b"pk\x05\x06": "a zip archive without files",
    b"pk\x07\x08": "a part of a split zip archive",
}
"""Beginnings, in lower case, of files that are no tables; a text reader would take some of them for one."""
_TAGS = re.compile(rb"<[a-z][^<>]*>(\s*\n\s*)?<")  # `<ticker>,<per>` is a header, also with a tab
_JSON = re.compile(rb"\s*(\[\s*)?\{\s*\"")
_TAR, _TAR_AT = b"ustar", 257
FORMATS: Sequence[type[IFileFormat]] = (Csv, Tsv, Fixed, Ndjson, Json, Parquet, Arrow, Avro, Excel)
_ALL_MAGIC = (*COMPRESSED_MAGIC, *(magic for each in FORMATS for magic in each.MAGIC))


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
    if found := _format_of_content(file):
        return found
    name = f"x.{file.file_type}" if compression_of(file.path) != "zip" else member_name(file.path, file.label)
    extension = pathlib.PurePath(name).suffix.lower().removeprefix(".")
    for each in FORMATS:
        if extension in each.EXTENSIONS:
            return each
    suffix = pathlib.PurePath(file.label).suffix  # the extension above is bin for a name without one
    unknown = f"no format has the extension {suffix}" if suffix else "its name has no extension"
    foreign = _foreign(file)
    why = f"its content is {foreign}; supported are" if foreign else f"{unknown}; set format.type to one of"
    raise UnparsableSourceError(file.label, "a table", f"{why} {', '.join(each.tag() for each in FORMATS)}")


def check_content(file: RawFile, chosen: IFileFormat) -> None:
    """Check that a file's first bytes do not show another format than that in which it is to be read.

    Raises:
        UnparsableSourceError: They do, or the file is only a part of such bytes.
    """
    head = _head(file)
    if head and any(magic.startswith(head) and magic != head for magic in _ALL_MAGIC):
        reason = f"its only bytes, {head!r}, are the beginning of another format, so it is cut off"
        raise UnparsableSourceError(file.label, chosen.tag(), reason)
    found = _format_of_content(file)
    if found and not isinstance(chosen, found):
        raise UnparsableSourceError(file.label, chosen.tag(), f"its content is {found.tag()}")
    if not found and (foreign := _foreign(file)):
        raise UnparsableSourceError(file.label, chosen.tag(), f"its content is {foreign}")
    if isinstance(chosen, CsvOptions) and _JSON.match(head):
        raise UnparsableSourceError(file.label, chosen.tag(), "its content is JSON; set format.type to json or ndjson")
    if chosen.MAGIC and not found:
        is_text = head.isascii() and b"\0" not in head
        hint = "; if it is text, set format.type to csv or tsv" if is_text else ""
        reason = f"its content does not begin as that of {chosen.tag()}{hint}"
        raise UnparsableSourceError(file.label, chosen.tag(), reason)


def _foreign(file: RawFile) -> str | None:
    """Return the name of a format that is none of ours."""
    head = _head(file, _TAR_AT + len(_TAR))
    if head[_TAR_AT:] == _TAR:
        return "a tar archive; put the files into a zip archive instead"
    if (outer := compression_of(file.path)) and (inner := compression_of_bytes(head)):
        return f"compressed twice ({inner} in {outer}); unpack it once"
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    known = next((name for beginning, name in _FOREIGN.items() if text.startswith(beginning)), None)
    return known or ("XML" if _TAGS.match(text) else None)


def _head(file: RawFile, size: int = 16) -> bytes:
    with open_plain(file.path, file.label) as stream:
        return stream.read(size)


def _format_of_content(file: RawFile) -> type[IFileFormat] | None:
    head = _head(file)
    return next((each for each in FORMATS if each.MAGIC and head.startswith(tuple(each.MAGIC))), None)


FileFormat = Annotated[IFileFormat, OneOf((*FORMATS, ByExtension), default=ByExtension)]
