"""A whole project on S3 and PostgreSQL works as on local disk and SQLite."""

import dataclasses
import io
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest

from artifact_pipelines import Artifact, ArtifactIOManagerFactory, S3Config, open_store
from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import STORAGE_URL, Settings
from artifact_pipelines.definitions import resources
from artifact_pipelines.io_manager.resources import ArtifactStore
from artifact_pipelines.maintenance.assets import catalog_backup
from artifact_pipelines.maintenance.definitions import build_maintenance
from artifact_pipelines_tests.project import ALL, CSV, NO_LOGS, Project
from artifact_pipelines_tests.storage.back_door import S3BackDoor

MORE = CSV + "AA,4,9\n"


def history_of(settings: Settings) -> object:
    """Run the project through three drops; return its runs, and the history and content of its artifacts."""
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance)
        made = []
        for text in (CSV, MORE, MORE):
            project.drop(text)
            made.append(sorted(project.settle()[0]))
    with open_store(settings.catalog_url, settings.storage_url) as store:
        history = []
        for asset in ALL:
            for found in store.history(f"flights/{asset}"):
                with store.open(found.file.file_id) as stream:
                    history.append((asset, found.version, found.file.content_hash, found.row_count, stream.read()))
        profile = store.load("flights/analyses/profile", pl.DataFrame)
    return made, history, profile.to_dicts()


def test_project_on_s3_and_postgresql_equals_one_on_local_disk_and_sqlite(
    settings: Settings, s3_url: str, postgresql_url: str, s3_back_door: S3BackDoor, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "other").mkdir()
    remote = Settings(postgresql_url, s3_url, str(tmp_path / "other"))
    assert history_of(remote) == history_of(settings)
    assert len(s3_back_door.everything()) == len(list((tmp_path / "store").glob("??/*")))


def union_of(settings: Settings, **options: Any) -> object:
    """Drop files of one table; return its rows, its files in the catalog, and what changed in each version."""
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance, files="all", samples={}, analyses={}, **options)
        for name, text in (("b", CSV), ("a", "carrier,number,delay\nDL,9,1\n"), ("b", MORE.replace("5", "6"))):
            project.drop(text, f"flights_{name}.csv")
            project.settle()
    with open_store(settings.catalog_url, settings.storage_url) as store:
        history = store.history("flights/table")
        tables = [pl.read_parquet(io.BytesIO(store.open(made.file.file_id).read())).rows() for made in history]
        return [(m.partition, m.version, m.metadata.get("changes"), m.file.content_hash) for m in history], tables


@pytest.mark.long
@pytest.mark.parametrize("options", [{}, {"partitions": "by_file", "source": "flights_{partition}.csv"}], ids=str)
def test_union_and_partitions_on_s3_and_postgresql_equal_those_on_local_disk_and_sqlite(
    settings: Settings, s3_url: str, postgresql_url: str, tmp_path: pathlib.Path, options: Any
) -> None:
    (tmp_path / "other").mkdir()
    remote = union_of(Settings(postgresql_url, s3_url, str(tmp_path / "other")), **options)
    assert remote == union_of(settings, **options)
    assert "1 added, 0 removed, 1 changed (delay: 1)" in str(remote)


@pytest.fixture
def factory(s3_url: str, settings: Settings) -> ArtifactIOManagerFactory:
    return ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=s3_url)


_READERS: Mapping[Any, Callable[[Any], Any]] = {
    pl.DataFrame: lambda value: value.rows(),
    pl.LazyFrame: lambda value: value.collect().rows(),
    pa.Table: lambda value: pl.DataFrame(pl.from_arrow(value)).rows(),
    pa.RecordBatchReader: lambda value: pl.DataFrame(pl.from_arrow(value.read_all())).rows(),
    pyarrow.dataset.Dataset: lambda value: pl.DataFrame(pl.from_arrow(value.to_table())).rows(),
    duckdb.DuckDBPyRelation: lambda value: value.fetchall(),
    pathlib.Path: lambda value: pl.read_parquet(value).rows(),
    bytes: lambda value: pl.read_parquet(io.BytesIO(value)).rows(),
    Artifact: lambda value: pl.read_parquet(value.open()).rows(),
}


def test_every_type_is_read_from_s3(factory: ArtifactIOManagerFactory) -> None:
    @dg.asset
    def table() -> pl.DataFrame:
        return pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})

    seen = {}

    def reader(kind: Any, rows: Callable[[Any], Any]) -> dg.AssetsDefinition:
        def read(table: Any) -> None:
            seen[kind] = rows(table)

        read.__annotations__["table"] = kind
        return dg.asset(read, name=f"read_{kind.__name__}")

    readers = [reader(kind, rows) for kind, rows in _READERS.items()]
    assert dg.materialize([table, *readers], resources={"io_manager": factory}).success
    assert seen == {kind: [(1, "x"), (2, "y")] for kind in _READERS}


_READER = """
import pathlib, sys
from artifact_pipelines import open_store
with open_store() as store:
    path = store.load("table", pathlib.Path)
    assert path.read_bytes()[:4] == b"PAR1"
    assert oct(path.stat().st_mode & 0o777) == "0o444"
    assert store.load("table", pathlib.Path) == path, "a second copy was made"
    store.load("table")
    store.load("table", "polars.LazyFrame")
"""


def test_local_copies_are_removed_when_their_process_ends(
    factory: ArtifactIOManagerFactory, s3_url: str, tmp_path: pathlib.Path
) -> None:
    @dg.asset
    def table() -> pl.DataFrame:
        return pl.DataFrame({"a": [1, 2]})

    assert dg.materialize([table], resources={"io_manager": factory}).success
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, STORAGE_URL: s3_url, "TMPDIR": str(tmp_path / "temporary")}
    subprocess.run([sys.executable, "-c", _READER], env=environment, check=True)
    assert list((tmp_path / "temporary").iterdir()) == []


