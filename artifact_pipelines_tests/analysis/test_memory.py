"""An answer that is stored is given again, with all that its page shows, instead of being computed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import dagster as dg
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines import Store
from artifact_pipelines.analysis.assets import REMEMBER_TAG, build_analysis_asset
from artifact_pipelines.analysis.interfaces import Answer, IAnalysisKind, Table
from artifact_pipelines.analysis.kinds.sql import Sql
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.charts.kinds import bars
from artifact_pipelines.core.check_results import CheckResult
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines_tests.analysis.running import resources

_computed = list[str]()


class Size(IAnalysisKind):
    """Count the rows, and remember having done it."""

    ENGINES: ClassVar[frozenset[str]] = frozenset({"pyarrow"})
    READS_ROWS_ONLY: ClassVar[bool] = True
    kind: Literal["size"] = "size"
    times: int = 1

    def description(self, dataset: str) -> str:
        return f"Size of {dataset}."

    def checks(self) -> Sequence[str]:
        return ["has_rows"]

    @contextmanager
    def answer(self, tables: Mapping[str, Table]) -> Iterator[Answer]:
        [table] = tables.values()
        rows = self.times * pq.read_metadata(table.path).num_rows
        _computed.append(f"{rows} {table.asset}")
        check = CheckResult("has_rows", passed=False, is_error=False, text=f"{rows} rows", figures={"rows": rows})
        yield Answer(pa.table({"rows": [rows]}), f"**{rows}**", {"rows": rows}, [check], [bars("Size", {"rows": rows})])


class SizeOfVersion(Size):
    """The same, of a table with its name."""

    READS_ROWS_ONLY: ClassVar[bool] = False


@pytest.fixture(autouse=True)
def nothing_computed() -> None:
    _computed.clear()


def run(
    settings: Settings, kind: IAnalysisKind, ids: Sequence[int] = (1, 2), dataset: str = "flights", **options: Any
) -> dg.ExecuteInProcessResult:
    @dg.asset(key=[dataset, "table"])
    def table() -> pl.DataFrame:
        return pl.DataFrame({"id": ids})

    analysis = build_analysis_asset(dataset, "asked", kind, {})
    return dg.materialize([table, analysis], resources=resources(settings), **options)


def shown(result: dg.ExecuteInProcessResult, dataset: str = "flights") -> dict[str, Any]:
    [event] = result.asset_materializations_for_node(f"{dataset}__analyses__asked")
    return {name: value.value for name, value in event.metadata.items()}


def current(store: Store, dataset: str = "flights") -> Materialization:
    return store.history(f"{dataset}/analyses/asked")[0]


def test_the_same_question_gets_the_stored_answer_with_its_page_figures_and_checks(
    settings: Settings, store: Store
) -> None:
    first, again = run(settings, Size()), run(settings, Size())
    assert len(_computed) == 1
    old, new = shown(first), shown(again)
    assert new.pop("artifact/answered_from").startswith("flights/analyses/asked version 1, file ")
    assert new.pop("artifact/duplicate")
    old.pop("artifact/duplicate")
    for facts in (old, new):
        facts.pop("artifact/bytes_added")
    assert new == old
    assert [(x.passed, x.description) for x in again.get_asset_check_evaluations()] == [(False, "2 rows")]
    assert current(store).version == 1
    assert store.load("flights/analyses/asked", pl.DataFrame).rows() == [(2,)]


def test_an_answer_is_found_by_another_asset_of_another_dataset(settings: Settings, store: Store) -> None:
    run(settings, Size())
    run(settings, Size(), dataset="trains")
    third = run(settings, Size(), dataset="ships")
    assert len(_computed) == 1
    assert shown(third, "ships")["artifact/answered_from"].startswith("flights/analyses/asked version 1")
    assert current(store).file.file_id == current(store, "ships").file.file_id
    assert current(store).data_version == current(store, "ships").data_version


@pytest.mark.parametrize(
    ("kind", "ids"),
    [(Size(), (1, 3)), (Size(times=2), (1, 2)), (SizeOfVersion(), (1, 2))],
    ids=["other rows", "another field", "a kind that asks for the asset too"],
)
def test_another_question_is_computed(settings: Settings, kind: IAnalysisKind, ids: Sequence[int]) -> None:
    run(settings, Size())
    assert "artifact/answered_from" not in shown(run(settings, kind, ids))
    assert len(_computed) == 2


def test_another_code_version_is_computed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run(settings, Size())
    monkeypatch.setattr(Size, "CODE_VERSION", "2")
    run(settings, Size())
    assert len(_computed) == 2


def test_a_kind_that_asks_for_the_asset_answers_each_version_of_each_asset(settings: Settings) -> None:
    for dataset in ("flights", "trains", "flights"):
        run(settings, SizeOfVersion(), dataset=dataset)
    assert _computed == ["2 flights/table", "2 trains/table"]


def test_limits_are_no_part_of_the_question(settings: Settings) -> None:
    query = "SELECT count(*) AS n FROM flights"
    run(settings, Sql(query=query))
    assert "artifact/answered_from" in shown(run(settings, Sql(query=query, time_limit="2h")))


def test_answers_that_depend_on_the_time_are_not_remembered(settings: Settings) -> None:
    for _ in range(2):
        made = shown(run(settings, Sql(query="SELECT count(*) AS n, current_date AS day FROM flights")))
        assert {"artifact/answered_from", "artifact/question"}.isdisjoint(made)


def test_an_answer_whose_bytes_are_gone_is_computed_and_stored_again(settings: Settings, store: Store) -> None:
    run(settings, Size())
    file = current(store).file
    open_backend(settings.storage_url).delete_file(file.storage_path)
    assert "artifact/answered_from" not in shown(run(settings, Size()))
    assert len(_computed) == 2
    assert store.load("flights/analyses/asked", pl.DataFrame).rows() == [(2,)]


def test_an_answer_that_clean_up_has_collected_is_computed(settings: Settings, store: Store) -> None:
    run(settings, Size())
    run(settings, Size(), ids=(1, 2, 3))
    with Catalog(settings.catalog_url) as catalog:
        assert catalog.retention.release(VersionName("flights/analyses/asked", None, 1), "by a test")
        [gone] = catalog.collection.collect(0, 10)
        open_backend(settings.storage_url).delete_file(gone.storage_path)
    assert "artifact/answered_from" not in shown(run(settings, Size()))
    assert _computed == ["2 ", "3 ", "2 "]


@pytest.mark.parametrize("off", [{"tags": {REMEMBER_TAG: "false"}}, {}], ids=["by a tag of the run", "by a field"])
def test_memory_can_be_switched_off(settings: Settings, off: Mapping[str, Any]) -> None:
    for _ in range(2):
        run(settings, Size(remember=bool(off)), **off)
    assert len(_computed) == 2


def test_an_unused_lease_on_a_known_answer_is_given_back(settings: Settings, store: Store) -> None:
    for _ in range(3):
        run(settings, Size())
    with Catalog(settings.catalog_url) as catalog:
        holders = catalog.files.holders(current(store).file.file_id)
    assert [holder.partition(":")[0] for holder in holders] == ["materialization"] * 3
