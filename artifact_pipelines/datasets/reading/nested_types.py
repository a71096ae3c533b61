"""Lists and structs of a later file: the type of the version before with what it lacks.

One idea: a list follows its items, a struct its fields, and these follow the rules of columns. A field that a struct of
the file lacks is null.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from artifact_pipelines.datasets.exceptions import SchemaMismatchError
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.named_types import type_of_arrow

_LIST = re.compile(r"list<item: (.+)>")
_STRUCT = re.compile(r"struct<(.+)>")
_MAP = re.compile(r"map<(.+?)(, keys_sorted)?>")
_ARRAY = re.compile(r"fixed_size_list<item: (.+)>\[(\d+)\]")
_MOMENT = re.compile(r"timestamp\[(\w+), tz=(.+)\]")
_KIND = re.compile(r"\w+([<\[(].*[>\])])?")
_PART = re.compile(r"[<>\[\]()]|, ")


def items_of(name: str) -> str | None:
    """Return the name of the type of a list's items; None: it is no list."""
    match = _LIST.fullmatch(name)
    return match[1] if match else None


def fields_of(name: str) -> Mapping[str, str] | None:
    """Return the fields of a struct with the names of their types; None: it is no struct, or cannot be taken apart.

    Fields whose own names hold commas, colons or brackets make it so.
    """
    if not (match := _STRUCT.fullmatch(name)):
        return None
    pairs = [field.partition(": ") for field in _parts(match[1])]
    return {field: kind for field, _, kind in pairs} if all(_KIND.fullmatch(kind) for _, _, kind in pairs) else None


def _parts(text: str) -> Sequence[str]:
    """Cut a text at its commas that are in no brackets."""
    parts, start, depth = [], 0, 0
    for part in _PART.finditer(text):
        depth += (part[0] in "<[(") - (part[0] in ">])")
        if part[0] == ", " and not depth:
            parts.append(text[start : part.start()])
            start = part.end()
    return [*parts, text[start:]]


def arrow_type(name: str) -> pa.DataType | None:
    """Return the type with a name of Arrow's; None: the name does not say it all."""
    if known := type_of_arrow(name):
        return known.arrow
    if items := items_of(name):
        kind = arrow_type(items)
        return None if kind is None else pa.list_(kind)
    if fields := fields_of(name):
        kinds = {field: arrow_type(each) for field, each in fields.items()}
        return None if None in kinds.values() else pa.struct(list(kinds.items()))
    if match := _MAP.fullmatch(name):
        both = [*map(arrow_type, _parts(match[1]))]  # more than both if names hold brackets
        return pa.map_(*both, keys_sorted=bool(match[2])) if len(both) == 2 and None not in both else None
    if match := _ARRAY.fullmatch(name):
        kind = arrow_type(match[1])
        return None if kind is None else pa.list_(kind, int(match[2]))
    if match := _MOMENT.fullmatch(name):
        return pa.timestamp(match[1], match[2])
    try:
        return pa.type_for_alias(name)
    except ValueError:
        return None


def joined_fields(
    before: Mapping[str, str], found: Collection[str], contract: Contract, label: str, path: str
) -> Sequence[str]:
    """Return the fields of a struct: those of the version before, then new ones.

    Args:
        path: The place of the struct in its column, such as `point.corners[]`.

    Raises:
        SchemaMismatchError: The contract does not allow new ones, or fewer; or two differ in case only.
    """
    new = [f"{path}.{name}" for name in found if name not in before]
    missing = [f"{path}.{name}" for name in before if name not in found]
    if contract.on_schema_change in ("declared", "fail") and (new or missing):
        what = f"new fields {_shown(new)}" if new else f"missing fields {_shown(missing)}"
        problem = f"{what}, unlike {contract.before}"
        remedy = "Fix the file, or set `on_schema_change: add_columns` in the dataset's YAML file"
        raise SchemaMismatchError(label, problem, remedy)
    names = [*before, *(name for name in found if name not in before)]
    if len({name.casefold() for name in names}) < len(names):
        problem = f"new fields {_shown(new)} differ in case only from fields in {contract.before}"
        raise SchemaMismatchError(label, problem, "Rename them in the file")
    return names


def other_type(path: str, found: pa.DataType, before: str, contract: Contract, label: str) -> SchemaMismatchError:
    """Return the error about values of another type than in the version before."""
    problem = f"column {path!r} is {found}, and {before} in {contract.before}"
    remedy = "Fix the file, or set `on_schema_change: accept` in the dataset's YAML file"
    return SchemaMismatchError(label, problem, remedy)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(f"{name!r:.200}" for name in names[:10])
