"""The store for notebooks and scripts."""

import io
import pathlib
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import artifact_pipelines
from artifact_pipelines import Artifact, ArtifactIOManager, NewArtifact, Store, open_store
from artifact_pipelines.catalog.exceptions import NeverMaterializedError, NothingSelectedError, UnknownVersionError
from artifact_pipelines.core.exceptions import InvalidArgumentError, InvalidFileIdError, UnknownFileError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileState
from artifact_pipelines.storage.exceptions import DamagedBytesError, SourceVanishedError
from artifact_pipelines.storage.factory import open_producer


@pytest.fixture
def io_manager(store: Store, settings: Settings) -> ArtifactIOManager:
    return ArtifactIOManager(store.catalog, open_producer(store.catalog.files, settings.storage_url))


@pytest.fixture
def flights(store: Store, io_manager: ArtifactIOManager) -> Store:
    """A store in which `flights` has two versions and three materializations."""
    frames = iter([pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2]})])

    @dg.asset
    def flights() -> pl.DataFrame:
        return next(frames)

    for _ in range(3):
        dg.materialize([flights], resources={"io_manager": io_manager})
    return store


def test_created_content_can_be_read_and_released(store: Store) -> None:
    file_id = store.create_artifact(io.BytesIO(b"data"), "txt", metadata={"from": "me"})
    with store.open(file_id) as stream:
        assert stream.read() == b"data"
    info = store.info(file_id)
    assert (info.size_bytes, info.file_type, info.metadata) == (4, "txt", {"from": "me"})
    store.release(file_id)
    assert store.info(file_id).reference_count == 0


def test_one_call_creates_many_files(store: Store) -> None:
    file_ids = store.create_artifacts(NewArtifact(io.BytesIO(data), "txt") for data in (b"a", b"b", b"a"))
    assert file_ids[0] == file_ids[2] != file_ids[1]
    assert store.info(file_ids[0]).reference_count == 2


def test_second_put_of_a_file_is_not_new(store: Store, tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.csv").write_text("a\n")
    file_id, before = store.put(tmp_path / "x.csv")
    assert before == FileState.PENDING
    assert store.put(tmp_path / "x.csv") == (file_id, FileState.STORED)
    with pytest.raises(SourceVanishedError):
        store.put(tmp_path / "gone.csv")


def test_load_returns_the_requested_type(flights: Store) -> None:
    assert flights.load("flights")["x"].to_list() == [2]
    assert flights.load("flights", as_type=pl.LazyFrame).collect()["x"].to_list() == [2]
    assert isinstance(flights.load("flights", as_type=Artifact), Artifact)
    assert flights.load("flights", as_type=pathlib.Path).suffix


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (pl.LazyFrame({"x": [1]}), pl.LazyFrame),
        (pd.DataFrame({"x": [1]}), pd.DataFrame),
        (pa.table({"x": [1]}).to_reader(), pl.DataFrame),
        (bytearray(b"bytes"), bytearray),
        ((1, 2), tuple),
        (pathlib.Path(__file__), pathlib.Path),
    ],
)
def test_load_returns_the_stored_type_by_default(
    store: Store, io_manager: ArtifactIOManager, value: object, kind: type
) -> None:
    @dg.asset
    def source() -> Any:
        return value

    dg.materialize([source], resources={"io_manager": io_manager})
    assert isinstance(store.load("source"), kind)
    assert isinstance(store.load("source", version=1), kind)


def test_load_by_version_number(flights: Store) -> None:
    assert flights.load("flights", version=1)["x"].to_list() == [1]
    assert flights.load("flights", version=2)["x"].to_list() == [2]


