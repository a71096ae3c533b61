"""One name for everything stored: assets, versions, partitions, datasets, file IDs; and what someone may have meant."""

import pathlib
from collections.abc import Iterator

import dagster as dg
import polars as pl
import pytest

from artifact_pipelines import ArtifactIOManager, Store, open_store
from artifact_pipelines.catalog.exceptions import NeverMaterializedError
from artifact_pipelines.catalog.stored_names import StoredName, find_file, resolve_name
from artifact_pipelines.core.exceptions import InvalidArgumentError, UnknownFileError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.storage.factory import open_producer
from artifact_pipelines_tests.project import CSV, Project
from artifact_pipelines_tests.saved_store import copy_saved, settings_in


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Three assets: `towns/table`, partitioned `sales/table`, and `pair` of two files."""

    @dg.asset(key=["towns", "table"])
    def table() -> pl.DataFrame:
        return pl.DataFrame({"x": [1]})

    @dg.asset(key=["sales", "table"], partitions_def=dg.StaticPartitionsDefinition(["2024-01", "2024-02"]))
    def sales(context: dg.AssetExecutionContext) -> str:
        return str(context.partition_key)

    @dg.asset
    def pair() -> dict[str, pl.DataFrame]:
        return {"one": pl.DataFrame({"x": [1]}), "two": pl.DataFrame({"x": [2]})}

    folder = tmp_path_factory.mktemp("towns")
    urls = settings_in(folder)
    with open_store(urls.catalog_url, urls.storage_url) as store:
        io_manager = ArtifactIOManager(store.catalog, open_producer(store.catalog.files, urls.storage_url))
        resources = {"io_manager": io_manager}
        dg.materialize([table, pair], resources=resources)
        for key in ("2024-01", "2024-02"):
            dg.materialize([sales], resources=resources, partition_key=key)
        store.catalog.pins_and_tags.tag("towns/table", "golden")
    return folder


@pytest.fixture
def towns(filled: pathlib.Path, tmp_path: pathlib.Path) -> Iterator[Store]:
    copy_saved(filled, tmp_path)
    with open_store() as store:
        yield store


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("towns/table", StoredName("towns/table")),
        ("towns/table@v1", StoredName("towns/table", None, 1)),
        ("towns/table@golden", StoredName("towns/table", None, 1)),
        ("sales/table[2024-01]", StoredName("sales/table", "2024-01")),
        ("sales/table@v1[2024-02]", StoredName("sales/table", "2024-02", 1)),
    ],
)
def test_name_has_asset_version_and_partition(towns: Store, text: str, found: StoredName) -> None:
    assert resolve_name(towns.catalog, text) == found


def test_options_complete_a_name_and_may_not_contradict_it(towns: Store) -> None:
    assert resolve_name(towns.catalog, "sales/table", "2024-01", 1) == StoredName("sales/table", "2024-01", 1)
    assert resolve_name(towns.catalog, "sales/table[2024-01]", "2024-01") == StoredName("sales/table", "2024-01")
    with pytest.raises(InvalidArgumentError, match="version must be left out, because towns/table@v1 names one"):
        resolve_name(towns.catalog, "towns/table@v1", version=2)


def test_number_is_the_file_of_the_one_asset_that_has_it(towns: Store) -> None:
    january = towns.find("sales/table[2024-01]").file.file_id
    assert resolve_name(towns.catalog, str(january)) == StoredName("sales/table", "2024-01", 1)
    assert find_file(towns.catalog, str(january))[0].file_id == january
    shared = towns.find("towns/table").file.file_id
    with pytest.raises(InvalidArgumentError, match="one of the assets that have this file: pair@v1, towns/table@v1"):
        resolve_name(towns.catalog, str(shared))
    with pytest.raises(UnknownFileError):
        resolve_name(towns.catalog, "99")
    with pytest.raises(InvalidArgumentError, match="neither partitions nor versions"):
        resolve_name(towns.catalog, str(january), version=1)


def test_value_of_several_files_is_no_file_and_the_error_names_them(towns: Store) -> None:
    with pytest.raises(InvalidArgumentError, match=r"it has several: one is file \d+, two is file \d+"):
        towns.find_file("pair")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("towns/tabel", "Did you mean towns/table"),
        ("towns", "Did you mean towns/table"),
        ("table", "Did you mean sales/table or towns/table"),
        ("sales/table", r"Did you mean sales/table\[2024-02\] or sales/table\[2024-01\]"),
        ("sales/table[2024-1]", r"Did you mean sales/table\[2024-01\]"),
        ("towns/table[2024-01]", r"Did you mean towns/table\?"),
    ],
)
def test_wrong_name_shows_what_may_have_been_meant(towns: Store, text: str, meant: str) -> None:
    with pytest.raises(NeverMaterializedError, match=meant):
        towns.find(text)


def test_dataset_stands_for_its_table_and_counts_its_own_versions(store: Store, settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance, samples={}, analyses={})
        project.drop(CSV)
        project.settle()
    assert resolve_name(store.catalog, "flights") == StoredName("flights/table")
    assert resolve_name(store.catalog, "flights@v1") == StoredName("flights/table", None, 1)
    assert resolve_name(store.catalog, "flights", version=1) == StoredName("flights/table", None, 1)


def test_asset_with_any_characters_is_found_by_its_whole_name(towns: Store, settings: Settings) -> None:
    @dg.op(out=dg.DynamicOut(int))
    def many() -> "list[dg.DynamicOutput[int]]":
        return [dg.DynamicOutput(1, mapping_key="a")]

    io_manager = ArtifactIOManager(towns.catalog, open_producer(towns.catalog.files, settings.storage_url))

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(io_manager)})
    def job() -> None:
        many()

    job.execute_in_process()
    [name] = [each.asset for each in towns.catalog.materializations.list_current(with_ops=True) if each.is_op_output]
    assert towns.find(name).asset == name


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("towns", ["towns/table"]),
        ("towns/table", ["towns/table"]),
        ("*/table", ["sales/table", "towns/table"]),
        ("pai?", ["pair"]),
        ("pai", []),
        ("TOWNS", []),
        ("*", ["pair", "sales/table", "towns/table"]),
        ("tow.s", []),
    ],
)
def test_pattern_matches_names_and_what_lies_below_them(towns: Store, pattern: str, names: list[str]) -> None:
    assert towns.catalog.asset_names.matching(pattern) == names
    assert list(dict.fromkeys(made.asset for made in towns.assets(pattern))) == names
