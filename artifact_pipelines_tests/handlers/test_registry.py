"""Types of one's own: a handler that is registered serves every IO manager and store of the process."""

import importlib.util
import io
import pathlib
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import dagster as dg
import pytest

import artifact_pipelines
from artifact_pipelines import ArtifactIOManagerFactory, FileDescription, ITypeHandler, ReadRequest, open_store
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.handlers import registry
from artifact_pipelines.handlers.exceptions import WrongFileTypeError
from artifact_pipelines.handlers.registry import TypeHandlers, register_type_handler
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError


@pytest.fixture(autouse=True)
def registered() -> Iterator[list[ITypeHandler]]:
    """What is registered goes with the test."""
    before = list(registry._registered)
    yield registry._registered
    registry._registered[:] = before


class Polygon:
    def __init__(self, *corners: int) -> None:
        self.corners = corners


class Square(Polygon):
    pass


class PolygonHandler:
    writes: tuple[str, ...] = (f"{__name__}.Polygon",)
    reads: tuple[str, ...] = (f"{__name__}.Polygon",)
    file_types = ("corners",)

    def describe(self, value: Polygon) -> FileDescription:
        return FileDescription("corners")

    def write(self, value: Polygon, sink: BinaryIO) -> None:
        sink.write(bytes(value.corners))

    def read(self, artifact: Artifact, request: ReadRequest) -> Polygon:
        with artifact.open() as stream:
            return Square(*stream.read()) if request.annotation is Square else Polygon(*stream.read())

    def facts(self, artifact: Artifact) -> dict[str, Any]:
        return {"preview": "a polygon"}


class LoudText(PolygonHandler):
    """Takes the place of the built-in handlers of texts and paths."""

    writes = ("builtins.str", "pathlib.Path")
    reads = ("builtins.str",)

    def write(self, value: Any, sink: BinaryIO) -> None:
        sink.write(str(value).upper().encode())

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        with artifact.open() as stream:
            return stream.read().decode()


@dg.asset
def polygon() -> Polygon:
    return Polygon(1, 2, 3)


@dg.asset
def square() -> Square:
    return Square(4, 4)


@dg.asset
def corners(polygon: Polygon, square: Square) -> list[int]:
    assert type(square) is Square
    return [*polygon.corners, *square.corners]


def test_a_registered_type_passes_from_asset_to_asset_and_into_a_notebook(settings: Settings) -> None:
    factory = ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    io_manager = factory.create_io_manager(dg.build_init_resource_context())
    with open_store() as store:
        register_type_handler(PolygonHandler())  # also for what was opened before
        assert dg.materialize([polygon, square, corners], resources={"io_manager": io_manager}).success
        assert store.load("corners", list) == [1, 2, 3, 4, 4]
        assert store.load("polygon", Polygon).corners == (1, 2, 3)
        assert store.load("polygon", Polygon | None).corners == (1, 2, 3)


def test_without_it_the_error_says_how_to_register_one() -> None:
    with pytest.raises(UnsupportedTypeError, match="register_type_handler"):
        TypeHandlers().for_value(Polygon())


def test_a_registered_handler_comes_before_the_built_in_ones(settings: Settings, tmp_path: pathlib.Path) -> None:
    register_type_handler(LoudText())

    @dg.asset
    def text() -> str:
        return "text"

    @dg.asset
    def path() -> pathlib.Path:
        return pathlib.Path("a/path")

    factory = ArtifactIOManagerFactory(catalog_url=settings.catalog_url, storage_url=settings.storage_url)
    assert dg.materialize([text, path], resources={"io_manager": factory}).success
    with open_store() as store:
        assert [store.load(name, str) for name in ("text", "path")] == ["TEXT", "A/PATH"]


def test_the_newest_comes_first_and_one_of_the_same_class_takes_its_place(registered: list[ITypeHandler]) -> None:
    first, other, again = PolygonHandler(), LoudText(), PolygonHandler()
    for handler in (first, other, again):
        register_type_handler(handler)
    assert registered == [again, other]
    assert TypeHandlers().for_value(Square()) is again
    own = PolygonHandler()
    assert TypeHandlers([own]).for_value(Square()) is own


class _NoFacts(PolygonHandler):
    facts = None  # type: ignore[assignment]


class _TypesThemselves(PolygonHandler):
    writes = (Polygon,)  # type: ignore[assignment]


class _OneText(PolygonHandler):
    reads = "test.Polygon"  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (object(), "`writes` must be a tuple of texts"),
        (PolygonHandler, r"not its class: write PolygonHandler\(\)"),
        (_NoFacts(), "it has no method facts"),
        (_TypesThemselves(), "`writes` must be a tuple of texts"),
        (_OneText(), "`reads` must be a tuple of texts"),
    ],
)
def test_a_handler_that_is_none_is_refused(handler: Any, reason: str, registered: list[ITypeHandler]) -> None:
    for take in (register_type_handler, lambda handler: TypeHandlers([handler])):
        with pytest.raises(InvalidArgumentError, match=reason):
            take(handler)
    assert registered == []


def test_all_that_a_handler_needs_is_at_the_root_of_the_package() -> None:
    for name in ("register_type_handler", "ITypeHandler", "ReadRequest", "FileDescription", "Artifact"):
        assert getattr(artifact_pipelines, name).__name__ == name


def test_what_there_is_is_told_in_groups_that_a_person_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> str:
        with pytest.raises(UnsupportedTypeError) as caught:
            TypeHandlers().for_value(object())
        return str(caught.value)

    assert (
        "Supported: polars.DataFrame or LazyFrame; pyarrow.Table, RecordBatch, RecordBatchReader or Dataset; "
        "duckdb.DuckDBPyRelation; pandas.DataFrame; bytes; str; pathlib.Path; "
        "dict, list, tuple, bool, int, float, None, dataclass or pydantic.BaseModel; stream. Use one of these"
    ) in said()
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pandas" else find_spec(name))
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    assert "pandas" not in said(), "what is not installed is of no use"


def test_what_reads_a_file_is_told_in_groups_and_its_file_types_are_not_all_told(
    ours: ArtifactIOManager, own_producer: ArtifactProducer
) -> None:
    file_id = own_producer.create_artifact(io.BytesIO(b"PAR1"), "parquet")
    with pytest.raises(WrongFileTypeError) as caught:
        TypeHandlers().read(ours.artifact(own_producer._catalog.get_file(file_id)), str)
    said = str(caught.value)
    assert "which reads: 'txt', 'csv', 'tsv', 'json', 'ndjson', 'jsonl' and 14 more. Annotate" in said
    assert "pathlib.Path; typing.BinaryIO; artifact_pipelines.Artifact." in said
