import concurrent.futures
import datetime
import time

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NeverMaterializedError, NothingSelectedError, UnknownVersionError
from artifact_pipelines.catalog.materialization_rows import holder_of
from artifact_pipelines.catalog.tables import dataset_versions, datasets, materializations
from artifact_pipelines.core.exceptions import LeaseExpiredError
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.core.types import (
    Content,
    FileDescription,
    FileState,
    LoadedInput,
    Materialization,
    MaterializationFacts,
    Publication,
    Selection,
)
from artifact_pipelines_tests.catalog.plans import plans_of
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree

PARQUET = FileDescription("parquet")


def record(
    catalog: Catalog, letter: str, asset: str = "flights/table", partition: str | None = None, **facts: object
) -> Materialization:
    lease = catalog.files.acquire(Content(letter * 64, 100), "blake3", PARQUET)
    made = MaterializationFacts(asset, f"version of {letter}", partition, **facts)  # type: ignore[arg-type]
    return catalog.materializations.record(made, [lease])


def test_a_materialization_holds_its_file(catalog: Catalog) -> None:
    made = record(catalog, "a", run_id="run", step_key="step", code_version="1", row_count=5, schema={"x": "int64"})
    assert made.file.state == FileState.STORED
    assert catalog.files.holders(made.file.file_id) == [holder_of(made.materialization_id)]
    assert (made.run_id, made.step_key, made.code_version, made.row_count) == ("run", "step", "1", 5)
    assert made.schema == {"x": "int64"}
    assert catalog.materializations.current("flights/table") == made


def test_nothing_is_recorded_when_the_lease_is_gone(catalog: Catalog) -> None:
    lease = catalog.files.acquire(Content("a" * 64, 100), "blake3", PARQUET)
    catalog.files.abandon_all([lease])
    with pytest.raises(LeaseExpiredError):
        catalog.materializations.record(MaterializationFacts("flights/table", "v"), [lease])
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.current("flights/table")


def test_bytes_are_added_once(catalog: Catalog) -> None:
    assert [record(catalog, x).bytes_added for x in "aab"] == [100, 0, 100]


def test_of_two_that_put_the_same_bytes_at_once_one_adds_them(catalog: Catalog) -> None:
    leases = [catalog.files.acquire(Content("a" * 64, 100), "blake3", PARQUET) for _ in range(2)]
    made = [
        catalog.materializations.record(MaterializationFacts(f"asset {number}", "v"), [lease])
        for number, lease in enumerate(leases)
    ]
    assert [m.bytes_added for m in made] == [100, 0]
    assert catalog.materializations.current("asset 1") == made[1]


def test_versions_count_changes_of_content(catalog: Catalog) -> None:
    assert [record(catalog, x).version for x in "aabba"] == [1, 1, 2, 2, 3]


def test_history_is_complete_and_newest_first(catalog: Catalog) -> None:
    made = [record(catalog, x) for x in "aab"]
    record(catalog, "c", asset="other")
    ids = [m.materialization_id for m in made]
    assert [m.materialization_id for m in catalog.materializations.history("flights/table")] == ids[::-1]
    assert catalog.materializations.history("flights/table", limit=1) == made[-1:]
    assert catalog.materializations.history("never") == []


def test_an_old_version_stays_in_reach(catalog: Catalog) -> None:
    record(catalog, "a")
    again = record(catalog, "a")
    record(catalog, "b")
    assert catalog.materializations.version("flights/table", 1) == again


@pytest.mark.parametrize("version", [0, 3, -1, 10**18])
def test_an_unknown_version_is_an_error_that_tells_the_newest(catalog: Catalog, version: int) -> None:
    record(catalog, "a")
    record(catalog, "b")
    with pytest.raises(UnknownVersionError, match="the newest is 2"):
        catalog.materializations.version("flights/table", version)


