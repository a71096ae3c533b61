"""The handler for values that JSON holds, and for records: dataclasses and pydantic models."""

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import types
import typing
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, BinaryIO

from artifact_pipelines.core.exceptions import ContentMismatchError, InvalidArgumentError, UnsupportedTypeError
from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.io_manager.interfaces import Artifact, ReadRequest

_PREVIEWED_BYTES = 1 << 16
_PIECE_CHARACTERS = 1 << 20
_REASONS = 3
_AS_TEXT = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, pathlib.PurePath, uuid.UUID)
_JSON_TYPES = (dict, list, tuple, bool, int, float, types.NoneType)


class JsonHandler:
    """JSON values, dataclasses and pydantic models, stored as JSON with sorted keys: equal values, equal bytes.

    Keys become text, tuples lists, and what pydantic writes as text (dates, decimals, UUIDs, enums, …) text. An
    annotation brings them back: `dict[int, datetime.date]`, `tuple[int, ...]`, a dataclass, `list[Model]`, checked by
    pydantic; a bare `dict` gives what is stored. A secret, which pydantic writes as asterisks, is refused.
    """

    writes = (
        "builtins.dict",
        "builtins.list",
        "builtins.tuple",
        "builtins.bool",
        "builtins.int",
        "builtins.float",
        "builtins.NoneType",
        "dataclass",
        "pydantic.BaseModel",
    )
    reads = (*writes, "collections.Mapping", "collections.Sequence")
    file_types = ("json",)

    def describe(self, value: object) -> FileDescription:
        return FileDescription("json", "application/json")

    def write(self, value: object, sink: BinaryIO) -> None:
        try:
            text = _ENCODER.encode(value)  # in one call of C; it is hardly ever larger than the value itself
            for begin in range(0, len(text), _PIECE_CHARACTERS):
                sink.write(text[begin : begin + _PIECE_CHARACTERS].encode())
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgumentError("value", value, f"a value that JSON can hold ({error})") from error

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        with artifact.open() as stream:
            data = stream.read()
        annotation = request.annotation
        if annotation is None or isinstance(annotation, str):
            return self._parsed(artifact, data)
        return self._validated(artifact, annotation, data)

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        if artifact.info.size_bytes > _PREVIEWED_BYTES:
            return {}
        return {"preview": self.read(artifact, ReadRequest("builtins.dict"))}

    def _parsed(self, artifact: Artifact, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            remedy = "Annotate str or bytes, and mend what writes it."
            raise ContentMismatchError(artifact.info.file_id, "JSON", str(error), remedy) from error

    def _validated(self, artifact: Artifact, annotation: Any, data: bytes) -> Any:
        import pydantic

        try:
            adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(annotation)
        except pydantic.errors.PydanticUserError as error:
            supported = ["dict, list, tuple and what they hold", "dataclasses", "pydantic models"]
            raise UnsupportedTypeError("load", _title(annotation), supported) from error
        try:
            # A class decides how strict it is; a number is not a text where JSON itself tells them apart.
            return adapter.validate_json(data, strict=_is_plain(annotation) or None, by_alias=True, by_name=True)
        except pydantic.ValidationError as error:
            remedy = "Make it fit what is stored, or annotate dict, list or Any to see that."
            raise ContentMismatchError(artifact.info.file_id, _title(annotation), _reasons(error), remedy) from error


def _title(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)


def _is_plain(annotation: Any) -> bool:
    """Tell whether an annotation names types of JSON only, such as `int` or `list[str] | None`."""
    inner = [kind for kind in typing.get_args(annotation) if kind is not ...]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, *_JSON_TYPES):
        return all(_is_plain(kind) for kind in inner)
    return annotation in (*_JSON_TYPES, str, Any)


def _reasons(error: Any) -> str:
    """Return what does not fit and where, without the values: they may be long, or nobody else's business."""
    found: Sequence[Mapping[str, Any]] = error.errors(include_url=False, include_input=False, include_context=False)
    told = [f"{'.'.join(map(str, one['loc'])) or 'the value'}: {one['msg']}" for one in found[:_REASONS]]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more:,} more" if more else "")


def _plain(value: object) -> object:
    """Return what stands for a value that JSON does not know: the same for equal values, wherever it is asked."""
    import pydantic

    if isinstance(value, set | frozenset):
        return sorted(value, key=_ENCODER.encode)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: _open(item, item, name) for name, item in fields.items()}
    if isinstance(value, pydantic.BaseModel):
        # Each model by its own class, not by the one that a field declares: that would drop what a subclass adds.
        plain = value.model_dump(mode="json", round_trip=True, warnings="error", polymorphic_serialization=True)
        return _ordered(plain, value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, _AS_TEXT):
        return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")


def _ordered(plain: Any, value: Any, name: str = "") -> Any:
    """Return what pydantic made of a value, with what came from a set in an order that equal sets have.

    Args:
        plain: What pydantic made of it.
        value: The value.
        name: Of the field that it is in.
    """
    import pydantic

    if isinstance(value, pydantic.RootModel):
        return _ordered(plain, value.root, name)
    if isinstance(plain, list) and isinstance(value, Collection) and len(plain) == len(value):
        items = [_ordered(item, made_of, name) for item, made_of in zip(plain, value, strict=True)]
        return sorted(items, key=_ENCODER.encode) if isinstance(value, set | frozenset) else items
    if isinstance(plain, dict) and isinstance(value, Mapping) and len(plain) == len(value):
        pairs = zip(plain.items(), value.values(), strict=True)
        return {key: _ordered(item, made_of, key) for (key, item), made_of in pairs}
    if isinstance(plain, dict) and _is_cut(plain, value):
        return _plain(value)
    if isinstance(plain, dict):
        return {key: _ordered(item, _field(value, key), key) for key, item in plain.items()}
    return _open(plain, value, name)


def _is_cut(plain: Mapping[str, Any], value: Any) -> bool:
    """Tell whether pydantic wrote a dataclass as its base, without the fields that it adds to that."""
    kinds = [kind for kind in type(value).__mro__ if dataclasses.is_dataclass(kind)]
    fields = [{field.name for field in dataclasses.fields(kind)} for kind in kinds]
    return bool(fields) and fields[0] != plain.keys() and plain.keys() in fields[1:]


def _field(value: Any, key: str) -> Any:
    """Return the field of a record that pydantic writes under a key: its name, or its alias."""
    fields: Mapping[str, Any] = getattr(type(value), "__pydantic_fields__", {})
    named = (name for name, field in fields.items() if field.serialization_alias == key)
    return getattr(value, next(named, key), None)


def _open(plain: Any, value: object, name: str) -> Any:
    """Return what stands for a value, if it is no secret that would come back as asterisks."""
    import pydantic

    secrets = (pydantic.SecretStr, pydantic.SecretBytes, pydantic.Secret)
    if isinstance(value, secrets) and {*str(plain).strip("b'")} == {"*"}:
        remedy = "exclude it, or say in a field_serializer what is to be stored"
        raise TypeError(f"field {name!r} is a secret and would be stored as asterisks: {remedy}")
    return plain


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_plain)
