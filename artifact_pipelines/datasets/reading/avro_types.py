"""Types of Avro as types of Arrow, exact.

The one idea: values are decoded without their logical types, which the decoder would turn into Python's dates and
times, with fewer years and digits. Arrow takes the bare numbers as moments of any unit.
"""

import dataclasses
import decimal
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

_EXACT = decimal.Context(prec=1_000)
_MOST_DIGITS = 38
_UNITS = (("milli", "ms"), ("micro", "us"), ("nano", "ns"))
_PLAIN = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}
_LOGICAL = {
    ("int", "date"): pa.date32(),
    ("int", "time-millis"): pa.time32("ms"),
    ("long", "time-micros"): pa.time64("us"),
    **{("long", f"timestamp-{name}s"): pa.timestamp(unit, "UTC") for name, unit in _UNITS},
    **{("long", f"local-timestamp-{name}s"): pa.timestamp(unit) for name, unit in _UNITS},
}


class UnknownAvroTypeError(Exception):
    """A type that no column of a table can have; its text says why. The caller names the column."""


@dataclasses.dataclass(frozen=True, slots=True)
class AvroType:
    """How values become those of an Arrow type.

    Attributes:
        convert: Makes a decoded value that is not null one that Arrow takes; None: it is one.
    """

    arrow: pa.DataType
    convert: Callable[[Any], Any] | None = None

    def to_array(self, values: Sequence[Any]) -> pa.Array:
        """Return decoded values as an array.

        Raises:
            pa.ArrowInvalid: A value does not fit its type, such as a decimal with too many digits.
        """
        return pa.array(_each(values, self.convert), self.arrow)


def avro_type(schema: Any, named: Mapping[str, Any]) -> AvroType:
    """Return the type of values.

    Args:
        named: Schemas by their full names: those that a schema may refer to.

    Raises:
        UnknownAvroTypeError: No column has such a type.
    """
    if isinstance(schema, list):
        return _type_of_union(schema, named)
    if isinstance(schema, str):
        return AvroType(_PLAIN[schema]) if schema in _PLAIN else _type_of_name(schema, named)
    match schema["type"]:
        case "record" | "error":
            return _type_of_record(schema, named)
        case "array":
            items = avro_type(schema["items"], named)
            return AvroType(pa.list_(items.arrow), items.convert and (lambda values: _each(values, items.convert)))
        case "map":
            values = avro_type(schema["values"], named)
            return AvroType(
                pa.map_(pa.string(), values.arrow),
                values.convert
                and (lambda found: dict(zip(found, _each(list(found.values()), values.convert), strict=True))),
            )
        case "enum":
            return AvroType(pa.string())
        case "fixed" | "bytes" | "int" | "long" | "string" as kind:
            return _logical_type(kind, schema)
        case inner:
            return avro_type(inner, named)


def without_logical_types(schema: Any) -> Any:
    """Return a schema whose values are decoded as what they are stored as."""
    if isinstance(schema, list):
        return [without_logical_types(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: without_logical_types(schema[name]) for name in ("type", "items", "values") if name in schema}
    if "fields" in schema:
        inner["fields"] = [without_logical_types(field) for field in schema["fields"]]
    return {name: value for name, value in {**schema, **inner}.items() if name not in ("logicalType", "default")}


def _each(values: Sequence[Any], convert: Callable[[Any], Any] | None) -> Sequence[Any]:
    return [None if value is None else convert(value) for value in values] if convert else values


def _type_of_union(schema: Sequence[Any], named: Mapping[str, Any]) -> AvroType:
    kinds = [each for each in schema if each != "null"]
    if len(kinds) > 1:
        raise UnknownAvroTypeError("a union of several types")
    return avro_type(kinds[0] if kinds else "null", named)


def _type_of_name(name: str, named: Mapping[str, Any]) -> AvroType:
    """Return the type of a schema that stands elsewhere. Inside of itself it is unknown: such values have no end."""
    if name not in named:
        raise UnknownAvroTypeError("a record that contains itself")
    return avro_type(named[name], {other: schema for other, schema in named.items() if other != name})


def _type_of_record(schema: Mapping[str, Any], named: Mapping[str, Any]) -> AvroType:
    outside = {name: other for name, other in named.items() if name != schema["name"]}
    types = [(field["name"], avro_type(field["type"], outside)) for field in schema["fields"]]
    converted = {name: kind.convert for name, kind in types if kind.convert}

    def convert(record: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**record, **{name: _each([record[name]], each)[0] for name, each in converted.items()}}

    return AvroType(pa.struct([(name, kind.arrow) for name, kind in types]), convert if converted else None)


def _logical_type(kind: str, schema: Mapping[str, Any]) -> AvroType:
    """Return the type of a schema that may have a logical type; one that does not fit is ignored, as Avro demands."""
    logical, size = schema.get("logicalType"), schema.get("size")
    if kind in ("bytes", "fixed") and logical == "decimal":
        return _decimal_type(schema)
    if (kind, logical, size) == ("fixed", "duration", 12):
        raise UnknownAvroTypeError("a duration of months, days and milliseconds")
    if (kind, logical, size) == ("fixed", "uuid", 16):
        return AvroType(pa.string(), lambda value: str(uuid.UUID(bytes=value)))
    plain = pa.binary(size) if kind == "fixed" else _PLAIN[kind]
    return AvroType(_LOGICAL.get((kind, str(logical)), plain))


def _decimal_type(schema: Mapping[str, Any]) -> AvroType:
    precision, scale = schema.get("precision"), schema.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int) or not 0 <= scale <= precision <= _MOST_DIGITS:
        raise UnknownAvroTypeError(f"a decimal of {precision} digits, {scale} of them after the point")
    return AvroType(
        pa.decimal128(precision, scale), lambda value: _EXACT.scaleb(int.from_bytes(value, signed=True), -scale)
    )
