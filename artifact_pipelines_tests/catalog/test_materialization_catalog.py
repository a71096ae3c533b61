import concurrent.futures
import datetime
import time

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import (
    NeverMaterializedError,
    NothingSelectedError,
    OvertakenError,
    UnknownVersionError,
)
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
from artifact_pipelines_tests.catalog.filled import inputs_of
from artifact_pipelines_tests.catalog.statements import at_each_statement, plans_of
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree

PARQUET = FileDescription("parquet")


def record(
    catalog: Catalog, letter: str, asset: str = "flights/table", partition: str | None = None, **facts: object
) -> Materialization:
    lease = catalog.files.acquire_all([(Content(letter * 64, 100), PARQUET)], "blake3")[0]
    made = MaterializationFacts(asset, f"version of {letter}", partition, **facts)  # type: ignore[arg-type]
    return catalog.materializations.record(made, [lease])


def test_version_made_from_one_that_is_no_longer_current_is_refused(catalog: Catalog) -> None:
    first = record(catalog, "a", made_after=0)
    second = record(catalog, "b", made_after=first.materialization_id)
    for overtaken in (0, first.materialization_id):
        with pytest.raises(OvertakenError, match="Another run changed flights/table"):
            record(catalog, "c", made_after=overtaken)
    assert catalog.materializations.current("flights/table") == second


def test_materialization_holds_its_file(catalog: Catalog) -> None:
    made = record(catalog, "a", run_id="run", step_key="step", code_version="1", row_count=5, schema={"x": "int64"})
    assert made.file.state == FileState.STORED
    assert catalog.files.holders(made.file.file_id) == [holder_of(made.materialization_id)]
    assert (made.run_id, made.step_key, made.code_version, made.row_count) == ("run", "step", "1", 5)
    assert made.schema == {"x": "int64"}
    assert catalog.materializations.current("flights/table") == made


def test_nothing_is_recorded_if_the_lease_is_gone(catalog: Catalog) -> None:
    lease = catalog.files.acquire_all([(Content("a" * 64, 100), PARQUET)], "blake3")[0]
    catalog.files.abandon_all([lease])
    with pytest.raises(LeaseExpiredError):
        catalog.materializations.record(MaterializationFacts("flights/table", "v"), [lease])
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.current("flights/table")


def test_only_new_bytes_count_as_added(catalog: Catalog) -> None:
    assert [record(catalog, x).bytes_added for x in "aab"] == [100, 0, 100]


def test_one_of_two_concurrent_writers_adds_the_bytes(catalog: Catalog) -> None:
    leases = [catalog.files.acquire_all([(Content("a" * 64, 100), PARQUET)], "blake3")[0] for _ in range(2)]
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


def test_old_version_is_found_by_its_number(catalog: Catalog) -> None:
    record(catalog, "a")
    again = record(catalog, "a")
    record(catalog, "b")
    assert catalog.materializations.version("flights/table", 1) == again


@pytest.mark.parametrize("version", [0, 3, -1, 10**18])
def test_error_of_an_unknown_version_names_the_newest(catalog: Catalog, version: int) -> None:
    record(catalog, "a")
    record(catalog, "b")
    with pytest.raises(UnknownVersionError, match="the newest is 2"):
        catalog.materializations.version("flights/table", version)


def test_newest_version_is_the_highest_even_if_an_older_one_is_current(catalog: Catalog) -> None:
    for letter in "ab":
        record(catalog, letter)
    catalog.materializations.roll_back("flights/table", 1)
    with pytest.raises(UnknownVersionError, match="the newest is 2"):
        catalog.materializations.version("flights/table", 7)


def test_each_partition_counts_its_own_versions(catalog: Catalog) -> None:
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


def test_current_materializations_are_listed_by_name(catalog: Catalog) -> None:
    record(catalog, "a", asset="b/two")
    second = record(catalog, "b", asset="b/two")
    first = record(catalog, "a", asset="a/one", partition="x")
    assert catalog.materializations.list_current() == [first, second]


def test_outputs_of_ops_are_listed_only_on_request(catalog: Catalog) -> None:
    of_op = record(catalog, "a", asset="1f/step/result", run_id="1f", is_op_output=True)
    assets = [
        record(catalog, letter, asset=asset, run_id=run_id)
        for letter, asset, run_id in (("b", "1f", "1f"), ("c", "1f/x", "1f"), ("e", "zoo", None))
    ]
    assert catalog.materializations.list_current() == assets
    assert catalog.materializations.list_current(limit=2) == assets[:2]
    assert catalog.materializations.list_current(with_ops=True) == [assets[0], of_op, *assets[1:]]


def test_input_loaded_twice_is_recorded_once(catalog: Catalog) -> None:
    raw = record(catalog, "a", asset="flights/raw")
    loaded = LoadedInput.of(raw)
    made = record(catalog, "b", inputs=(loaded, loaded))
    assert inputs_of(catalog, made.materialization_id) == [loaded]


def test_materialization_and_inputs_are_recorded_together_or_not_at_all(catalog: Catalog, engine: sa.Engine) -> None:
    raw = record(catalog, "a", asset="flights/raw")

    def crash(*arguments: object) -> None:
        if str(arguments[2]).startswith("INSERT INTO materialization_inputs"):
            raise KeyboardInterrupt

    with at_each_statement("before", crash), pytest.raises(KeyboardInterrupt):
        record(catalog, "b", inputs=(LoadedInput.of(raw),))
    with pytest.raises(NeverMaterializedError):
        catalog.materializations.current("flights/table")
    assert counts_agree(engine)


