"""Says what is wrong in a dataset's YAML file as a person would: the field, what is allowed, and what was meant.

One idea: pydantic and PyYAML find the errors, this module words them. Must not import Dagster.
"""

import contextlib
import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pydantic
import yaml

Expected = TypeVar("Expected")
Place = tuple[int | str, ...]
"""Keys from the top of the file to a field."""
_SHOWN = 30
_PATTERNS = {
    r"^[a-z][a-z0-9_]{0,62}$": "a name of small letters, digits and `_` that begins with a letter",
    r"^(team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$": "an e-mail address or `team:name`",
    "^[\x01-\x7f]$": "one character of ASCII",
}

_REMEDIES = (
    ("character '\\t'", "this line is indented with a tab: use spaces", False),
    ("unknown escape character", "a backslash in double quotes: put the text in single quotes", False),
    ("quoted scalar", "a quote begins here and does not end: close it, and double it inside of the text", True),
    (
        "mapping values are not allowed",
        "a value with `: ` needs quotes, or this line is indented further than the one above",
        False,
    ),
    ("scanning an alias", "a value that begins with * needs quotes", False),
    ("scanning an anchor", "a value that begins with & needs quotes", False),
    ("found unhashable key", "a value that begins with { needs quotes", False),
    ("found duplicate key", "this field stands here a second time: delete one of the two", False),
    ("cannot start any token", "a value that begins with this character needs quotes", False),
    ("a flow", "a bracket begins here and does not end, or a comma is missing in it", True),
    ("but found '<scalar>'", "text after a closing quote: double a quote inside of the text", False),
    ("expected <block end>", "this line is not indented as the lines above it", False),
    ("could not find expected ':'", "a colon and a space are missing after a name", True),
)
"""Words of PyYAML, what a person would say, and whether the place is the beginning of what is wrong, not its end."""


def explain(
    error: pydantic.ValidationError, schema: Mapping[str, Any], given: Mapping[str, Any]
) -> Sequence[tuple[Place, str]]:
    """Return the place of each error and its text.

    Args:
        schema: JSON schema of what was expected.
        given: The values that are wrong.
    """
    errors: Sequence[Any] = error.errors(include_url=False)
    found = [{**each, "loc": _of_values(each["loc"], given)} for each in errors]
    told = [each for each in found if each["loc"][-1:] != ("str",)] or found  # else a template could stand here, too
    return [(_place(each["loc"]), _text(each, schema, given)) for each in told]


def _of_values(keys: Place, given: Any) -> Place:
    """Return keys without the names of types between them, which pydantic adds where a value may have several types."""
    kept: list[int | str] = []
    for key in keys[:-1]:
        with contextlib.suppress(KeyError, TypeError):
            given = given[key]
            kept.append(key)
    return (*kept, *keys[-1:])


def checked(
    expected: pydantic.TypeAdapter[Expected],
    fields: object,
    refuse: Callable[[Sequence[str]], Exception],
    place: Place = (),
) -> Expected:
    """Return what fields declare that were given in Python.

    Args:
        expected: What they should be.
        fields: The fields.
        refuse: Makes the error of sentences on what is wrong.
        place: Where the fields stand in those that the caller gave.
    """
    try:
        return expected.validate_python(fields)
    except pydantic.ValidationError as error:
        given = fields if isinstance(fields, Mapping) else {}
        found = explain(error, expected.json_schema(), given)
        raise refuse([_sentence((*place, *at), text) for at, text in found]) from error


def _sentence(place: Place, text: str) -> str:
    named = f"{'.'.join(map(str, place))}: {text}" if place else text
    return named if named.endswith("?") else f"{named}."


def _place(keys: Place) -> Place:
    """Return the place of a name, of which pydantic gives the position in the place of the name itself."""
    return keys[:-2] if keys[-1:] == ("[key]",) else keys


def find_syntax_error(content: bytes) -> tuple[int, int, str] | None:
    """Return line and column, both from 1, where a file stops being YAML, and what is wrong there; None: it is YAML."""
    try:
        list(yaml.load_all(content.decode(), _LoaderOnce))
    except yaml.MarkedYAMLError as error:
        problem = f"{error.context or ''}: {error.problem or ''}".strip(": ")
        found = [(text, is_at_begin) for words, text, is_at_begin in _REMEDIES if words in problem]
        remedy, is_at_begin = found[0] if found else (f"this is no YAML: {problem}", False)
        mark = (is_at_begin and error.context_mark) or error.problem_mark or error.context_mark
        return (mark.line + 1, mark.column + 1, remedy) if mark else (1, 1, remedy)
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = len(before) - (before.rfind(b"\n") + 1)
        return before.count(b"\n") + 1, column + 1, "this is no UTF-8: save the file in this encoding"
    except yaml.YAMLError as error:
        return 1, 1, f"this is no YAML: {' '.join(str(error).split())}"
    return None


