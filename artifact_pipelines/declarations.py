"""An entry of a dataset's YAML file as a frozen model, chosen from a union by its tag.

One idea: a sampling design, an analysis or a file format is one object that declares its fields, describes itself and
does its work. An error names the wrong field itself, on loading a file as in `dg check yaml`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pydantic
from pydantic_core import CoreSchema, InitErrorDetails, core_schema


class Declaration(pydantic.BaseModel):
    """A member of a union; its values never change.

    Attributes:
        TAG: The field whose value chooses the member; the member declares it as a literal with that default.
        CODE_VERSION: To be raised when the same declaration gives another result than before.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
    TAG: ClassVar[str]
    CODE_VERSION: ClassVar[str] = "1"

    @classmethod
    def tag(cls) -> Any:
        """Return the tag's value, such as `simple_random`."""
        return cls.model_fields[cls.TAG].default

    def code_version(self) -> str:
        """Return the code version of an asset that does this; a field left at its default does not show in it."""
        return f"{self.tag()} {self.CODE_VERSION} {self.model_dump_json(exclude_defaults=True)}"


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Annotation of a field that takes one of several declarations: `Annotated[IDesign, OneOf(DESIGNS)]`.

    Attributes:
        members: The declarations that a YAML file may name; code may pass any instance of the annotated class.
        untagged: The one meant where the tag is left out; None: the tag is required.
    """

    members: Sequence[type[Declaration]]
    untagged: type[Declaration] | None = None

    def __get_pydantic_core_schema__(self, source: type, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        """Return how pydantic validates the field."""
        return core_schema.no_info_plain_validator_function(
            lambda value: value if isinstance(value, source) else self.chosen(value).model_validate(value)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return conditions, because of `anyOf` a validator could only report that nothing fits."""
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
        is_tagged = isinstance(value, Mapping) and tag in value
        if not is_tagged and self.untagged is not None:
            return self.untagged
        found = value[tag] if isinstance(value, Mapping) and is_tagged else value
        for member in self._candidates() if is_tagged else ():
            if found == member.tag():
                return member
        # An error of pydantic's own types: Dagster adds file and line to no other.
        allowed = " or ".join(repr(member.tag()) for member in self.members)
        error = InitErrorDetails(type="literal_error", loc=(tag,), input=found, ctx={"expected": allowed})
        raise pydantic.ValidationError.from_exception_data(tag, [error])

    def _candidates(self) -> Sequence[type[Declaration]]:
        others = [self.untagged] if self.untagged and self.untagged not in self.members else []
        return [*self.members, *others]


def _schema(member: type[Declaration], handler: pydantic.GetJsonSchemaHandler) -> Mapping[str, Any]:
    return handler(member.__pydantic_core_schema__)
