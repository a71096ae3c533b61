"""A table to which rows were added is profiled by its new rows only, with the same result to the last bit."""

import datetime
import pathlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifact_pipelines import Store
from artifact_pipelines.analysis.assets import REMEMBER_TAG, build_analysis_asset
from artifact_pipelines.analysis.kinds.profile import Profile
from artifact_pipelines.analysis.profile import beginning
from artifact_pipelines.analysis.profile.engine import TableProfile, profile_table
from artifact_pipelines.analysis.profile.partial import from_bytes, to_bytes
from artifact_pipelines.analysis.profile.reader import TableFile, Unit
from artifact_pipelines.analysis.profile.statistics import profile_rows, table_figures
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines.tabular.parquet import ROW_GROUP_ROWS
from artifact_pipelines_tests.analysis.running import resources

GROUP = 70_000
KEY = ("id",)


def table_of(rows: int) -> pa.Table:
    random = np.random.default_rng(5)
    numbers, few = random.normal(size=rows), random.integers(0, 9, rows)
    unusual = [float("nan"), float("inf"), -0.0, 1e300]
    return pa.table(
        {
            "id": pa.array(np.arange(rows) // 2 + 2**62),
            "few": few,
            "x": pa.array([*unusual, *numbers[4:]], mask=few == 3),
            "amount": pa.array(few.tolist(), pa.decimal128(12, 2)),
            "large": pa.array([Decimal(10**30 + int(one)) for one in few], pa.decimal128(38, 0)),
            "text": pa.array([f"t{one:.2f}" * 20 for one in numbers]),
            "word": pa.array([f"w{one}" for one in few]).dictionary_encode(),
            "bytes": pa.array([b"\x00%d" % one for one in few], pa.binary()),
            "flag": few < 4,
            "day": pa.array((few * 40_000).astype(np.int32)).cast(pa.date32()),
            "at": pa.array(np.arange(rows) * 7_919_000, pa.timestamp("us", "UTC")),
            "nothing": pa.nulls(rows, pa.int32()),
            "nested": pa.array([[int(one)] for one in few]),
        }
    )


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Sequence[pathlib.Path]:
    folder, whole = tmp_path_factory.mktemp("partial"), table_of(4 * GROUP + 1_000)
    paths = [folder / str(groups) for groups in (2, 3, 4)]
    for path, rows in zip(paths, (2 * GROUP + 500, 3 * GROUP, whole.num_rows), strict=True):
        pq.write_table(whole.slice(0, rows), path, row_group_size=GROUP)
    return paths


@pytest.fixture(autouse=True)
def every_state_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginning, "_SHARE", 0)


def shown(found: TableProfile) -> tuple[list[dict[str, Any]], Any]:
    return profile_rows(found).to_pylist(), table_figures(found)


def again(found: TableProfile) -> Any:
    assert found.partial is not None
    return from_bytes(to_bytes(found.partial))


def units_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    read = list[int]()
    plain = TableFile.batches

    def watched(file: TableFile, unit: Unit) -> Iterator[pa.RecordBatch]:
        read.append(unit.start)
        return plain(file, unit)

    monkeypatch.setattr(TableFile, "batches", watched)
    return read


