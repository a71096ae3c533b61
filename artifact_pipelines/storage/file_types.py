"""Descriptions of files: checked type names, metadata that JSON can hold, and names that any folder can hold."""

import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import UNDESCRIBED, FileDescription

_TYPE_NAME = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,31}", re.ASCII)
_MIME_TYPE = re.compile(r"[ -~]{1,255}", re.ASCII)
_ODD = re.compile(r"[^\w .,;!@#$%&()+=~{}^'\[\]-]")
_NAME_BYTES = 200  # a folder takes 255
_EXTENSION_BYTES = 40
_COMPRESSIONS = {".bz2": "bzip2", ".gz": "gzip", ".xz": "xz", ".zip": "zip", ".zst": "zstd"}
_MIME_TYPES = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "npy": "application/x-npy",
    "parquet": "application/vnd.apache.parquet",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
}


def describe(
    file_type: str,
    mime_type: str | None = None,
    compression_type: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> FileDescription:
    """Return a checked description of a file.

    Raises:
        InvalidArgumentError: A type name is malformed, or the metadata is not JSON or has the key `UNDESCRIBED`.
    """
    for parameter, name in (("file_type", file_type), ("compression_type", compression_type)):
        if name is not None and not (isinstance(name, str) and _TYPE_NAME.fullmatch(name)):
            raise InvalidArgumentError(parameter, name, "a short lower-case name such as 'parquet' or 'gzip'")
    if mime_type and not (isinstance(mime_type, str) and _MIME_TYPE.fullmatch(mime_type)):
        raise InvalidArgumentError("mime_type", mime_type, "a media type such as 'text/csv', at most 255 characters")
    try:
        json.dumps(metadata := dict(metadata or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError("metadata", type(metadata), f"a mapping that JSON can hold ({error})") from error
    if UNDESCRIBED in metadata:
        raise InvalidArgumentError(
            "metadata", type(metadata), f"without the key {UNDESCRIBED!r}, which the store needs"
        )
    guessed = _MIME_TYPES.get(file_type, "application/octet-stream") if compression_type is None else None
    return FileDescription(file_type, mime_type or guessed, compression_type, metadata)


def describe_by_name(name: str) -> FileDescription:
    """Return the description of a file with this name: type and compression from its extensions, else `bin`."""
    path = pathlib.PurePath(name)
    suffix = path.suffix.lower()
    compression = _COMPRESSIONS.get(suffix)
    plain = pathlib.PurePath(path.stem).suffix.lower() if compression else suffix
    file_type = plain.removeprefix(".")
    is_name = file_type.isascii() and file_type.isalnum() and len(file_type) <= 32
    return describe(file_type if is_name else "bin", compression_type=compression)


def name_by_type(stem: str, file_type: str, compression_type: str | None) -> str:
    """Return the name of a file whose extensions say its type and compression: `file.csv.gz`."""
    extensions = [extension for extension, name in _COMPRESSIONS.items() if name == compression_type]
    return f"{stem}.{file_type}{''.join(extensions)}"


def safe_file_name(name: str) -> str | None:
    """Return the name of a file as one that any folder and any catalog can hold; None if nothing is left of it.

    Slashes, control characters and bytes that are no text become `%XX`. A long name keeps its extensions.
    """
    escaped = _ODD.sub(lambda found: _percent(found[0]), name)
    if len(escaped.encode()) > _NAME_BYTES:
        extensions = "".join(pathlib.PurePath(escaped).suffixes[-2:]).encode()[-_EXTENSION_BYTES:]
        stem = escaped.encode()[: _NAME_BYTES - _EXTENSION_BYTES]
        escaped = (stem + extensions).decode(errors="ignore")
    return None if escaped in ("", ".", "..") else escaped


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))
