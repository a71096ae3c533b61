"""An asset's page: in which order it shows metadata, and that its tables fit."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines.instance.page import WIDTH_CHARACTERS, fitting_table, in_page_order
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.asked_outputs import MEANINGS_METADATA_KEY, SOURCE_METADATA_KEY

NARROW = [{"carrier": "UA", "flights": 58665}, {"carrier": "B6", "flights": 54635}]
WIDE = [{f"column_number_{at}": at * row for at in range(20)} for row in range(10)]


def run(io_manager: ArtifactIOManager, asset: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    return dg.materialize([asset], resources={"io_manager": io_manager})


def shown(value: Any) -> Sequence[Mapping[str, Any]]:
    assert isinstance(value, dg.TableMetadataValue)
    return [each.data for each in value.records]


def test_rows_and_changes_come_first_and_hashes_last() -> None:
    keys = ["artifact/content_hash", "artifact/file_id", "mine", "artifact/preview", "artifact/changes"]
    keys += ["chart/month", "dagster/row_count", "artifact/version"]
    assert list(in_page_order(dict.fromkeys(keys))) == [
        "dagster/row_count",
        "artifact/changes",
        "artifact/preview",
        "mine",
        "chart/month",
        "artifact/version",
        "artifact/file_id",
        "artifact/content_hash",
    ]


def test_page_shows_what_a_step_said_between_preview_and_file(ours: ArtifactIOManager) -> None:
    @dg.asset
    def counts() -> dg.Output[pl.DataFrame]:
        noted: dict[str, Any] = {
            "mine": 1,
            SOURCE_METADATA_KEY: {"url": "https://example.com"},
            MEANINGS_METADATA_KEY: {"a": "Age"},
        }
        return dg.Output(pl.DataFrame({"a": [1, 2]}), metadata=noted)

    [made] = run(ours, counts).asset_materializations_for_node("counts")
    keys = list(made.metadata)
    assert keys.index("artifact/preview") < keys.index("mine") < keys.index("artifact/file_id")
    assert not {SOURCE_METADATA_KEY, MEANINGS_METADATA_KEY} & set(keys)
    schema: Any = made.metadata["dagster/column_schema"].value
    assert schema.columns[0].description == "Age. 1 to 2."


def test_page_links_to_the_file_where_it_is_served(ours: ArtifactIOManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_API_URL", "https://files.example.org/")

    @dg.asset
    def text() -> str:
        return "a"

    [made] = run(ours, text).asset_materializations_for_node("text")
    assert made.metadata["artifact/link"] == dg.MetadataValue.url("https://files.example.org/files/1")


def test_narrow_preview_has_a_row_for_each_row() -> None:
    assert shown(fitting_table(NARROW)) == NARROW


def test_wide_preview_has_a_row_for_each_column() -> None:
    rows = shown(fitting_table(WIDE))
    assert [row["column"] for row in rows] == list(WIDE[0])
    assert rows[3] == {"column": "column_number_3", "row 1": 0, "row 2": 3, "row 3": 6, "row 4": 9}


def test_preview_of_long_words_fits_the_page() -> None:
    address = "https://example.com/a/very/long/address"
    [row] = shown(fitting_table([{"address": address, "where": "x" * 40}]))[:1]
    assert row == {"column": "address", "row 1": "https://exa…"}
    assert sum(map(len, row.values())) <= WIDTH_CHARACTERS
