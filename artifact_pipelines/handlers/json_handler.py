"""The handler for values that JSON holds, and for records: dataclasses and pydantic models."""

import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.handlers.json_encoding import ENCODER, is_deep
from artifact_pipelines.handlers.json_problems import problem_of, too_deep
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

_PREVIEWED_BYTES = 1 << 16
_PIECE_CHARACTERS = 1 << 20
_REASONS = 3
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
            text = ENCODER.encode(value)  # in one call of C; it is hardly ever larger than the value itself
            if is_deep(text):
                raise too_deep(value)
            for begin in range(0, len(text), _PIECE_CHARACTERS):
                sink.write(text[begin : begin + _PIECE_CHARACTERS].encode())
        except RecursionError:
            raise too_deep(value) from None
        except (TypeError, ValueError):  # what they say, and pydantic's above all, may show the value
            raise problem_of(value) from None

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
            reason = (error.message or "").partition(". ")[0].rstrip(".")  # it may advise; more would be for pydantic
            raise UnsupportedTypeError("load", _title(annotation), supported, reason) from error
        try:
            # A class decides how strict it is; a number is not a text where JSON itself tells them apart.
            return adapter.validate_json(data, strict=_is_plain(annotation) or None, by_alias=True, by_name=True)
        except pydantic.ValidationError as error:
            remedy = "Make it fit what is stored, or annotate dict, list or Any to see that."
            # Dagster would show the error below this one too, and that shows the values.
            raise ContentMismatchError(artifact.info.file_id, _title(annotation), _reasons(error), remedy) from None


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
