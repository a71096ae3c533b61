"""Holds the names of a file's columns to the dataset's contract."""

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence

from artifact_pipelines.datasets.exceptions import NoHeaderError, PaddedValuesError, SchemaMismatchError
from artifact_pipelines.datasets.reading.contract import Contract

Examples = Callable[[int], Sequence[str]]
"""Returns some values of the column at a place, from 0."""
MOST_EXAMPLES = 3
_MOST_NAMES = 10
_DELIMITERS = ";|\t,\x01\x1e\x1f"
_RARE_DELIMITERS = ("^", "~", None)
"""Names of columns may have them too; None: white space."""
_VALUE = re.compile(r"[-+]?[0-9][0-9.,:/T+ Z-]*")
_DRAWN = re.compile(r"[+=-]{3,}|.*\S {2,}\S.*")
"""A line of a table that is drawn or aligned for people."""
_FIX = "Fix the file, or"
_ACCEPT = "set `on_schema_change: accept` in the dataset's YAML file"


def check_columns(names: Sequence[str], contract: Contract, label: str, examples: Examples = lambda _: ()) -> None:
    """Hold the names of a file's columns to the contract.

    Raises:
        SchemaMismatchError: Columns are missing or have the same name; or they are new or in another order where the
            contract allows it not; or the file has lost its header or its delimiter.
    """
    names = list(names)

    def shown(some: Sequence[str]) -> str:
        more = f" and {len(some) - _MOST_NAMES:,} more" if len(some) > _MOST_NAMES else ""
        return ", ".join(_with_examples(name, examples(names.index(name))) for name in some[:_MOST_NAMES]) + more

    _check_repeated(names, label, examples)
    if missing := [name for name in contract.required if name not in names]:
        problem = _missing(missing, names, shown(names), "declares")
        raise SchemaMismatchError(label, problem, f"{_FIX} change `columns` or `key` in the dataset's YAML file")
    declared = {*contract.columns, *contract.rules, *contract.key}
    if contract.on_schema_change == "declared" and (undeclared := [name for name in names if name not in declared]):
        problem = f"columns {shown(undeclared)}, which the dataset does not declare"
        raise SchemaMismatchError(label, problem, f"{_FIX} declare them in `columns` of the dataset's YAML file")
    if contract.before is None:
        return
    version = str(contract.before)
    optional = contract.rules.keys() - set(contract.required)
    if missing := [name for name in contract.kept if name not in names and name not in optional]:
        raise SchemaMismatchError(
            label, _missing(missing, names, shown(names), f"has in {version}"), f"{_FIX} {_ACCEPT}"
        )
    known = contract.known_columns
    if not set(known) & set(names) and (lost := _lost(names)):
        problem = f"{lost}; {version} has {_named(list(contract.before.columns))}; found {shown(names)}"
        raise SchemaMismatchError(label, problem, f"{_FIX} declare its columns")
    if contract.on_schema_change != "fail":
        return
    if new := [name for name in names if name not in known]:
        remedy = f"{_FIX} set `on_schema_change: add_columns` in the dataset's YAML file"
        raise SchemaMismatchError(label, f"new columns {shown(new)}", remedy)
    if moved := contract.reordered(names):
        problem = f"columns stand in another order than in {version}: {', '.join(map(shown, ([m] for m in moved)))}"
        remedy = f"{_FIX} set `on_schema_change: widen` in the dataset's YAML file: then the order does not matter"
        raise SchemaMismatchError(label, problem, remedy)


def check_header(names: Sequence[str], contract: Contract, label: str) -> None:
    """Refuse a header that seems to be the first row, unless the dataset knows one of its columns.

    Raises:
        NoHeaderError: It begins with a number or a date, as no name does, and does not just count the columns.
    """
    counted = [str(place) for place in range(len(names))]
    if (
        not _VALUE.fullmatch(names[0])
        or (len(names) > 2 and names == counted)
        or set(names) & set(contract.known_columns)
    ):
        return
    raise NoHeaderError(label, names)


def _check_around(names: Sequence[str], label: str) -> None:
    """Refuse names that the delimiter, or another quote than the file's, seems to be a part of."""
    before, after = {name[-1:] for name in names[:-1]}, {name[:1] for name in names[1:]}
    if {" "} in (before, after):
        raise PaddedValuesError(label, names)
    if len(names) > 2 and before == after and len(before) == 1 and not "".join(before).isalnum():
        [mark] = before
        problem = f"the delimiter seems to have several characters, with {mark!r} on both sides"
        remedy = "Export the file with a delimiter of one character"
        if names[0].startswith(mark) and names[-1].endswith(mark):
            problem = f"{mark!r} seems to enclose values"
            remedy = (
                f"Set format.quote to {json.dumps(mark)} in the dataset's YAML file, or declare one of these columns"
            )
        shown = ", ".join(f"{name!r:.60}" for name in names[:MOST_EXAMPLES])
        raise SchemaMismatchError(label, f"{problem}, for its columns are {shown}", remedy)


