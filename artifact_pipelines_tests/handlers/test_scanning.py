"""Tables on S3 are scanned in place: without a copy, fetching only what a query needs, and showing no secret."""

import copy
import datetime
import functools
import io
import pathlib
import pickle
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pyarrow.dataset
import pyarrow.fs
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import S3Settings, Settings
from artifact_pipelines.handlers import scanning
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.backends.s3_client import S3Client
from artifact_pipelines.storage.exceptions import DamagedBytesError, MissingBytesError
from artifact_pipelines.storage.factory import open_producer
from artifact_pipelines.storage.interfaces import S3Access, S3Credentials
from artifact_pipelines.tabular.parquet import write_frame
from artifact_pipelines_tests.faulty_proxy import Fault, Proxy
from artifact_pipelines_tests.storage.back_door import S3BackDoor

ROWS = 300_000
WIDE = pl.DataFrame({"x": range(ROWS)}).with_columns(
    ((pl.col("x") * 7919 * number) % 1_000_003 / 3).alias(f"c{number}") for number in range(1, 9)
)
KINDS: list[tuple[Any, Callable[[Any], pl.DataFrame]]] = [
    (pl.LazyFrame, lambda lazy: lazy.select("c3").collect()),
    (pyarrow.dataset.Dataset, lambda dataset: pl.DataFrame(pl.from_arrow(dataset.to_table(columns=["c3"])))),
]
FILTERED: list[tuple[Any, Callable[[Any, int], pl.DataFrame]]] = [
    (pl.LazyFrame, lambda lazy, rows: lazy.filter(pl.col("x") < rows).select("x", "c3").collect()),
    (
        pyarrow.dataset.Dataset,
        lambda dataset, rows: pl.DataFrame(
            pl.from_arrow(dataset.to_table(columns=["x", "c3"], filter=pyarrow.dataset.field("x") < rows))
        ),
    ),
]


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    with Catalog(settings.catalog_url) as catalog:
        yield catalog


@functools.cache
def first_rows(rows: int) -> bytes:
    """Return a Parquet file of the first rows of `WIDE`."""
    sink = io.BytesIO()
    write_frame(WIDE.head(rows), sink)
    return sink.getvalue()


def put_table(catalog: Catalog, storage_url: str, rows: int = ROWS) -> Artifact:
    """Store the first rows of `WIDE`."""
    producer = open_producer(catalog.files, storage_url)
    file_id = producer.create_artifact(io.BytesIO(first_rows(rows)), "parquet")
    return producer.artifact(catalog.files.get_file(file_id))