def test_two_partitions_of_equal_content_are_two_inputs(catalog: Catalog) -> None:
    days = [record(catalog, "a", asset="daily", partition=day) for day in ("mon", "tue")]
    assert len({day.file.file_id for day in days}) == 1
    loaded = [LoadedInput.of(day) for day in days]
    made = record(catalog, "b", inputs=(*loaded, loaded[0]))
    assert inputs_of(catalog, made.materialization_id) == loaded


def test_each_new_content_of_a_dataset_is_a_dataset_version(catalog: Catalog, engine: sa.Engine) -> None:
    made = [record(catalog, x, asset="flights/raw", dataset="flights") for x in "aab"]
    with engine.connect() as connection:
        assert connection.execute(sa.select(datasets.c.name)).scalars().all() == ["flights"]
        numbers = sa.select(dataset_versions.c.number, dataset_versions.c.materialization_id).order_by("number")
        assert [tuple(row) for row in connection.execute(numbers)] == [
            (1, made[0].materialization_id),
            (2, made[2].materialization_id),
        ]


def test_concurrent_writers_count_versions_without_gaps_or_repeats(catalog: Catalog) -> None:
    letters = [f"{number:064d}" for number in range(24)]

    def write(content_hash: str) -> int:
        lease = catalog.files.acquire_all([(Content(content_hash, 100), PARQUET)], "blake3")[0]
        return catalog.materializations.record(MaterializationFacts("flights/table", content_hash), [lease]).version

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, letters)) == list(range(1, 25))


def test_look_ups_use_an_index(catalog: Catalog, engine: sa.Engine) -> None:
    record(catalog, "a")
    newest, _ = plans_of(engine, lambda: catalog.materializations.history("flights/table"))
    assert "ix_materializations_asset_key" in newest
    assert "TEMP B-TREE" not in newest
    assert "Sort" not in newest


def test_listing_and_finding_wiped_assets_read_no_outputs_of_ops(catalog: Catalog, engine: sa.Engine) -> None:
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


def test_record_during_a_look_up_does_not_disturb_it(catalog: Catalog) -> None:
    first = record(catalog, "a")
    later = iter("b")

    def record_another(*arguments: object) -> None:
        if str(arguments[2]).startswith("SELECT materializations") and (letter := next(later, None)):
            record(catalog, letter)

    with at_each_statement("after", record_another):
        assert catalog.materializations.history("flights/table", limit=1) == [first]
    assert len(catalog.materializations.history("flights/table")) == 2


def test_other_bytes_of_the_same_table_are_the_same_version(catalog: Catalog) -> None:
    first = record(catalog, "a")
    lease = catalog.files.acquire_all([(Content("b" * 64, 100), PARQUET)], "blake3")[0]
    encoded_anew = catalog.materializations.record(MaterializationFacts("flights/table", first.data_version), [lease])
    assert (encoded_anew.version, encoded_anew.file.content_hash) == (1, "b" * 64)


def test_partitions_are_found_together_and_those_of_the_run_first(catalog: Catalog) -> None:
    one, two = (record(catalog, letter, partition=letter, run_id="first") for letter in "ab")
    others = record(catalog, "c", partition="a", run_id="second")
    find = catalog.materializations.find
    assert find("flights/table", ["b", "a", "none"]) == {"b": two, "a": others}
    assert find("flights/table", ["a", "b"], run_id="first") == {"a": one, "b": two}
    assert find("flights/table", [None]) == {}


def test_selection_finds_another_version_than_the_current_one(catalog: Catalog) -> None:
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


def test_selection_by_time_finds_the_version_that_was_current_then(catalog: Catalog, engine: sa.Engine) -> None:
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
    assert [found(moment) for moment in times] == [1, None, 3, 4], "not 1, which was no longer current"
    with engine.begin() as connection:
        third = sa.update(materializations).where(materializations.c.version == 3)
        connection.execute(third.values(publication=Publication.REJECTED, current_since=None))
    assert found(times[2]) is None, "the rejected candidate never was current, and version 2 is released"
    catalog.retention.wipe("flights/table")
    assert found(times[3]) == 4
    assert found(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)) is None


def test_candidate_is_current_from_its_publication_on(catalog: Catalog, engine: sa.Engine) -> None:
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


def test_error_names_possible_selections_with_their_tags(catalog: Catalog) -> None:
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
def test_asset_or_partition_has_one_current_materialization(
    catalog: Catalog, engine: sa.Engine, partition: str | None
) -> None:
    for content in "aba":
        record(catalog, content, partition=partition)
    assert [m.version for m in catalog.materializations.list_current()] == [3]


def test_materializations_are_read_by_their_ids_in_order(catalog: Catalog) -> None:
    first, second = record(catalog, "a"), record(catalog, "b", asset="flights/samples/few")
    ids = [second.materialization_id, 10**9, first.materialization_id]
    assert [made.asset for made in catalog.materializations.with_ids(ids)] == ["flights/samples/few", "flights/table"]
    assert catalog.materializations.with_ids([]) == []