def test_the_newest_version_is_the_highest_also_when_an_older_one_is_current(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
    catalog.materializations.roll_back("flights/table", 1)
    with pytest.raises(UnknownVersionError, match="the newest is 2"):
        catalog.materializations.version("flights/table", 7)


def test_partitions_have_versions_of_their_own(catalog: Catalog) -> None:
    for partition, letter in (("1", "a"), ("2", "b"), ("1", "c")):
        record(catalog, letter, partition=partition)
    assert catalog.materializations.current("flights/table", "1").version == 2
    assert catalog.materializations.current("flights/table", "2").version == 1
    assert len(catalog.materializations.history("flights/table")) == 3
    assert len(catalog.materializations.history("flights/table", "1")) == 2
    with pytest.raises(NeverMaterializedError, match="partition '3'"):
        catalog.materializations.current("flights/table", "3")
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.current("flights/table")


def test_a_run_reads_its_own_writes(catalog: Catalog) -> None:
    mine = record(catalog, "a", run_id="mine")
    others = record(catalog, "b", run_id="other")
    assert catalog.materializations.current("flights/table", run_id="mine") == mine
    assert catalog.materializations.current("flights/table", run_id="third") == others


def test_the_current_state_is_listed_by_name(catalog: Catalog) -> None:
    record(catalog, "a", asset="b/two")
    second = record(catalog, "b", asset="b/two")
    first = record(catalog, "a", asset="a/one", partition="x")
    assert catalog.materializations.list_current() == [first, second]


def test_outputs_of_ops_are_listed_only_when_they_are_asked_for(catalog: Catalog) -> None:
    of_op = record(catalog, "a", asset="1f/step/result", run_id="1f", is_op_output=True)
    assets = [
        record(catalog, letter, asset=asset, run_id=run_id)
        for letter, asset, run_id in (("b", "1f", "1f"), ("c", "1f/x", "1f"), ("e", "zoo", None))
    ]
    assert catalog.materializations.list_current() == assets
    assert catalog.materializations.list_current(limit=2) == assets[:2]
    assert catalog.materializations.list_current(with_ops=True) == [assets[0], of_op, *assets[1:]]


def test_inputs_are_recorded_once_each(catalog: Catalog) -> None:
    raw = record(catalog, "a", asset="flights/raw")
    loaded = LoadedInput.of(raw)
    made = record(catalog, "b", inputs=(loaded, loaded))
    assert catalog.materializations.inputs(made.materialization_id) == [loaded]


def test_inputs_are_recorded_with_what_was_made_of_them_or_nothing_is(catalog: Catalog, engine: sa.Engine) -> None:
    raw = record(catalog, "a", asset="flights/raw")

    @sa.event.listens_for(catalog._engine, "before_cursor_execute")
    def crash(*arguments: object) -> None:
        if str(arguments[2]).startswith("INSERT INTO materialization_inputs"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(catalog, "b", inputs=(LoadedInput.of(raw),))
    sa.event.remove(catalog._engine, "before_cursor_execute", crash)
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.current("flights/table")
    assert counts_agree(engine)


def test_two_partitions_of_equal_content_are_two_inputs(catalog: Catalog) -> None:
    days = [record(catalog, "a", asset="daily", partition=day) for day in ("mon", "tue")]
    assert len({day.file.file_id for day in days}) == 1
    loaded = [LoadedInput.of(day) for day in days]
    made = record(catalog, "b", inputs=(*loaded, loaded[0]))
    assert catalog.materializations.inputs(made.materialization_id) == loaded


def test_each_new_content_of_a_dataset_is_a_version_of_it(catalog: Catalog, engine: sa.Engine) -> None:
    made = [record(catalog, x, asset="flights/raw", dataset="flights") for x in "aab"]
    with engine.connect() as connection:
        assert connection.execute(sa.select(datasets.c.name)).scalars().all() == ["flights"]
        numbers = sa.select(dataset_versions.c.number, dataset_versions.c.materialization_id).order_by("number")
        assert [tuple(row) for row in connection.execute(numbers)] == [
            (1, made[0].materialization_id),
            (2, made[2].materialization_id),
        ]


def test_versions_are_counted_without_gaps_or_repeats_by_many_writers(catalog: Catalog) -> None:
    letters = [f"{number:064d}" for number in range(24)]

    def write(content_hash: str) -> int:
        lease = catalog.files.acquire(Content(content_hash, 100), "blake3", PARQUET)
        return catalog.materializations.record(MaterializationFacts("flights/table", content_hash), [lease]).version

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, letters)) == list(range(1, 25))


def test_look_ups_use_an_index(catalog: Catalog, engine: sa.Engine) -> None:
    record(catalog, "a")
    newest, _ = plans_of(engine, lambda: catalog.materializations.history("flights/table"))
    assert "ix_materializations_asset_key" in newest
    assert "TEMP B-TREE" not in newest
    assert "Sort" not in newest


def test_what_is_listed_and_what_was_wiped_is_found_past_no_outputs_of_ops(catalog: Catalog, engine: sa.Engine) -> None:
    made = record(catalog, "a", asset="zoo", run_id="run")
    with engine.begin() as connection:
        row = dict(connection.execute(sa.select(materializations)).mappings().one())
        del row["materialization_id"]
        outputs = [
            {**row, "asset_key": f"{run}/step/result", "run_id": f"{run}", "is_op_output": True} for run in range(3_000)
        ]
        connection.execute(sa.insert(materializations), outputs)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(sa.text("ANALYZE materializations"))
    assert "current_of_assets" in plans_of(engine, lambda: catalog.materializations.list_current(10))[0]
    assert catalog.materializations.list_current() == [made]
    assert len(catalog.materializations.list_current(5_000, with_ops=True)) == 3_001
    catalog.retention.wipe("zoo")
    assert "ix_materializations_wiped" in plans_of(engine, catalog.retention.wiped_assets)[0]
    assert catalog.retention.wiped_assets() == ["zoo"]