def test_load_by_tag_run_or_time(flights: Store) -> None:
    flights.catalog.pins_and_tags.tag("flights", "gold", version=1)
    new, _, old = flights.history("flights")
    assert flights.load("flights", tag="gold")["x"].to_list() == [1]
    assert flights.load("flights", run_id=old.run_id)["x"].to_list() == [1]
    assert flights.load("flights", as_of=old.created_at)["x"].to_list() == [1]
    assert flights.load("flights", as_of=new.created_at.isoformat())["x"].to_list() == [2]
    with pytest.raises(NothingSelectedError, match="tag gold"):
        flights.load("flights", tag="silver")
    with pytest.raises(InvalidArgumentError, match="exactly one of"):
        flights.load("flights", tag="gold", version=1)


def test_history_has_every_materialization(flights: Store) -> None:
    assert [m.version for m in flights.history("flights")] == [2, 1, 1]


def test_missing_assets_and_versions_are_errors_with_a_remedy(flights: Store) -> None:
    with pytest.raises(UnknownVersionError, match="the newest is 2"):
        flights.load("flights", version=3)
    with pytest.raises(NeverMaterializedError, match="Materialize it first.*If it has partitions, name one"):
        flights.load("weather")
    with pytest.raises(NeverMaterializedError, match="partition 'a', has nothing stored.*`artifact-pipelines ls`.$"):
        flights.load("weather", partition="a")
    with pytest.raises(NeverMaterializedError):
        flights.history("weather")
    with pytest.raises(UnknownFileError):
        flights.open(99)


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0])
def test_invalid_version_is_refused(flights: Store, version: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="version must be"):
        flights.load("flights", version=version)


@pytest.mark.parametrize("file_id", [0, -5, "x"])
def test_invalid_file_id_is_refused(store: Store, file_id: Any) -> None:
    for use in (store.open, store.info, store.release):
        with pytest.raises(InvalidFileIdError):
            use(file_id)


def test_given_urls_override_the_environment(tmp_path: pathlib.Path, store: Store) -> None:
    with open_store(f"sqlite:///{tmp_path / 'other.db'}", str(tmp_path / "other")) as other:
        other.create_artifact(io.BytesIO(b"data"), "txt")
        assert "other.db" in repr(other)
    assert (tmp_path / "other").is_dir()
    with pytest.raises(UnknownFileError):
        store.info(1)


def test_public_names_have_docstrings() -> None:
    assert dir(artifact_pipelines) == artifact_pipelines.__all__
    for name in artifact_pipelines.__all__:
        assert getattr(artifact_pipelines, name).__doc__
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = artifact_pipelines.nothing_of_the_kind


@pytest.mark.parametrize("asset", [["flights", "table"], None, 7])
def test_name_that_is_no_text_is_a_typed_error(store: Store, asset: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="asset must be the name of one asset"):
        store.load(asset)


def test_load_takes_the_names_that_commands_take(flights: Store) -> None:
    assert flights.load("flights@v1")["x"].to_list() == [1]
    assert flights.find("flights", version=1).version == 1


def test_notebook_shows_assets_and_history_as_tables(flights: Store) -> None:
    [current] = assets = flights.assets()
    assert (current.asset, current.version) == ("flights", 2)
    page = assets._repr_html_()  # as Jupyter does
    assert page.startswith("<table>")
    assert ">flights</td>" in page
    assert f"{current.created_at:%Y-%m-%d %H:%M} UTC" in page
    assert "partition" not in page
    assert flights.history("flights")._repr_html_().count("<tr>") == 4
    head, first, *_ = repr(assets).splitlines()
    assert head.split() == ["asset", "version", "file", "rows", "bytes", "created", "run"]
    assert first.split()[:2] == ["flights", "2"]


def test_errors_can_be_caught_by_what_to_do_next(store: Store) -> None:
    with pytest.raises(artifact_pipelines.NotFoundError):
        store.load("nothing")
    assert issubclass(artifact_pipelines.NotFoundError, artifact_pipelines.ArtifactError)


def test_query_of_a_damaged_file_says_so(flights: Store, settings: Settings) -> None:
    [path] = pathlib.Path(settings.storage_url).rglob(f"*.{flights.find('flights').file.file_id}")
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(DamagedBytesError):
        flights.sql("SELECT * FROM 'flights'")
