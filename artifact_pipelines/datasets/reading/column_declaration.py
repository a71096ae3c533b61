"""What a dataset's YAML file says about a column: `name: TYPE`, or a mapping with rules for its values."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import pydantic

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.datasets.reading.column_types import (
    Boolean,
    ColumnType,
    Date,
    Decimal,
    Float,
    Integer,
    Timestamp,
)
from artifact_pipelines.datasets.reading.named_types import declared_type
from artifact_pipelines.datasets.reading.spelling import PLAIN, Spelling, check_date_format, check_timestamp_format
from artifact_pipelines.declarations import check_word, check_words, checked_by


def _text(value: object) -> object:
    """Return a value of YAML as the text of a file."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | datetime.date) else value


def _check_pattern(pattern: str) -> None:
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        raise InvalidArgumentError("pattern", pattern, "a regular expression of RE2") from error


def _check_format(declared: str, kind: ColumnType) -> None:
    if not isinstance(kind, Timestamp):
        check_date_format(declared)
        return
    check_timestamp_format(declared)
    if declared.endswith("%z") != kind.any_offset:
        expected = "a format that ends with %z, or type TIMESTAMP" if kind.any_offset else "no %z, or type TIMESTAMPTZ"
        raise InvalidArgumentError("timestamp format", declared, expected)


_PAIRS = ({"decimal_mark", "thousands_mark"}, {"true_values", "false_values"})
_Number, _Moment = Integer | Decimal | Float, Date | Timestamp
_SPELLED: Mapping[str, Any] = {
    "format": _Moment,
    "decimal_mark": _Number,
    "thousands_mark": _Number,
    "true_values": Boolean,
    "false_values": Boolean,
}
_Type = Annotated[str, checked_by(declared_type)]
_Value = Annotated[
    str, pydantic.BeforeValidator(_text), pydantic.WithJsonSchema({"not": {"type": ["object", "array"]}})
]
_Mark = Annotated[str, pydantic.Field(min_length=1, max_length=1)]
_Values = Annotated[Sequence[_Value], pydantic.BeforeValidator(check_words), pydantic.Field(min_length=1)]
_Words = Annotated[Sequence[Annotated[_Value, pydantic.BeforeValidator(check_word)]], pydantic.Field(min_length=1)]


class ColumnDeclaration(pydantic.BaseModel):
    """The type of a column, how its values are written, and the rules that they follow. Null breaks only `nullable`."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", json_schema_extra={"type": ["object", "string"]})

    type: _Type | None = pydantic.Field(default=None, description="DuckDB type; left out: found on all rows.")
    description: str | None = pydantic.Field(
        default=None, min_length=1, description="Meaning and unit, for the pages of the table and its samples."
    )
    required: bool = pydantic.Field(default=True, description="False: a file may lack the column.")
    nullable: bool = pydantic.Field(default=True, description="False: null is refused.")
    unique: bool = pydantic.Field(default=False, description="True: no value stands twice in the table.")
    allowed: _Values | None = pydantic.Field(default=None, description="All values that may occur.")
    min: _Value | None = pydantic.Field(default=None, description="Smallest value that may occur.")
    max: _Value | None = pydantic.Field(default=None, description="Largest value that may occur.")
    pattern: Annotated[str, checked_by(_check_pattern)] | None = pydantic.Field(
        default=None, description="Regular expression (RE2) that each whole text matches."
    )
    format: str | None = pydantic.Field(default=None, description="Of dates or timestamps, such as %d/%m/%Y.")
    decimal_mark: _Mark | None = pydantic.Field(default=None, description="Before the fraction of a number.")
    thousands_mark: _Mark | None = pydantic.Field(default=None, description="Between groups of three digits.")
    true_values: _Words | None = pydantic.Field(default=None, description="Words that mean true.")
    false_values: _Words | None = pydantic.Field(default=None, description="Words that mean false.")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _type_alone(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if "{{" not in value:
            try:
                declared_type(value)
            except InvalidArgumentError as error:  # of the column: there is no field `type` to name
                raise ValueError(str(error)) from error
        return {"type": value}

    @pydantic.model_validator(mode="after")
    def _spelled_with_type(self) -> "ColumnDeclaration":
        if self.type is None and self.spelled:
            names = ", ".join(f"`{name}`" for name in self.spelled)
            raise ValueError(f"{names} without `type`. Add the column's type, such as `type: DATE`.")
        if self.type and "{{" not in self.type + (self.format or ""):
            kind = declared_type(self.type)
            if foreign := [name for name in self.spelled if not isinstance(kind, _SPELLED[name])]:
                raise ValueError(f"`{foreign[0]}` says nothing about {self.type}. Remove it, or fix `type`.")
            try:
                # The format of the file may have the other one of a pair, so one alone is checked when it is known.
                if any(pair <= self.spelled.keys() for pair in _PAIRS):
                    self.spelling(PLAIN)
                if self.format:
                    _check_format(self.format, kind)
            except InvalidArgumentError as error:
                raise ValueError(str(error)) from error
        return self

    @property
    def spelled(self) -> dict[str, Any]:
        """The fields that say how values are written."""
        names = {"format", "decimal_mark", "thousands_mark", "true_values", "false_values"}
        return self.model_dump(include=names, exclude_none=True)

    @property
    def checks(self) -> dict[str, Any]:
        """The fields that are rules for values."""
        return self.model_dump(exclude_defaults=True, exclude={"type", "description", "required", *self.spelled})

    def spelling(self, usual: Spelling) -> Spelling:
        """Return how values are written: as declared here, else as the file's format declares."""
        mine = self.spelled
        return Spelling(
            self.format or usual.date_format,
            self.format or usual.timestamp_format,
            mine.get("decimal_mark", usual.decimal_mark),
            mine.get("thousands_mark", usual.thousands_mark),
            tuple(mine.get("true_values", usual.true_values)),
            tuple(mine.get("false_values", usual.false_values)),
        )
