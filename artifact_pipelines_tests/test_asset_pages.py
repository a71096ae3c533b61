"""The pages of all kinds of assets of a dataset, as the Dagster UI shows them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines.core.settings import Settings
from artifact_pipelines.instance.page import HISTORY, INLINE_CHARACTERS, in_page_order
from artifact_pipelines_tests.project import Project

MEANT = "Minutes after the plan"
FIELDS: Any = {
    "on_bad_rows": "quarantine",
    "max_bad_rows": 0.6,
    "columns": {"delay": {"type": "BIGINT", "min": 0, "description": MEANT}},
    "samples": {"few": {"design": "stratified", "by": "carrier", "n": 4}},
    "analyses": {
        "profile": {"kind": "profile"},
        "drift": {"kind": "drift"},
        "estimate": {"kind": "estimate", "sample": "few", "estimates": {"late": {"mean": "delay"}}, "by": ["carrier"]},
        "by_carrier": {"kind": "group_by", "by": ["carrier"], "measures": {"late": {"mean": "delay"}}},
        "pairs": {"kind": "crosstab", "rows": "carrier", "columns": "number"},
        "delays": {"kind": "sql", "query": "SELECT carrier, max(delay) AS longest FROM flights GROUP BY carrier"},
    },
    "checks": {"short": {"kind": "range", "column": "delay", "max": 6}},
    "schedule": "0 6 * * *",
}
ROWS = "".join(f"{'UA' if number % 2 else 'AA'},{number},{number % 9}\n" for number in range(20))
FILES = (f"carrier,number,delay\n{ROWS}UA,99,late\n", f"carrier,number,delay\n{ROWS}B6,100,3\nUA,101,late\n")
OF_THE_USER = {"carrier", "number", "longest"}
"""Columns that only the user can describe: those of the file, and of a query."""
WIDEST_WORD = 50
LONGEST_KEY, WIDEST_TABLE = 30, 48
"""Characters."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def pages(project: Project) -> Mapping[str, Mapping[str, Any]]:
    """Return the metadata of the newest event of each asset that has one, by asset."""
    keys = project.definitions.resolve_all_asset_keys()
    events = {key.to_user_string(): project.instance.get_latest_materialization_event(key) for key in keys}
    return {key: event.asset_materialization.metadata for key, event in events.items() if event}  # type: ignore[union-attr]


def test_pages_of_all_kinds_of_assets(settings: Settings, instance: dg.DagsterInstance) -> None:
    project = Project(settings, instance, **FIELDS)
    for text in FILES:
        project.drop(text)
        project.settle()
    project.drop("nothing,here\n1,2\n", "flights_wrong.csv")
    project.settle()
    found = pages(project)
    of_dataset = {name.removeprefix("flights/") for name in found}
    kinds = {"raw", "table", "bad_rows", "quarantine", "samples/few", "failing_rows/short"}
    assert kinds | {f"analyses/{name}" for name in FIELDS["analyses"]} <= of_dataset
    for asset, metadata in found.items():
        assert list(metadata) == list(in_page_order(metadata)), asset
        assert [key for key in metadata if "/" not in key] == [], asset
        check_numbers(asset, metadata)
        check_columns(asset, metadata)
        check_markdown(asset, metadata)
        if "/analyses/" in asset or asset.endswith("/report"):
            check_widths(asset, metadata)
    table = found["flights/table"]
    assert f"{HISTORY}rows" in table
    assert table["artifact/changes"].records[0].data == {"what": "since", "change": "version 1"}
    design = found["flights/samples/few"]["artifact/design"].value
    assert max(map(len, str(design["frame"]["content_hash"]).split(" "))) == 32  # a longer word would widen the page
    described = {column.name: column.description for column in table["dagster/column_schema"].value.columns}
    assert described["delay"] == f"{MEANT}. 0 to 8."
    assert f"{HISTORY}profile/rows" in found["flights/analyses/profile"]
    raw = found["flights/raw"]
    assert raw["artifact/dropped_file"].value == "flights_wrong.csv"
    assert isinstance(raw["artifact/dropped_at"], dg.TimestampMetadataValue)


def check_numbers(asset: str, metadata: Mapping[str, Any]) -> None:
    """No ID, version or hash is a number, which Dagster would plot over time."""
    numbers = {key for key, value in metadata.items() if isinstance(value.value, int | float)}
    assert not [key for key in numbers if re.search(r"(^|[/_])(ids?|version|hash|question)$", key)], asset


def check_columns(asset: str, metadata: Mapping[str, Any]) -> None:
    """Every column that we name says what it means; and the values of the others are told."""
    schema = metadata.get("dagster/column_schema")
    columns = {column.name: column.description for column in schema.value.columns} if schema else {}
    if "artifact/columns" in metadata:
        columns |= {row.data["column"]: row.data["meaning"] for row in metadata["artifact/columns"].records}
    values_alone = r"((Always )?\S+( to \S+)?\. ?)?(\d+ null\.)?"
    unknown = [name for name, text in columns.items() if not text or re.fullmatch(values_alone, text)]
    assert set(unknown) <= OF_THE_USER, asset


def check_markdown(asset: str, metadata: Mapping[str, Any]) -> None:
    """All Markdown shows without a click, but for whole answers; and no word is wider than the page."""
    for key, value in metadata.items():
        if isinstance(value, dg.MarkdownMetadataValue) and key != "artifact/answer":
            assert len(value.value) <= INLINE_CHARACTERS, (asset, key)
        if isinstance(value, dg.TextMetadataValue) and key not in ("dagster/uri",):
            assert max(map(len, value.value.split(" "))) <= WIDEST_WORD, (asset, key)


def check_widths(asset: str, metadata: Mapping[str, Any]) -> None:
    """The page fits a screen of 1,500 pixels: the longest words of keys and tables stand side by side."""
    assert max(len(word) for key in metadata for word in key.split(" ")) <= LONGEST_KEY, asset
    for key, value in metadata.items():
        width = sum(max(len(word) for cell in each for word in cell.split(" ")) + 2 for each in columns_shown(value))
        assert width <= WIDEST_TABLE or key == "artifact/answer", (asset, key)


def columns_shown(value: dg.MetadataValue[Any]) -> list[tuple[str, ...]]:
    """Return the cells of a table, or of one in Markdown, by column."""
    if isinstance(value, dg.TableMetadataValue):
        rows = [list(record.data) for record in value.records[:1]]
        rows += [[str(cell) for cell in record.data.values()] for record in value.records]
    else:
        rows = [line.split("|")[1:-1] for line in str(value.value).split("\n") if line.startswith("|")]
    return list(zip(*rows, strict=True))


def test_everything_that_the_ui_lists_has_a_description(settings: Settings, instance: dg.DagsterInstance) -> None:
    defs = Project(settings, instance, **FIELDS).definitions
    repository = defs.get_repository_def()
    specs = [spec for spec in defs.resolve_all_asset_specs() if not spec.description]
    jobs = [job.name for job in repository.get_all_jobs() if not job.name.startswith("__") and not job.description]
    sensors = [each.name for each in repository.sensor_defs if not each.description]
    schedules = [each.name for each in repository.schedule_defs if not each.description]
    assert (specs, jobs, sensors, schedules) == ([], [], [], [])
