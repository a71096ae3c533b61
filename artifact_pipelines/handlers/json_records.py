"""Pydantic models and dataclasses as JSON: each by its own class, with sets in order, and no secret as asterisks.

pydantic decides what a record looks like in JSON. Its annotation brings it back, so it contains no tags, but for NaN.
"""

import dataclasses
import functools
import json
import typing
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any

from artifact_pipelines.handlers.exceptions import UnstorableValueError
from artifact_pipelines.handlers.json_refusals import check_level, problem_of_leaf, refusal, within
from artifact_pipelines.handlers.json_tags import escape, numpy_to_python

_ASTERISKS = "is a secret and would be stored as asterisks: exclude it, or give it a field_serializer"

_UNREADABLE = (
    "would not come back, because pydantic cannot make it from JSON: annotate the field with a type of Python, such as "
    "datetime.datetime, or give it a validator and a serializer"
)


def is_record(value: object) -> bool:
    """True if pydantic decides how a value is stored."""
    import pydantic

    return isinstance(value, pydantic.BaseModel) or pydantic.dataclasses.is_pydantic_dataclass(type(value))


def check_open(value: object) -> None:
    """Refuse a secret of pydantic.

    Raises:
        UnstorableValueError: It is one.
    """
    if _is_secret(value):
        raise refusal(value, _ASTERISKS)


def encode_record(value: Any, level: int, encode_float: Callable[[float], Any], order: Callable[[Any], Any]) -> Any:
    """Return a record as dicts, lists, texts and numbers.

    Args:
        value: A pydantic model or pydantic's dataclass.
        level: Number of containers around it.
        encode_float: Encodes a float that may not be finite.
        order: Key to sort the encoded elements of a set by.
    """
    plain = _dump_whole(value)
    encoded = _Dump(encode_float, order).encode(plain, value, level)
    _check_readable(value, plain)
    return encoded


@dataclasses.dataclass(frozen=True, slots=True)
class _Dump:
    """Finishes pydantic's dump of a record: it looks at each value behind the dump for sets, subclasses and secrets."""

    encode_float: Callable[[float], Any]
    order: Callable[[Any], Any]

    def encode(self, plain: Any, source: Any, level: int) -> Any:
        """Return the dump of a value, finished."""
        if getattr(type(source), "__pydantic_root_model__", False):
            return self.encode(plain, source.root, level)
        if plain is None and isinstance(source, float):  # pydantic's form of NaN in a field of any type
            return self.encode_float(source)
        if isinstance(plain, dict | list):
            check_level(level)
            return self._encode_container(plain, source, level + 1)
        is_hidden = _is_secret(source) and {*str(plain).strip("b'")} == {"*"}
        problem = _ASTERISKS if is_hidden else problem_of_leaf(plain)
        if problem:
            raise refusal(source, problem)
        return self.encode_float(plain) if isinstance(plain, float) else plain

    def _encode_container(self, plain: Any, source: Any, level: int) -> Any:
        if isinstance(plain, dict):
            whole, sources = _find_sources(plain, source)
            _check_keys(whole)
            items = self._encode_items(whole, whole.values(), sources, level)
            return escape(dict(zip(whole, items, strict=True)))
        is_same = isinstance(source, Collection) and len(source) == len(plain)
        items = self._encode_items(range(len(plain)), plain, source if is_same else plain, level)
        return sorted(items, key=self.order) if is_same and isinstance(source, set | frozenset) else items

    def _encode_items(
        self, names: Iterable[object], items: Iterable[object], sources: Iterable[object], level: int
    ) -> list[Any]:
        done: list[Any] = []
        try:
            done.extend(self.encode(item, source, level) for item, source in zip(items, sources, strict=True))
        except UnstorableValueError as error:
            raise within(error, names, len(done)) from None
        return done


def _find_sources(plain: dict[Any, Any], source: Any) -> tuple[dict[Any, Any], Iterable[Any]]:
    """Return the whole dump of a mapping or record, and the values behind it."""
    if isinstance(source, Mapping) and len(source) == len(plain):
        return plain, source.values()
    whole = _dump_whole(source) if _lacks_fields(plain, source) else plain
    return whole, [_field(source, key) for key in whole]


def _dump_whole(value: Any) -> Any:
    """Return pydantic's dump of a record by its own class, without its excluded fields."""
    import pydantic

    if isinstance(value, pydantic.BaseModel):
        return _dump(value, value.model_dump)
    adapter = pydantic.TypeAdapter(type(value))
    return _dump(value, lambda **options: adapter.dump_python(value, **options))


def _check_readable(value: Any, plain: Any) -> None:
    """Refuse a record with a field of a class that pydantic writes, but cannot make again, such as `pd.Timestamp`."""
    import pydantic

    kind = type(value)
    if not _names_class(typing.cast("Hashable", kind)):
        return
    try:
        kind.__pydantic_validator__.validate_json(json.dumps(plain), by_alias=True, by_name=True)
    except pydantic.ValidationError as error:
        for found in error.errors(include_url=False, include_input=False, include_context=False):
            if found["type"] == "needs_python_object":
                raise dataclasses.replace(refusal(value, _UNREADABLE), path=[*map(str, found["loc"])]) from None


@functools.lru_cache(maxsize=1000)
def _names_class(kind: Any) -> bool:
    """True if pydantic checks a field of a record by its class only."""

    def holds(schema: Any) -> bool:
        if isinstance(schema, dict):
            return schema.get("type") == "is-instance" or any(map(holds, schema.values()))
        return isinstance(schema, list | tuple) and any(map(holds, schema))

    return holds(kind.__pydantic_core_schema__)


def _fallback(value: object) -> Any:
    """Return the value of Python of a numpy scalar in a field of any type; pydantic knows none."""
    plain = numpy_to_python(value)
    if plain is value:
        raise TypeError
    return plain


def _dump(value: object, dump: Callable[..., Any]) -> Any:
    try:  # each model by its own class, not the one that a field declares: that would drop a subclass's fields
        return dump(mode="json", round_trip=True, warnings="error", polymorphic_serialization=True, fallback=_fallback)
    except (TypeError, ValueError):  # its message may show the value
        problem = "holds a value that it does not declare, or itself, or its serializer fails"
        raise refusal(value, f"{problem}: try model_dump(mode='json')") from None


def _lacks_fields(plain: Mapping[str, Any], value: Any) -> bool:
    """True if pydantic may have dumped a dataclass as its base class, without the subclass's fields."""
    kinds = [kind for kind in type(value).__mro__ if dataclasses.is_dataclass(kind)]
    fields = [{field.name for field in dataclasses.fields(kind)} for kind in kinds]
    return bool(fields) and fields[0] != plain.keys() and plain.keys() in fields[1:]


def _field(value: Any, key: str) -> Any:
    """Return the field of a record that pydantic dumps under a key: its name or its alias."""
    fields: Mapping[str, Any] = getattr(type(value), "__pydantic_fields__", {})
    named = (name for name, field in fields.items() if field.serialization_alias == key)
    return getattr(value, next(named, key), None)


def _check_keys(plain: Mapping[str, Any]) -> None:
    if any(map(problem_of_leaf, plain)):
        raise refusal(plain, "has a key with a character that UTF-8 cannot encode")


def _is_secret(value: object) -> bool:
    import pydantic

    return isinstance(value, pydantic.SecretStr | pydantic.SecretBytes | pydantic.Secret)