class _LoaderOnce(yaml.SafeLoader):  # type: ignore[misc]
    """Refuses a field that stands twice in a mapping; YAML's own loader takes the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, "found duplicate key", key.start_mark)
            seen.add(str(key.value))
        return dict(super().construct_mapping(node, deep))


def _text(error: Any, schema: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    place, value, context = error["loc"], error["input"], error.get("ctx", {})
    field = str(place[-1]) if place else ""
    match error["type"]:
        case "extra_forbidden":
            fields = _fields_at(schema, place[:-1], given)
            listed = ", ".join(list(fields)[:_SHOWN])
            return f"there is no field `{field}`. Fields: {listed}{_meant(field, list(fields))}"
        case "missing":
            about = _fields_at(schema, place[:-1], given).get(field, {}).get("description", "")
            return f"`{field}` is missing. {about}".rstrip(" .")
        case "literal_error" | "enum":
            words = re.findall(r"'([^']*)'", context["expected"])
            return f"{value!r} is none of {', '.join(words)}{_meant(value, words)}"
        case "model_type" | "dict_type" | "sequence_str" | "list_type" | "is_instance_of" if value is None and field:
            return f"`{field}` has no value: indent the lines that belong to it, or delete it"
        case "model_type" | "dict_type":
            return f"fields such as `name: value` are expected here, not {value!r:.100}"
        case "sequence_str" | "list_type" | "is_instance_of":
            return f"a list such as `[name]` is expected here, not {value!r:.100}"
        case "too_short" if context["min_length"] == 1:
            return f"{value!r} is not accepted: it must not be empty"
        case "string_type" if field == "[key]":
            return f"YAML reads this name as {value!r}: put it in quotes"
        case "string_pattern_mismatch":
            expected = _PATTERNS.get(context["pattern"], f"a text of the pattern {context['pattern']}")
            return f"{value!r} is not {expected}"
        case "value_error":
            text = str(context["error"]).rstrip(". ")
            if isinstance(value, str) and value.count("(") > value.count(")"):
                return f"{text}. A text with a comma needs quotes within braces"
            return text + (_meant(value, re.findall(r"\w+", text)) if repr(value) in text else "")
    message = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
    if value is None:
        return f"`{field}` has no value: {message}"
    return f"{value!r:.100} is not accepted: {message}"


def _meant(value: object, words: Sequence[str]) -> str:
    """Return the question whether a similar word was meant, if there is one."""
    if not isinstance(value, str) or not value.isidentifier():
        return ""
    found = difflib.get_close_matches(value, [word for word in words if word != value], 1, 0.7)
    return f". Did you mean `{found[0]}`?" if found else ""


def _fields_at(schema: Mapping[str, Any], place: Place, given: Any) -> Mapping[str, Any]:
    """Return the fields that a JSON schema has at a place, by name, each with its own schema."""
    at = [schema]
    for key in place:
        at = [below for each in at for below in _below(schema, each, key, given)]
        given = given[key] if isinstance(given, Mapping) and key in given else None
    return {name: field for each in at for part in _parts(schema, each, given) for name, field in _own(part)}


def _own(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from schema.get("properties", {}).items()


def _below(root: Mapping[str, Any], schema: Mapping[str, Any], key: int | str, given: Any) -> Iterator[Any]:
    for part in _parts(root, schema, given):
        fields = part.get("properties", {})
        of_any = [part.get("additionalProperties"), part.get("items"), *part.get("patternProperties", {}).values()]
        yield from (each for each in ([fields[key]] if key in fields else of_any) if isinstance(each, Mapping))


def _parts(root: Mapping[str, Any], schema: Mapping[str, Any], given: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a schema with those that it refers to, and of those that depend on a value only the one that fits."""
    if reference := schema.get("$ref"):
        yield from _parts(root, root["$defs"][reference.rsplit("/", 1)[-1]], given)
    yield schema
    for each in [*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        if "if" not in each or _fits(each["if"], given):
            yield from _parts(root, each.get("then", each), given)


def _fits(condition: Mapping[str, Any], given: Any) -> bool:
    values = given if isinstance(given, Mapping) else {}
    return all(
        values.get(name) == field.get("const") if name in values else name not in condition.get("required", ())
        for name, field in condition.get("properties", {}).items()
    )


def for_editors(schema: Any) -> Any:
    """Return a JSON schema that leaves to `explain` what a validator of JSON schemas cannot say well.

    That are unknown fields, patterns, fields without a value, and alternatives, of which such a validator says that
    none is valid.
    """
    if isinstance(schema, list):
        return [for_editors(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: for_editors(each)
        for name, each in schema.items()
        if not (name == "pattern" and isinstance(each, str)) and not (name == "additionalProperties" and each is False)
    }
    if kept.get("type") in ("object", "array"):
        kept["type"] = [kept["type"], "null"]
    if isinstance(alternatives := kept.get("anyOf"), list):
        del kept["anyOf"]
        others = [each for each in alternatives if each.get("type") != "null"]
        if len(others) == 1 and isinstance(others[0].get("type"), str):
            [other] = others
            words = {"enum": [*other["enum"], None]} if "enum" in other else {}
            kept = {**other, **words, "type": [other["type"], "null"], **kept}
    return kept
