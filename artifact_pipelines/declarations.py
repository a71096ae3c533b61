"""Entries of a dataset's YAML file: frozen models, chosen from a union by a tag.

One idea: a sampling design, an analysis or a file format is one class that declares its fields and does its work.
Errors name the wrong field itself, both when a file is loaded and in `dg check yaml`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pydantic
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

_LEFT_OUT = object()


class Declaration(pydantic.BaseModel):
    """A member of a union.

    Attributes:
        TAG: The field that names the member; its type is a literal, and its default the same literal.
        CODE_VERSION: Raise it when the code gives another result for the same fields.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    TAG: ClassVar[str]
    CODE_VERSION: ClassVar[str] = "1"

    @classmethod
    def tag(cls) -> Any:
        """Return the tag's value, such as `simple_random`."""
        return cls.model_fields[cls.TAG].default

    def code_version(self) -> str:
        """Return the code version of the asset: class, code and the fields that differ from their defaults."""
        return f"{self.tag()} {self.CODE_VERSION} {self.model_dump_json(exclude_defaults=True)}"


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Annotates a field that takes one of several declarations: `Annotated[ISamplingDesign, OneOf(DESIGNS)]`.

    Attributes:
        members: The declarations that a YAML file can name. Code can pass any other instance of the annotated class.
        untagged: The declaration if the tag is left out; None: the tag is required.
    """

    members: Sequence[type[Declaration]]
    untagged: type[Declaration] | None = None

    def __get_pydantic_core_schema__(self, source: type, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        """Return the validator."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, source) else self.chosen(value).model_validate(value)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return a schema of conditions: with `anyOf`, a wrong field would be reported as a wrong member."""
        tag, members = self.members[0].TAG, self._candidates()
        cases: list[dict[str, Any]] = [
            {"if": {"properties": {tag: {"const": member.tag()}}, "required": [tag]}, "then": _schema(member, handler)}
            for member in members
        ]
        own: dict[str, Any] = {"type": "object", "properties": {tag: {"enum": [member.tag() for member in members]}}}
        if self.untagged is None:
            return {**own, "required": [tag], "allOf": cases}
        left_out = {"if": {"not": {"required": [tag]}}, "then": _schema(self.untagged, handler)}
        return {**own, "allOf": [*cases, left_out]}

    def chosen(self, value: object) -> type[Declaration]:
        """Return the declaration that a mapping's tag chooses.

        Raises:
            pydantic.ValidationError: The tag is missing or names no member.
        """
        tag = self.members[0].TAG
        found = value.get(tag, _LEFT_OUT) if isinstance(value, Mapping) else _LEFT_OUT
        if found is _LEFT_OUT and self.untagged is not None:
            return self.untagged
        for member in self._candidates():
            if found == member.tag():
                return member
        # A built-in error type: Dagster adds file and line to no other.
        allowed = " or ".join(repr(member.tag()) for member in self.members)
        error = InitErrorDetails(
            type="literal_error", loc=(tag,), input=value if found is _LEFT_OUT else found, ctx={"expected": allowed}
        )
        raise pydantic.ValidationError.from_exception_data(tag, [error])

    def _candidates(self) -> Sequence[type[Declaration]]:
        others = [self.untagged] if self.untagged and self.untagged not in self.members else []
        return [*self.members, *others]


def _schema(member: type[Declaration], handler: pydantic.GetJsonSchemaHandler) -> Mapping[str, Any]:
    return handler(member.__pydantic_core_schema__)
