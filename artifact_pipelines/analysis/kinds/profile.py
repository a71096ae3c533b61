"""A profile: one row of statistics for each column of a table."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

from artifact_pipelines.analysis.interfaces import Answer, IAnalysisKind, Table


class Profile(IAnalysisKind):
    """Describe every column of the dataset's table."""

    CODE_VERSION: ClassVar[str] = "10"
    READS_ROWS_ONLY: ClassVar[bool] = True
    KEEPS_PARTIAL: ClassVar[bool] = True
    NOTES_READ: ClassVar[Sequence[str]] = ("key",)
    ENGINES: ClassVar[frozenset[str]] = frozenset({"polars"})
    kind: Literal["profile"] = "profile"

    def description(self, dataset: str) -> str:
        """See `IAnalysisKind`."""
        return (
            f"One row for each column of {dataset}: type, nulls, distinct values, range, mean and spread.\n\n"
            "Caveats: above a limit the number of distinct values is an estimate; `distinct_is_exact` is then false."
        )

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        """See `IAnalysisKind`."""
        from artifact_pipelines.analysis.profile.charts import profile_charts
        from artifact_pipelines.analysis.profile.engine import profile_table
        from artifact_pipelines.analysis.profile.markdown import profile_page, profile_summary, shown_columns
        from artifact_pipelines.analysis.profile.partial import from_bytes, to_bytes
        from artifact_pipelines.analysis.profile.statistics import mean_figures, profile_rows, table_figures

        [table] = tables.values()
        before = from_bytes(table.partial) if table.partial else None
        found = profile_table(table.path, table.source.get("key", ()), before)
        rows = profile_rows(found)
        listed = rows.to_pylist()
        yield Answer(
            rows,
            profile_page(found, listed),
            table_figures(found) | mean_figures(listed),
            charts=list(profile_charts(listed)),
            summary=profile_summary(found, listed),
            shown=shown_columns(listed),
            partial=to_bytes(found.partial) if found.partial else None,
            known_rows=found.known_rows,
        )
