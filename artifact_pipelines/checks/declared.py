"""Finds checks that can never be made, as far as the declaration of a dataset shows that. Must not import Dagster."""

from collections.abc import Mapping

import duckdb

from artifact_pipelines.checks.exceptions import InvalidCheckError
from artifact_pipelines.checks.interfaces import CheckedTable, ICheckKind
from artifact_pipelines.tabular.exceptions import UnsafeQueryError
from artifact_pipelines.tabular.parsed_query import check_columns_of, parse_query


def check_declared(name: str, check: ICheckKind, dataset: str, columns: Mapping[str, str | None] | None) -> None:
    """Raise `InvalidCheckError` if a check can never be made.

    Args:
        name: Name of the check.
        dataset: Name of the dataset, and of its table in SQL.
        columns: Their DuckDB types by name, None where it is not declared; None: not all columns are declared.
    """
    known = list(columns or ())
    if dataset in check.inputs():
        raise InvalidCheckError(name, f"`inputs` has another table {dataset}.", known)
    query = check.query(CheckedTable(dataset))
    try:
        tables = parse_query(query).tables
        if unknown := sorted(tables - {dataset, *check.inputs()}):
            raise InvalidCheckError(name, f"there is no table {', '.join(unknown)} among its inputs.", known)
        if columns is not None and tables == {dataset}:
            check_columns_of(query, dataset, columns, {})
    except (duckdb.Error, UnsafeQueryError, UnicodeDecodeError) as error:
        raise InvalidCheckError(name, f"{error}".rstrip(".") + ".", known) from error