def test_what_is_recorded_in_the_middle_of_a_look_up_does_not_disturb_it(catalog: Catalog) -> None:
    first = record(catalog, "a")
    later = iter("b")

    @sa.event.listens_for(catalog._engine, "after_cursor_execute")
    def record_another(*arguments: object) -> None:
        if str(arguments[2]).startswith("SELECT materializations") and (letter := next(later, None)):
            record(catalog, letter)

    assert catalog.materializations.history("flights/table", limit=1) == [first]
    assert len(catalog.materializations.history("flights/table")) == 2


def test_other_bytes_of_the_same_table_are_the_same_version(catalog: Catalog) -> None:
    first = record(catalog, "a")
    lease = catalog.files.acquire(Content("b" * 64, 100), "blake3", PARQUET)
    encoded_anew = catalog.materializations.record(MaterializationFacts("flights/table", first.data_version), [lease])
    assert (encoded_anew.version, encoded_anew.file.content_hash) == (1, "b" * 64)


def test_partitions_are_found_at_once_those_of_a_run_first(catalog: Catalog) -> None:
    one, two = (record(catalog, letter, partition=letter, run_id="first") for letter in "ab")
    others = record(catalog, "c", partition="a", run_id="second")
    find = catalog.materializations.find
    assert find("flights/table", ["b", "a", "none"]) == {"b": two, "a": others}
    assert find("flights/table", ["a", "b"], run_id="first") == {"a": one, "b": two}
    assert find("flights/table", [None]) == {}


def test_a_selection_means_another_than_the_current_one(catalog: Catalog) -> None:
    first, again, other = record(catalog, "a", run_id="1"), record(catalog, "a", run_id="2"), record(catalog, "b")
    catalog.pins_and_tags.tag("flights/table", "good", version=1)

    def found(selection: Selection) -> list[int]:
        return [
            m.materialization_id for m in catalog.materializations.find("flights/table", [None], selection).values()
        ]

    for selection in (Selection(version=1), Selection(file_id=first.file.file_id), Selection(tag="good")):
        assert found(selection) == [again.materialization_id]
    assert found(Selection(run_id="1")) == [first.materialization_id]
    assert found(Selection(as_of=other.created_at)) == [other.materialization_id]
    assert found(Selection(as_of=first.created_at - datetime.timedelta(seconds=1))) == []
    assert found(Selection(version=9)) == []


def test_what_was_current_at_a_time_is_found_and_never_what_was_before_it(catalog: Catalog, engine: sa.Engine) -> None:
    made = []
    for letter in "abcd":
        made.append(record(catalog, letter))
        time.sleep(0.01)
    times = [m.created_at for m in made]

    def found(moment: datetime.datetime) -> int | None:
        by_partition = catalog.materializations.find("flights/table", [None], Selection(as_of=moment))
        return by_partition[None].version if by_partition else None

    assert [found(moment) for moment in times] == [1, 2, 3, 4]
    assert catalog.retention.release(VersionName("flights/table", None, 2), "test")
    assert [found(moment) for moment in times] == [1, None, 3, 4], "not 1, which was not current any more"
    with engine.begin() as connection:
        third = sa.update(materializations).where(materializations.c.version == 3)
        connection.execute(third.values(publication=Publication.REJECTED, current_since=None))
    assert found(times[2]) is None, "a candidate that was rejected never was current; what was then is released"
    catalog.retention.wipe("flights/table")
    assert found(times[3]) == 4
    assert found(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)) is None


def test_a_candidate_is_current_from_when_it_is_published(catalog: Catalog, engine: sa.Engine) -> None:
    made = []
    for letter in "abc":
        made.append(record(catalog, letter))
        time.sleep(0.01)
    first, candidate, other = made
    since = other.created_at + datetime.timedelta(hours=1)
    with engine.begin() as connection:
        published = sa.update(materializations).where(materializations.c.version == candidate.version)
        connection.execute(published.values(current_since=since))
    find = catalog.materializations.find
    assert find("flights/table", [None], Selection(as_of=candidate.created_at))[None] == first
    assert find("flights/table", [None], Selection(as_of=other.created_at))[None] == other
    assert find("flights/table", [None], Selection(as_of=since))[None].version == candidate.version


def test_what_could_be_selected_is_told_with_its_tags(catalog: Catalog) -> None:
    for letter in "aab":
        record(catalog, letter)
    catalog.pins_and_tags.tag("flights/table", "good", version=1)
    error = catalog.materializations.nothing_found("flights/table", None, Selection(tag="bad"))
    assert isinstance(error, NothingSelectedError)
    assert [told.split(" (")[0] for told in error.kept] == ["version 2", "version 1"]
    assert error.kept[1].startswith("version 1 (file 1, ")
    assert error.kept[1].endswith(", tag good)")
    assert isinstance(catalog.materializations.nothing_found("never"), NeverMaterializedError)


@pytest.mark.parametrize("partition", [None, "p"])
def test_there_is_one_current_materialization_of_an_asset_or_partition(
    catalog: Catalog, engine: sa.Engine, partition: str | None
) -> None:
    for content in "aba":
        record(catalog, content, partition=partition)
    assert [m.version for m in catalog.materializations.list_current()] == [3]
