"""The asset of an analysis, for a kind that only this test knows."""

import pathlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Literal

import dagster as dg
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from artifact_pipelines import ArtifactIOManagerFactory, open_store
from artifact_pipelines.analysis.assets import build_analysis_asset
from artifact_pipelines.analysis.interfaces import IAnalysisKind
from artifact_pipelines.core.settings import Settings


class RowCount(IAnalysisKind):
    """Count the rows."""

    ENGINES: ClassVar[frozenset[str]] = frozenset({"pyarrow"})
    kind: Literal["row_count"] = "row_count"

    def description(self, dataset: str) -> str:
        return f"The number of rows of {dataset}."

    @contextmanager
    def answer(self, tables: Mapping[str, pathlib.Path]) -> Iterator[pa.RecordBatchReader]:
        yield pa.table({"rows": [pq.read_metadata(tables["flights"]).num_rows]}).to_reader()


@dg.asset(key=["flights", "table"])
def table() -> pl.DataFrame:
    return pl.DataFrame({"id": [3, 1, 2]})


def test_kind_in_one_class_becomes_an_asset(settings: Settings) -> None:
    analysis = build_analysis_asset("flights", "size", RowCount(), {"group_name": "flights"})
    urls = {"catalog_url": settings.catalog_url, "storage_url": settings.storage_url}
    assert dg.materialize([table, analysis], resources={"io_manager": ArtifactIOManagerFactory(**urls)}).success
    with open_store() as store:
        assert store.load("flights/analyses/size", pl.DataFrame)["rows"].to_list() == [3]
    [spec] = analysis.specs
    assert (spec.description, spec.code_version) == ("The number of rows of flights.", "row_count 1 {}")
    assert spec.kinds == {"parquet", "pyarrow"}
