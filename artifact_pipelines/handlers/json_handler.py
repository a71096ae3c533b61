"""The handler for values that JSON holds, and for records: dataclasses and pydantic models."""

import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.handlers.json_encoding import encode_json
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

_PREVIEWED_BYTES = 1 << 16
_PIECE_CHARACTERS = 1 << 20
_SHOWN_REASONS = 3
_JSON_TYPES = (dict, list, tuple, bool, int, float, types.NoneType)


class JsonHandler:
    """JSON values, dataclasses and pydantic models, stored as JSON with sorted keys: equal values, equal bytes.

    Keys become text, tuples lists, and values that pydantic writes as text (dates, decimals, UUIDs, …) text. An
    annotation restores them (`dict[int, datetime.date]`, `tuple[int, ...]`, a dataclass, `list[Model]`), checked by
    pydantic; a bare `dict` returns the stored JSON.
    """

    writes = (
        *(f"builtins.{name}" for name in ("dict", "list", "tuple", "bool", "int", "float", "NoneType")),
        *("dataclass", "pydantic.BaseModel"),
    )
    reads = (*writes, "collections.Mapping", "collections.Sequence")
    file_types = ("json",)

    def describe(self, value: object) -> FileDescription:
        return FileDescription("json", "application/json")

    def write(self, value: object, sink: BinaryIO) -> None:
        text = encode_json(value)
        for begin in range(0, len(text), _PIECE_CHARACTERS):
            sink.write(text[begin : begin + _PIECE_CHARACTERS].encode())

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        with artifact.open() as stream:
            data = stream.read()
        annotation = request.annotation
        if annotation is None or isinstance(annotation, str):
            return self._parse(artifact, data)
        return self._validate(artifact, annotation, data)

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        if artifact.info.size_bytes > _PREVIEWED_BYTES:
            return {}
        return {"preview": self.read(artifact, ReadRequest("builtins.dict"))}

    def _parse(self, artifact: Artifact, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            remedy = "Annotate str or bytes, and fix the program that writes it."
            raise ContentMismatchError(artifact.info.file_id, "JSON", str(error), remedy) from error

    def _validate(self, artifact: Artifact, annotation: Any, data: bytes) -> Any:
        import pydantic

        try:
            adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(annotation)
        except pydantic.errors.PydanticUserError as error:
            supported = ["dict, list and tuple of supported types", "dataclasses", "pydantic models"]
            reason = (error.message or "").partition(". ")[0].rstrip(".")  # the rest is advice for users of pydantic
            raise UnsupportedTypeError("load", _title(annotation), supported, reason) from error
        try:
            # A class decides how strict it is. Types of JSON itself are strict: a number is no text.
            return adapter.validate_json(data, strict=_is_plain(annotation) or None, by_alias=True, by_name=True)
        except pydantic.ValidationError as error:
            remedy = "Annotate a type that fits the stored value, or dict, list or Any to see it."
            # Dagster would also show pydantic's error, which shows the values.
            raise ContentMismatchError(artifact.info.file_id, _title(annotation), _reasons(error), remedy) from None


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