def configured_values(resources: dict[str, object]) -> str:
    """Return the configuration of resources as the UI shows it."""
    from dagster._core.remote_representation.external_data import RepositorySnap

    repository = dg.Definitions(resources=resources).get_repository_def()
    return str([snap.configured_values for snap in RepositorySnap.from_def(repository).resources or ()])


def test_configured_credentials_appear_nowhere(
    s3_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("MY_KEY", "the-key-1")
    monkeypatch.setenv("MY_SECRET", "the-secret-1")
    monkeypatch.setenv("MY_TOKEN", "the-token-1")
    factory = ArtifactIOManagerFactory(
        catalog_url=settings.catalog_url,
        storage_url=s3_url,
        s3=S3Config(
            region="eu-central-1",
            access_key_id=dg.EnvVar("MY_KEY"),
            secret_access_key=dg.EnvVar("MY_SECRET"),
            session_token=dg.EnvVar("MY_TOKEN"),
        ),
    )

    @dg.asset
    def text() -> str:
        return "a"

    with dg.instance_for_test(NO_LOGS) as instance:
        result = dg.materialize([text], resources={"io_manager": factory}, instance=instance)
        assert result.success
        shown = str([str(event) for event in result.all_events]) + configured_values(
            {"io_manager": factory, "store": factory.store}
        )
        shown += str(instance.all_logs(result.run_id)) + str(instance.get_run_by_id(result.run_id))
    shown += repr(factory) + repr(factory.store.s3) + repr(factory.store.s3.settings()) + "".join(capfd.readouterr())
    assert "MY_SECRET" in shown
    assert "stored asset=text" in shown
    assert not re.search("the-(key|secret|token)-1", shown)


def test_maintenance_uses_the_server_of_the_io_manager(
    s3_url: str, s3_server: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ours, aws in (("MY_KEY", "AWS_ACCESS_KEY_ID"), ("MY_SECRET", "AWS_SECRET_ACCESS_KEY")):
        monkeypatch.setenv(ours, os.environ[aws])
        monkeypatch.delenv(aws)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    s3 = S3Config(endpoint_url=s3_server, access_key_id=dg.EnvVar("MY_KEY"), secret_access_key=dg.EnvVar("MY_SECRET"))
    store = ArtifactStore(catalog_url=settings.catalog_url, storage_url=s3_url, s3=s3)
    resources = {
        "io_manager": ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=s3_url, s3=s3),
        "artifact_store": store,
    }

    @dg.asset
    def text() -> str:
        return "a"

    assert dg.materialize([text, catalog_backup], resources=resources).success
    assert build_maintenance(store).resolve_job_def("artifact_clean_up").execute_in_process().success


def test_literal_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"s3.secret_access_key.*dg.EnvVar") as caught:
        S3Config(secret_access_key="written-out")
    assert "written-out" not in str(caught.value)


def test_storage_url_with_a_password_is_refused_without_showing_it(settings: Settings) -> None:
    for refused in (
        lambda url: Settings(settings.catalog_url, url, settings.landing_url),
        lambda url: ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=url),
        lambda url: ArtifactStore(catalog_url=settings.catalog_url, storage_url=url),
        lambda url: open_store(storage_url=url),
        lambda url: S3Config(endpoint_url=url),
    ):
        with pytest.raises(ConfigurationError) as caught:
            refused("s3://someone:hunter2@bucket/prefix")
        assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_projects_definitions_contain_no_credentials(s3_url: str, settings: Settings) -> None:
    remote = Settings(settings.catalog_url, s3_url, settings.landing_url)
    assert "test-secret" not in configured_values(resources(remote))


def test_files_dropped_into_a_bucket_are_ingested(settings: Settings, s3_back_door: S3BackDoor) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        url = f"s3://{s3_back_door.bucket}/drop"
        project = Project(dataclasses.replace(settings, landing_url=url), instance)
        for key, data in (("drop/flights.csv", CSV.encode()), ("drop/flights.d.csv/x", b"")):
            s3_back_door.client.put_object(Bucket=s3_back_door.bucket, Key=key, Body=data)
        made, reasons = project.settle()
    assert sorted(made) == ALL
    assert reasons == {
        "artifact_landing": "flights.csv: ingested; flights.d.csv: quarantined (asset flights/quarantine says why)"
    }


def test_folders_dropped_into_a_bucket_are_ingested_once_their_marker_is_there(
    settings: Settings, s3_back_door: S3BackDoor
) -> None:
    options: Any = {"source": "exports/*/**/*.csv", "files": "folder", "file_column": "file", "analyses": {}}
    with dg.DagsterInstance.ephemeral() as instance:
        url = f"s3://{s3_back_door.bucket}/drop"
        project = Project(dataclasses.replace(settings, landing_url=url), instance, samples={}, **options)

        def put(name: str, text: str) -> None:
            s3_back_door.client.put_object(
                Bucket=s3_back_door.bucket, Key=f"drop/exports/may/{name}", Body=text.encode()
            )

        put("b.csv", "carrier,number,delay\nUA,2,5\n")
        put("a/a.csv", "carrier,number,delay\nUA,1,5\n")
        assert project.settle()[0] == []
        put("_SUCCESS", "")
        made, reasons = project.settle()
    assert (made, reasons["artifact_landing"]) == (["raw", "table"], "exports/may: ingested")
    with open_store() as store:
        rows = store.load("flights/table", as_type=pl.DataFrame).select("number", "file").rows()
    assert rows == [(1, "exports/may/a/a.csv"), (2, "exports/may/b.csv")]