@pytest.fixture
def artifact(catalog: Catalog, s3_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A table on S3, behind a proxy that records every request."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
    return put_table(catalog, s3_url)


def load(artifact: Artifact, kind: Any, columns: list[str] | None = None) -> Any:
    return TypeHandlers().read(artifact, kind, columns)


def fetched_bytes(proxy: Proxy) -> int:
    """Return how many bytes were requested; every request must name a range."""
    asked = 0
    for request in proxy.requests:
        if request.line.startswith("GET"):
            headers = {name.lower(): value for name, value in request.headers.items()}
            start, stop = headers["range"].removeprefix("bytes=").split("-")
            asked += int(stop) + 1 - int(start) if start else int(stop)
    return asked


@pytest.fixture
def no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a local copy was made")

    monkeypatch.setattr(scanning, "lasting_path", fail)


def test_local_file_itself_is_scanned_and_filtered(catalog: Catalog, settings: Settings) -> None:
    artifact = put_table(catalog, settings.storage_url)
    path = str(pathlib.Path(settings.storage_url) / str(artifact.info.storage_path))
    dataset = load(artifact, pyarrow.dataset.Dataset)
    assert isinstance(dataset, pyarrow.dataset.FileSystemDataset)
    assert dataset.files == [path]
    plan = load(artifact, pl.LazyFrame).filter(pl.col("x") < 9).select("x").explain()
    for step in (f"Parquet SCAN [{path}]", "PROJECT 1/9 COLUMNS", "SELECTION: "):
        assert step in plan
    assert artifact.s3_access() is None


@pytest.mark.usefixtures("no_copies")
@pytest.mark.parametrize(("kind", "column"), KINDS)
def test_scan_of_one_column_fetches_a_fraction_of_the_bytes(
    artifact: Artifact, proxy: Proxy, kind: Any, column: Callable[[Any], pl.DataFrame]
) -> None:
    proxy.reset()
    assert column(load(artifact, kind)).equals(WIDE.select("c3"))
    assert 0 < fetched_bytes(proxy) < artifact.info.size_bytes / 4
    proxy.reset()
    assert column(load(artifact, kind, ["c3", "c5"])).equals(WIDE.select("c3"))
    assert 0 < fetched_bytes(proxy) < artifact.info.size_bytes / 4


@pytest.mark.usefixtures("no_copies")
@pytest.mark.parametrize(("kind", "first_rows"), FILTERED)
def test_filter_skips_row_groups(
    artifact: Artifact, proxy: Proxy, kind: Any, first_rows: Callable[[Any, int], pl.DataFrame]
) -> None:
    table, fetched = load(artifact, kind), []
    for rows in (10, ROWS):
        proxy.reset()
        assert first_rows(table, rows).equals(WIDE.select("x", "c3").head(rows))
        fetched.append(fetched_bytes(proxy))
    assert 0 < fetched[0] < 0.7 * fetched[1], fetched


@pytest.mark.parametrize("rows", [1, 10_000, 14_000, ROWS])
@pytest.mark.parametrize(("kind", "column"), KINDS)
def test_server_that_answers_a_range_over_all_with_all_is_read(
    catalog: Catalog, s3_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, kind: Any, column: Any, rows: int
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
    artifact = put_table(catalog, s3_url, rows)
    proxy.reset(lambda request: Fault("whole", is_done=True))
    assert column(load(artifact, kind)).equals(WIDE.select("c3").head(rows))
    assert load(artifact, pl.DataFrame).equals(WIDE.head(rows))


@pytest.mark.usefixtures("no_copies")
def test_a_store_finds_out_once_how_its_server_answers(
    catalog: Catalog, s3_url: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
    artifact = put_table(catalog, s3_url, 10)
    fetched = []
    for _ in range(2):
        proxy.reset()
        load(artifact, pl.LazyFrame)
        fetched.append(fetched_bytes(proxy))
    assert fetched == [artifact.info.size_bytes, 0]


@pytest.mark.parametrize(("kind", "column"), KINDS)
def test_missing_or_truncated_file_is_reported_before_the_scan(
    artifact: Artifact, s3_back_door: S3BackDoor, kind: Any, column: object
) -> None:
    s3_back_door.put(artifact.info.storage_path, b"short")
    with pytest.raises(DamagedBytesError):
        load(artifact, kind)
    s3_back_door.delete(artifact.info.storage_path)
    for columns in (None, ["c3"]):
        with pytest.raises(MissingBytesError):
            load(artifact, kind, columns)


class Secrets:
    """Credentials that change at every call."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> S3Credentials:
        self.asked += 1
        return S3Credentials(f"KEY{self.asked}", f"hidden-{self.asked}", f"token-{self.asked}")


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


def with_credentials(artifact: Artifact, proxy: Proxy, secrets: Secrets) -> Artifact:
    """Return an artifact of the same file that engines read with these credentials."""
    access = S3Access(proxy.endpoint_url, "eu-central-1", secrets)
    return Artifact(artifact.info, artifact.uri, artifact.open, True, lambda: access)


@pytest.fixture
def guarded(artifact: Artifact, proxy: Proxy, secrets: Secrets) -> Artifact:
    return with_credentials(artifact, proxy, secrets)


def used_credentials(proxy: Proxy) -> set[tuple[str, str]]:
    """Return the access keys and tokens of all requests."""
    used = set()
    for request in proxy.requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        key = re.search(r"Credential=(\w+)/\d+/eu-central-1/s3", headers["authorization"])
        assert key, headers
        used.add((key[1], headers["x-amz-security-token"]))
    return used


def test_dataset_asks_for_credentials_at_every_scan(guarded: Artifact, secrets: Secrets, proxy: Proxy) -> None:
    dataset = scanning.open_dataset(guarded)
    for _ in range(2):
        proxy.reset()
        dataset.count_rows()
        dataset.head(1)
        assert used_credentials(proxy)
        assert used_credentials(proxy) <= {(f"KEY{n}", f"token-{n}") for n in range(1, secrets.asked + 1)}
        assert (f"KEY{secrets.asked}", f"token-{secrets.asked}") in used_credentials(proxy)


def test_polars_asks_again_when_credentials_may_have_expired(
    artifact: Artifact, guarded: Artifact, secrets: Secrets, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = scanning.scan_with_polars(guarded)
    assert secrets.asked == 0
    proxy.reset()
    lazy.select("c1").collect()
    first = secrets.asked
    assert first
    assert used_credentials(proxy) <= {(f"KEY{n}", f"token-{n}") for n in range(1, first + 1)}
    lazy.select("c1").collect()
    assert secrets.asked == first, "they are valid for some minutes"
    monkeypatch.setattr(scanning, "ASK_AGAIN_S", 1)
    brief = Secrets()
    again = scanning.scan_with_polars(with_credentials(artifact, proxy, brief))
    again.select("c2").collect()
    asked = brief.asked
    time.sleep(1.1)
    again.select("c3").collect()
    assert brief.asked > asked


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_secrets_are_not_shown_and_do_not_leave_the_process(
    guarded: Artifact, kind: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARS_VERBOSE", "1")
    if kind == "polars":
        lazy = scanning.scan_with_polars(guarded)
        lazy.select("x").head(1).collect()
        shown = repr(lazy) + lazy.explain() + str(lazy) + lazy.select("x").explain(optimized=False)
        serialize: Any = lazy.serialize
    else:
        dataset = scanning.open_dataset(guarded)
        dataset.head(1)
        shown = (
            repr(dataset)
            + repr(dataset.filesystem)
            + repr(dataset.filesystem.handler)
            + repr(vars(dataset.filesystem.handler))
        )
        serialize = lambda: pickle.dumps(dataset)  # noqa: E731
    access = guarded.s3_access()
    assert access is not None
    shown += repr(access) + repr(access.credentials()) + repr(guarded) + "".join(capfd.readouterr())
    assert not re.search(r"hidden-|token-|KEY\d", shown)
    with pytest.raises(TypeError, match="only in the process that loaded it"):
        pickle.dumps(scanning.polars_credentials(access))
    with pytest.raises(Exception) as refused:  # noqa: PT011 - of polars or pyarrow
        serialize()
    assert not re.search(r"hidden-|token-|KEY\d", str(refused.value))


def test_filesystem_of_a_dataset_is_read_only(guarded: Artifact) -> None:
    filesystem = scanning.open_dataset(guarded).filesystem
    with pytest.raises(NotImplementedError):
        filesystem.delete_file(guarded.uri().removeprefix("s3://"))
    with pytest.raises(TypeError, match="only in the process that loaded it"):
        copy.copy(filesystem.handler)


def test_s3_access_has_the_settings_of_the_store(
    s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    given = S3Client("bucket", S3Settings(s3_server, "eu-central-1", "a", "b", "c")).access()
    assert (given.endpoint_url, given.region) == (s3_server, "eu-central-1")
    assert given.credentials() == S3Credentials("a", "b", "c")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    from_environment = S3Client("bucket", S3Settings()).access()
    assert from_environment.endpoint_url == "https://s3.amazonaws.com"
    assert from_environment.region == "us-east-1"
    assert from_environment.credentials() == S3Credentials("test-key", "test-secret")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        S3Client("bucket", S3Settings()).access().credentials()


def test_temporary_credentials_are_renewed(
    s3_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    soon = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=1)).isoformat()
    count = tmp_path / "count"
    script = tmp_path / "credentials.sh"
    script.write_text(
        f"""#!/bin/sh
echo x >> {count}
N=$(wc -l < {count})
echo '{{"Version": 1, "AccessKeyId": "key'$N'", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "{soon}"}}'
"""
    )
    script.chmod(0o755)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {script}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    access = S3Client("bucket", S3Settings(s3_server)).access()
    first, second = access.credentials(), access.credentials()
    assert first.access_key_id != second.access_key_id, "they expire within ten minutes"
