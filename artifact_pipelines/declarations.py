"""Entries of a dataset's YAML file: frozen models, chosen from a union by a tag.

One idea: a sampling design, an analysis or a file format is one class that declares its fields and does its work.
Errors name the wrong field itself, both when a file is loaded and in `dg check yaml`.
"""

import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

import pydantic
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from artifact_pipelines.core.exceptions import InvalidArgumentError


def checked_by(check: Callable[[str], object]) -> pydantic.AfterValidator:
    """Return a validator that reports a check's error at the field; a template is checked after it is filled in."""

    def validate(text: str) -> str:
        try:
            if "{{" not in text:
                check(text)
        except InvalidArgumentError as error:
            raise ValueError(str(error)) from error
        return text

    return pydantic.AfterValidator(validate)


def check_word(value: object) -> object:
    """Refuse true and false where a word is meant: YAML reads `no`, `off`, `on` and `yes` as these."""
    if isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - pydantic reports no TypeError
            f"YAML reads {'on, yes' if value else 'no, off'} as {str(value).lower()}. Put it in quotes."
        )
    return value


def check_words(values: object) -> object:
    """Refuse a list with texts and, as YAML reads `no`, true or false."""
    if isinstance(values, Sequence) and str in {*map(type, values)}:
        return [check_word(value) for value in values]
    return values


class Fields(pydantic.BaseModel):
    """Fields of which a number takes no true and false, which pydantic would read as 1 and 0."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _flags_are_no_numbers(cls, value: object, info: pydantic.ValidationInfo) -> object:
        _refuse_flags(cls.model_fields[info.field_name or ""].annotation, value)
        return value


def _refuse_flags(expected: Any, value: object) -> None:
    kinds = list(_alternatives(expected))
    if isinstance(value, bool) and bool not in kinds:
        if any(isinstance(kind, type) and issubclass(kind, int | float) for kind in kinds):
            raise ValueError(f"{str(value).lower()} is no number")
    elif isinstance(value, Mapping):
        for of_values in (get_args(kind)[1] for kind in kinds if get_origin(kind) is Mapping):
            for each in value.values():
                _refuse_flags(of_values, each)


def _alternatives(expected: Any) -> Iterator[Any]:
    """Yield the types of a union, or the only one."""
    if get_origin(expected) is Annotated:
        expected = get_args(expected)[0]
    if get_origin(expected) in (Union, types.UnionType):
        for each in get_args(expected):
            yield from _alternatives(each)
    else:
        yield expected


class Declaration(Fields):
    """A member of a union.

    Attributes:
        TAG: The field that names the member; its type is a literal, and its default the same literal.
        CODE_VERSION: Raise it when the code gives another result for the same fields.
        UNVERSIONED: Names of fields that do not change the result, such as limits.
    """

    TAG: ClassVar[str]
    CODE_VERSION: ClassVar[str] = "1"
    UNVERSIONED: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def tag(cls) -> Any:
        """Return the tag's value, such as `simple_random`."""
        return cls.model_fields[cls.TAG].default

    def code_version(self) -> str:
        """Return the code version of the asset: class, code and the fields that differ from their defaults."""
        fields = self.model_dump_json(exclude_defaults=True, exclude=set(self.UNVERSIONED))
        return f"{self.tag()} {self.CODE_VERSION} {fields}"


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Annotates a field that takes one of several declarations: `Annotated[IAnalysisKind, OneOf([Profile, Sql])]`.

    pydantic's own tagged union would put the tag into the path of an error, where no YAML file has a line for it, and
    its JSON schema would report a wrong field as a wrong member.

    Attributes:
        members: The declarations that a YAML file can name. Code can pass any other instance of the annotated class.
        default: The member if the tag is left out; None: the tag is required.
    """

    members: Sequence[type[Declaration]]
    default: type[Declaration] | None = None

    def __get_pydantic_core_schema__(self, source: type, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        """Return the validator."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, source) else self._validated(value)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema: the tag chooses which other fields are checked."""
        tag = self.members[0].TAG

        def matches(member: type[Declaration]) -> dict[str, Any]:
            required = [] if member is self.default else [tag]
            return {"properties": {tag: {"const": member.tag()}}, "required": required}

        return {
            "type": "object",
            "properties": {tag: {"enum": [member.tag() for member in self.members]}},
            "required": [] if self.default else [tag],
            "allOf": [{"if": matches(each), "then": handler(each.__pydantic_core_schema__)} for each in self.members],
        }

    def _validated(self, value: object) -> Declaration:
        if not isinstance(value, Mapping):
            return self.members[0].model_validate(value)  # reports that it is no mapping
        given = {name: one for name, one in value.items() if one is not None}  # null in YAML: left out
        return self._member(given).model_validate(given)

    def _member(self, value: Mapping[str, Any]) -> type[Declaration]:
        tag = self.members[0].TAG
        found = value.get(tag, self.default and self.default.tag())
        for member in self.members:
            if found == member.tag():
                return member
        # A built-in error type: Dagster adds file and line to no other.
        allowed = " or ".join(repr(member.tag()) for member in self.members)
        error = InitErrorDetails(type="literal_error", loc=(tag,), input=found, ctx={"expected": allowed})
        raise pydantic.ValidationError.from_exception_data(tag, [error])
