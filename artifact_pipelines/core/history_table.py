"""Materializations as a list that a notebook shows as a table."""

import html
from collections.abc import Callable, Mapping

from artifact_pipelines.core.types import Materialization

_COLUMNS: Mapping[str, Callable[[Materialization], object]] = {
    "asset": lambda made: made.asset,
    "partition": lambda made: made.partition,
    "version": lambda made: made.version,
    "file": lambda made: made.file.file_id,
    "rows": lambda made: None if made.row_count is None else f"{made.row_count:,}",
    "bytes": lambda made: f"{sum({file.file_id: file.size_bytes for file in made.files}.values()):,}",
    "created": lambda made: f"{made.created_at:%Y-%m-%d %H:%M} UTC",
    "run": lambda made: made.run_id and made.run_id[:8],
    "note": lambda made: made.publication_text,
}
_MOST_SHOWN = 100


class HistoryTable(list[Materialization]):
    """A list of materializations."""

    def _repr_html_(self) -> str:
        """Return a table of the first ones, without the columns that are empty. Jupyter calls it."""
        rows = [{name: text(made) for name, text in _COLUMNS.items()} for made in self[:_MOST_SHOWN]]
        names = [name for name in _COLUMNS if any(row[name] is not None for row in rows)]
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(f"<tr>{''.join(_cell(row[name]) for name in names)}</tr>" for row in rows)
        more = f"<p>and {len(self) - _MOST_SHOWN:,} more</p>" if len(self) > _MOST_SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: object) -> str:
    return f"<td>{'' if value is None else html.escape(str(value))}</td>"