def check_split(names: Sequence[str], contract: Contract, label: str, examples: Examples) -> None:
    """Refuse a text file whose one column seems to be several, or whose header seems to be a title.

    Raises:
        SchemaMismatchError: The dataset does not know the column.
        PaddedValuesError: Spaces stand around the delimiters of its header, and the dataset knows none of its columns.
    """
    if set(names) & set(contract.known_columns):
        return
    _check_around(names, label)
    if len(names) == 2 and not names[1] and (values := examples(1)):
        problem = f"its header, {names[0]!r:.200}, names one column, and there is a second one with values, such as"
        remedy = "Set format.skip_lines in the dataset's YAML file if it is a title, or name the column"
        raise SchemaMismatchError(label, f"{problem} {values[0]!r:.60}", remedy)
    if _is_one_of_several(names) or (len(names) == 1 and _are_alike([names[0], *examples(0)])):
        problem = f"it has one column, {names[0]!r:.200}, where there should be several"
        remedy = (
            "Set format.delimiter in the dataset's YAML file, or `type: fixed` if spaces align the columns, or declare "
            f"it: `columns: {{{names[0]!r:.200}: VARCHAR}}`"
        )
        raise SchemaMismatchError(label, problem, remedy)


def check_lone_line(line: str, contract: Contract, label: str) -> None:
    """Refuse a file of one line that may be a message in place of the data, such as `404: Not Found`.

    Raises:
        SchemaMismatchError: The dataset does not know the line as a column.
    """
    if not contract.allows_empty and line not in contract.known_columns:
        remedy = f"Drop a file with rows, or declare the column: `columns: {{{line!r:.200}: VARCHAR}}`"
        raise SchemaMismatchError(label, f"it has one line, {line!r:.200}, and no rows", remedy)


def _check_repeated(names: Sequence[str], label: str, examples: Examples) -> None:
    places = defaultdict(list)
    for place, name in enumerate(names):
        places[name.casefold()].append(place)
    if len(nameless := places[""]) > 1:
        problem = f"columns {', '.join(str(place + 1) for place in nameless[:_MOST_NAMES])} have no name"
        remedy = (
            "Name them, or remove the delimiters at the ends of the lines; or leave out a title above the header "
            "(`format.skip_lines`, or `format.range` of a spreadsheet)"
        )
        raise SchemaMismatchError(label, problem, remedy)
    if repeated := [place for several in places.values() if len(several) > 1 for place in several]:
        found = ", ".join(_with_examples(names[place], examples(place)) for place in repeated[:_MOST_NAMES])
        problem = f"columns have the same name, or differ in case only: {found}"
        raise SchemaMismatchError(label, problem, "Rename them in the file")


def _with_examples(name: str, values: Sequence[str]) -> str:
    several = ", ".join(f"{value!r:.60}" for value in values[:MOST_EXAMPLES])
    return f"{name!r:.200} (such as {several})" if several else f"{name!r:.200}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"{name!r:.200}" for name in names[:_MOST_NAMES])


def _missing(missing: Sequence[str], names: Sequence[str], found: str, whose: str) -> str:
    similar = {name.casefold().strip(): name for name in names}
    hints = [f"{name!r} may be {similar[name.casefold()]!r}" for name in missing if name.casefold() in similar]
    hint = f" ({', '.join(hints)})" if hints else ""
    problem = f"missing {_named(missing)}{hint}, which the dataset {whose}; found {found}"
    if _is_one_of_several(names):
        problem += "; if that is more than one column, set format.delimiter"
    elif any(map(_VALUE.fullmatch, names)):
        problem += "; the header seems to be missing"
    return problem


def _lost(names: Sequence[str]) -> str | None:
    """Return what a file seems to have lost that has none of the columns known before."""
    if _is_one_of_several(names):
        return "it has one column where there should be several"
    return "its header has vanished, or is a row" if any(map(_VALUE.fullmatch, names)) else None


def _are_alike(lines: Sequence[str]) -> bool:
    """True if a rare delimiter cuts a header and all rows below it into as many values; white space only numbers."""
    for delimiter in _RARE_DELIMITERS if len(lines) > 1 else ():
        rows = [line.split(delimiter) for line in lines]
        are_values = delimiter is not None or all(map(_VALUE.fullmatch, itertools.chain.from_iterable(rows[1:])))
        if are_values and len(rows[0]) > 1 and len({*map(len, rows)}) == 1:
            return True
    return False


def _is_one_of_several(names: Sequence[str]) -> bool:
    return len(names) == 1 and (any(mark in names[0] for mark in _DELIMITERS) or bool(_DRAWN.fullmatch(names[0])))