def test_a_profile_that_goes_on_is_that_of_all_rows(
    tables: Sequence[pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = profile_table(tables[0], KEY)
    assert first.known_rows == 0
    read = units_read(monkeypatch)
    second = profile_table(tables[1], KEY, again(first))
    third = profile_table(tables[2], KEY, again(second))
    assert (second.known_rows, third.known_rows) == (2 * GROUP, 2 * GROUP)
    assert sorted(read) == [2 * GROUP, 2 * GROUP, 3 * GROUP, 4 * GROUP]
    assert repr(shown(second)) == repr(shown(profile_table(tables[1], KEY)))
    assert repr(shown(third)) == repr(shown(profile_table(tables[2], KEY)))


def test_one_thread_or_another_order_of_versions_changes_nothing(tables: Sequence[pathlib.Path]) -> None:
    longer, shorter = profile_table(tables[2], KEY), profile_table(tables[0], KEY)
    back = profile_table(tables[0], KEY, again(longer))
    assert back.known_rows == 0
    assert repr(shown(back)) == repr(shown(shorter))


def test_a_table_that_lost_its_last_rows_has_the_sample_of_all_its_rows(tmp_path: pathlib.Path) -> None:
    whole, paths = pa.table({"x": np.arange(240_000)}), [tmp_path / "longer", tmp_path / "shorter"]
    for path, rows in zip(paths, (240_000, 125_000), strict=True):
        pq.write_table(whole.slice(0, rows), path, row_group_size=120_000)
    found = profile_table(paths[1], (), again(profile_table(paths[0])))
    assert found.known_rows == 120_000
    assert found.sample.equals(profile_table(paths[1]).sample)


def test_another_beginning_is_read(tables: Sequence[pathlib.Path], tmp_path: pathlib.Path) -> None:
    before = again(profile_table(tables[0], KEY))
    table = pq.read_table(tables[2])
    changed = table.set_column(1, "few", pa.array([99, *table["few"].to_pylist()[1:]]))
    others = [changed, table.rename_columns(["ID", *table.column_names[1:]]), table.slice(1)]
    for number, other in enumerate(others):
        pq.write_table(other, tmp_path / str(number), row_group_size=GROUP)
        assert profile_table(tmp_path / str(number), (), before).known_rows == 0
    assert profile_table(tables[2], ("few",), before).known_rows == 0
    assert profile_table(tables[2], KEY, before).known_rows == 2 * GROUP


def test_the_same_bytes_as_another_type_are_read(tmp_path: pathlib.Path) -> None:
    numbers = pa.array(np.arange(3 * GROUP, dtype=np.int32))
    for name, kind in (("numbers", pa.int32()), ("days", pa.date32())):
        table = pa.table({"a": numbers.cast(kind)})
        pq.write_table(table, tmp_path / name, row_group_size=GROUP, store_schema=False)
    before = again(profile_table(tmp_path / "numbers"))
    assert profile_table(tmp_path / "numbers", (), before).known_rows == 2 * GROUP
    assert profile_table(tmp_path / "days", (), before).known_rows == 0


def test_statistics_of_a_small_table_are_not_kept(
    tables: Sequence[pathlib.Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert profile_table(tables[2], KEY).partial is None


def table_asset(rows: int) -> dg.AssetsDefinition:
    @dg.asset(key=["flights", "table"])
    def table() -> pl.DataFrame:
        return pl.DataFrame({"id": range(rows)}).with_columns(day=pl.lit(datetime.date(2024, 1, 1)))

    return table


@pytest.mark.parametrize("remember", [True, False])
def test_the_asset_of_a_profile_goes_on_where_the_version_before_ended(
    remember: bool, settings: Settings, store: Store
) -> None:
    profile = build_analysis_asset("flights", "shape", Profile(), {})
    options: dict[str, Any] = {} if remember else {"tags": {REMEMBER_TAG: "false"}}
    shown = []
    for groups in (2, 3):
        assets = [table_asset(groups * ROW_GROUP_ROWS + 5), profile]
        result = dg.materialize(assets, resources=resources(settings), **options)
        [event] = result.asset_materializations_for_node("flights__analyses__shape")
        shown.append({name: value.value for name, value in event.metadata.items()})
    known = [each.get("artifact/continued_from") for each in shown]
    assert known == [None, "a partial result of 245,760 rows" if remember else None]
    assert shown[1]["profile/rows"] == 3 * ROW_GROUP_ROWS + 5
    kept = store.history("flights/analyses/shape/partial") if remember else []
    assert [made.version for made in kept] == ([2, 1] if remember else [])


def test_a_partial_result_whose_bytes_are_gone_or_of_another_code_version_is_not_used(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = build_analysis_asset("flights", "shape", Profile(), {})

    def known_of(groups: int) -> str | None:
        assets = [table_asset(groups * ROW_GROUP_ROWS + 5), profile]
        result = dg.materialize(assets, resources=resources(settings))
        [event] = result.asset_materializations_for_node("flights__analyses__shape")
        shown = event.metadata.get("artifact/continued_from")
        return None if shown is None else str(shown.value)

    assert known_of(2) is None
    file = store.history("flights/analyses/shape/partial")[0].file
    open_backend(settings.storage_url).delete_file(file.storage_path)
    assert known_of(3) is None
    monkeypatch.setattr(Profile, "CODE_VERSION", "another")
    assert known_of(4) is None
    assert known_of(5) == "a partial result of 491,520 rows"
