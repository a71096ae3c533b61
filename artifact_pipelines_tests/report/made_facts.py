"""Facts of a report about any table, without a store."""

import datetime
import pathlib
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import polars as pl

from artifact_pipelines.analysis.interfaces import Answer, Table
from artifact_pipelines.analysis.kinds.profile import Profile
from artifact_pipelines.analysis.memory import noted
from artifact_pipelines.core.types import FileId, FileInfo, FileState, Materialization, StoragePath
from artifact_pipelines.report.facts import Analysis, Edge, ReportFacts, TableVersion
from artifact_pipelines.tabular.footer import describe_parquet, preview

NOON = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)


def made(asset: str, rows: int | None = None, version: int = 1, **metadata: Any) -> Materialization:
    """Return a materialization as the catalog has it."""
    digest = "ab" * 32
    file = FileInfo(
        FileId(7), digest, "blake3", 1234, "parquet", None, None, StoragePath(digest, FileId(7)), FileState.STORED, 1,
        {}, NOON, NOON, None,
    )  # fmt: skip
    return Materialization(
        7, asset, None, version, "run", "step", "data", "profile 1 {}", rows, 0, {}, metadata, NOON, (file,)
    )


def facts_of(frame: pl.DataFrame, folder: pathlib.Path, with_profile: bool = True, **changes: Any) -> ReportFacts:
    """Return the facts of a first version with this table."""
    path = folder / "table.parquet"
    frame.write_parquet(path)
    with path.open("rb") as stream:
        columns, first_rows = describe_parquet(stream).columns, preview(stream)
    table = made("flights/table", frame.height, source={"file": "flights.csv", "key": []})
    profile: Mapping[str, Any] = {}
    if with_profile:
        with Profile().answer({"flights": Table(path)}) as answer:
            assert isinstance(answer, Answer)
            of_it = made("flights/analyses/profile", answer.rows.num_rows, source=noted(answer))
            profile = {
                "profile": answer.rows.to_pylist(),
                "figures": answer.figures,
                "analyses": [Analysis("profile", "profile", of_it)],
            }
    known: dict[str, Any] = {
        "dataset": "flights",
        "description": "Flights.",
        "versions": [TableVersion(1, table, NOON)],
        "files": [made("flights/raw", source={"file": "flights.csv"})],
        "columns": columns,
        "first_rows": first_rows,
        "edges": [Edge(table, ["flights/raw@v1"])],
    }
    return ReportFacts(**{**known, **profile, **changes})


class Page(HTMLParser):
    """A page of HTML: its elements, its text, and whether each element is closed."""

    VOID = ("meta", "link", "br", "hr", "img", "input")

    def __init__(self, html: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text.append(data)

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag in tags]

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.text).split())
