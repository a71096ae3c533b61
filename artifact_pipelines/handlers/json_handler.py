"""The handler for values that JSON holds, and for records: dataclasses and pydantic models."""

import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.handlers.annotations import convert_to_subclass
from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.handlers.json_annotations import IValidator, find_difference, make_derived, make_validator
from artifact_pipelines.handlers.json_encoding import encode_json
from artifact_pipelines.handlers.json_tags import untag, untag_to_json
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.hashing import ContentHasher

_PREVIEWED_BYTES = 1 << 16
_PIECE_CHARACTERS = 1 << 20
_SHOWN_REASONS = 3
_JSON_TYPES = (dict, list, tuple, bool, int, float, types.NoneType)
_TAG = re.compile(rb"""\{\s*"!""")


class JsonHandler:
    """Values of Python, stored as JSON, each dict in its own order, which is no content: the hash is of sorted keys.

    Where JSON has no word for a value, it is stored with a tag (see `json_tags`) and comes back with its type, at any
    depth. Records (dataclasses, pydantic models) and Enums come back through the annotation, checked by pydantic; a
    bare `dict` returns their fields. Scalars of numpy are Python's, and a missing value of pandas is None.
    """

    writes = (
        *(f"builtins.{name}" for name in ("dict", "list", "tuple", "set", "frozenset", "range")),
        *(f"builtins.{name}" for name in ("bool", "int", "float", "complex", "NoneType")),
        *("datetime.date", "datetime.time", "datetime.timedelta", "decimal.Decimal", "uuid.UUID", "enum.Enum"),
        *("dataclass", "pydantic.BaseModel", "numpy.generic", "pathlib.PurePath", "pandas.NAType"),
    )
    reads = (*writes, "collections.Mapping", "collections.Sequence", "collections.Set")
    file_types = ("json",)

    def describe(self, value: object) -> FileDescription:
        return FileDescription("json", "application/json")

    def write(self, value: object, sink: BinaryIO) -> str | None:
        text, canonical = encode_json(value)
        for piece in _pieces(text):
            sink.write(piece)
        if canonical == text:
            return None
        hasher = ContentHasher()
        for piece in _pieces(canonical):
            hasher.update(piece)
        return f"{hasher.hexdigest()}.json"  # as of a file with these bytes

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        with artifact.open() as stream:
            data = stream.read()
        annotation = request.annotation
        hook = untag if _TAG.search(data) else None
        adapter = None if annotation is None or isinstance(annotation, str) else make_validator(annotation)
        if adapter is not None and hook is None and _names_record(annotation):
            return _validate_json(artifact, adapter, annotation, data)
        value = _parse(artifact, data, hook)
        if adapter is None:
            return value if isinstance(annotation, str) else convert_to_subclass(value, artifact, request, make_derived)
        return _validate(artifact, adapter, annotation, data, value)

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        if artifact.info.size_bytes > _PREVIEWED_BYTES:
            return {}
        with artifact.open() as stream:
            return {"preview": _parse(artifact, stream.read())}


def _pieces(text: str) -> Iterator[bytes]:
    return (text[begin : begin + _PIECE_CHARACTERS].encode() for begin in range(0, len(text), _PIECE_CHARACTERS))


def _parse(artifact: Artifact, data: bytes, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    try:
        return json.loads(data, object_hook=hook)
    except (ValueError, RecursionError) as error:
        remedy = "Annotate str or bytes, and fix the program that writes it."
        raise ContentMismatchError(artifact.info.file_id, "JSON", str(error), remedy) from error


def _validate(artifact: Artifact, adapter: IValidator, annotation: Any, data: bytes, value: Any) -> Any:
    """Return a value as the annotation; a record in it may have to be read from the JSON that pydantic has written.

    pydantic makes a date of JSON's text "2026-01-01" for `date | str`, but not of Python's, which a stored text is.
    """
    import pydantic

    if type(value) is annotation:
        return value
    try:
        made = adapter.validate_python(value, strict=_is_plain(annotation) or None, by_alias=True, by_name=True)
    except pydantic.ValidationError as error:
        if not _names_record(annotation) and _TAG.search(data):
            raise _mismatch(artifact, annotation, _reasons(error)) from None
        value = _parse(artifact, data, untag_to_json)
        made = _validate_json(artifact, adapter, annotation, json.dumps(value).encode())
    if (place := find_difference(made, value)) is not None:
        problem = f"{place or 'the value'}: as this type it would be another value than the stored one"
        raise _mismatch(artifact, annotation, problem)
    return made


def _validate_json(artifact: Artifact, adapter: IValidator, annotation: Any, data: bytes) -> Any:
    import pydantic

    try:
        # A class decides how strict it is. Types of JSON itself are strict: a number is no text.
        return adapter.validate_json(data, strict=_is_plain(annotation) or None, by_alias=True, by_name=True)
    except pydantic.ValidationError as error:
        raise _mismatch(
            artifact, annotation, _reasons(error)
        ) from None  # Dagster would also show its error with the values


def _mismatch(artifact: Artifact, annotation: Any, problem: str) -> ContentMismatchError:
    remedy = "Annotate a type that fits the stored value, or dict, list or Any to see it."
    return ContentMismatchError(artifact.info.file_id, _title(annotation), problem, remedy)


def _names_record(annotation: Any) -> bool:
    """True if an annotation names a class whose values pydantic has written."""
    kinds = [annotation, *typing.get_args(annotation)]
    return any(isinstance(kind, type) and hasattr(kind, "__pydantic_validator__") for kind in kinds) or any(
        map(_names_record, kinds[1:])
    )


def _title(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


def _is_plain(annotation: Any) -> bool:
    """True if an annotation names only types of JSON, such as `int` or `list[str] | None`."""
    inner = [kind for kind in typing.get_args(annotation) if kind is not ...]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, *_JSON_TYPES):
        return all(_is_plain(kind) for kind in inner)
    return annotation in (*_JSON_TYPES, str, Any)


def _reasons(error: Any) -> str:
    """Return the places that do not fit and why, without the values, which may be long or confidential."""
    found: Sequence[Mapping[str, Any]] = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [f"{'.'.join(map(str, one['loc'])) or 'the value'}: {one['msg']}" for one in found[:_SHOWN_REASONS]]
    more = len(found) - len(shown)
    return "; ".join(shown) + (f"; and {more:,} more" if more else "")
