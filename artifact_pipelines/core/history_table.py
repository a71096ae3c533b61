"""Materializations as a list that a notebook or a terminal shows as a table."""

import html
from collections.abc import Callable, Mapping, Sequence

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
_NUMBERS = frozenset(("version", "file", "rows", "bytes"))
_MOST_SHOWN = 100


class HistoryTable(list[Materialization]):
    """A list of materializations."""

    def __repr__(self) -> str:
        """Return a table of the first ones, without the columns that are empty, as a terminal shows it."""
        columns = [[name, *texts] for name, texts in self._columns().items()]
        aligned = [_aligned(column) for column in columns]
        lines = ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]
        return "\n".join([*lines, *([self._more()] if self._more() else [])]) or "nothing"

    def _repr_html_(self) -> str:
        """Return the table as HTML. Jupyter calls it."""
        columns = self._columns()
        head = "".join(f"<th{_side(name)}>{name}</th>" for name in columns)
        rows = [
            "".join(f"<td{_side(name)}>{html.escape(text)}</td>" for name, text in zip(columns, row, strict=True))
            for row in zip(*columns.values(), strict=True)
        ]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        more = f"<p>{self._more()}</p>" if self._more() else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"

    def _columns(self) -> Mapping[str, Sequence[str]]:
        """Return the texts of each column that is not empty."""
        values = {name: [text(made) for made in self[:_MOST_SHOWN]] for name, text in _COLUMNS.items()}
        return {
            name: ["" if value is None else str(value) for value in column]
            for name, column in values.items()
            if any(value is not None for value in column)
        }

    def _more(self) -> str:
        return f"and {len(self) - _MOST_SHOWN:,} more" if len(self) > _MOST_SHOWN else ""


def _side(name: str) -> str:
    return "" if name in _NUMBERS else ' style="text-align: left"'


def _aligned(column: Sequence[str]) -> Sequence[str]:
    width = max(map(len, column))
    return [text.rjust(width) if column[0] in _NUMBERS else text.ljust(width) for text in column]
