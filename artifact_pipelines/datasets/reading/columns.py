"""Holds the names of a file's columns to the dataset's contract."""

from collections import defaultdict
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import first_names
from artifact_pipelines.datasets.exceptions import SchemaMismatchError
from artifact_pipelines.datasets.reading.contract import Contract


def check_columns(names: Sequence[str], contract: Contract, label: str) -> None:
    """Hold the names of a file's columns to the contract.

    Raises:
        SchemaMismatchError: Columns are missing, have the same name, or are new where the contract allows none.
    """
    same = defaultdict(list)
    for name in names:
        same[name.casefold()].append(name)
    if repeated := [name for several in same.values() if len(several) > 1 for name in several]:
        problem = f"columns have the same name, or differ in case only: {first_names(repeated)}"
        raise SchemaMismatchError(label, problem, "Rename them in the file")
    if missing := [name for name in contract.required if name not in names]:
        raise _missing(label, missing, names, "declares", "change `columns` or `key` in the dataset's YAML file")
    optional = contract.rules.keys() - set(contract.required)
    if missing := [name for name in contract.kept if name not in names and name not in optional]:
        allow = "set `on_schema_change: accept` in the dataset's YAML file"
        assert contract.before is not None  # or nothing would be kept
        raise _missing(label, missing, names, f"has in version {contract.before.version}", allow)
    known = {*contract.columns, *contract.rules, *contract.key, *contract.kept}
    new = [name for name in names if name not in known]
    if new and contract.kept and contract.on_schema_change == "fail":
        remedy = "Fix the file, or set `on_schema_change: add_columns` in the dataset's YAML file"
        raise SchemaMismatchError(label, f"new columns {first_names(new)}", remedy)


def _missing(label: str, missing: Sequence[str], names: Sequence[str], whose: str, allow: str) -> SchemaMismatchError:
    similar = {name.casefold().strip(): name for name in names}
    hints = [f"{name!r} may be {similar[name.casefold()]!r}" for name in missing if name.casefold() in similar]
    hint = f" ({', '.join(hints)})" if hints else ""
    problem = f"missing {first_names(missing)}{hint}, which the dataset {whose}; found {first_names(names)}"
    if len(names) == 1 and any(delimiter in names[0] for delimiter in ";|\t,"):
        problem += "; if that is more than one column, set format.delimiter"
    return SchemaMismatchError(label, problem, f"Fix the file, or {allow}")
