"""Names of columns in DuckDB, which ignores case and has no empty name. It would rename such columns silently."""

from collections.abc import Iterable

from artifact_pipelines.tabular.exceptions import DuckDBNamesError


def check_duckdb_names(names: Iterable[str]) -> None:
    """Raise `DuckDBNamesError` unless DuckDB can read these columns together under their names."""
    seen: dict[bytes, str] = {}
    for name in names:
        if not name:
            raise DuckDBNamesError([name])
        other = seen.setdefault(name.encode().lower(), name)  # DuckDB knows the case of ASCII letters only
        if other is not name:
            raise DuckDBNamesError([other, name])
