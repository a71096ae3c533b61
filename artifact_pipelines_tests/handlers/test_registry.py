"""Choosing handlers: your own first, then the registered ones, then the built-in ones."""

import datetime
import importlib.util
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any, BinaryIO, Optional

import polars as pl
import pytest

import artifact_pipelines
from artifact_pipelines import FileDescription, ITypeHandler, ReadRequest
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.handlers.annotations import type_names
from artifact_pipelines.handlers.containers import read_value
from artifact_pipelines.handlers.exceptions import WrongFileTypeError
from artifact_pipelines.handlers.registry import (
    BUILT_IN,
    TypeHandlers,
    register_type_handler,
    unregister_type_handler,
)
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError
from artifact_pipelines_tests.handlers.sample_values import FRAME, VALUES
from artifact_pipelines_tests.handlers.writing import keep, round_trip, stored, stored_value, written

Register = Callable[[ITypeHandler], None]


@pytest.fixture
def register() -> Iterator[Register]:
    """Registers handlers until the end of the test."""
    registered: list[ITypeHandler] = []

    def register(handler: ITypeHandler) -> None:
        registered.append(handler)
        register_type_handler(handler)

    yield register
    for handler in registered:
        unregister_type_handler(handler)


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
    """Replaces the built-in handlers of texts and paths."""

    writes = ("builtins.str", "pathlib.Path")
    reads = ("builtins.str",)

    def write(self, value: Any, sink: BinaryIO) -> None:
        sink.write(str(value).upper().encode())

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        with artifact.open() as stream:
            return stream.read().decode()


def test_registered_type_and_its_subclasses_round_trip(folder: pathlib.Path, register: Register) -> None:
    handlers = TypeHandlers()
    register(PolygonHandler())  # also serves handlers that already exist
    artifact = stored(folder, Square(4, 4))
    for annotation, kind in ((Polygon, Polygon), (Polygon | None, Polygon), (Square, Square)):
        found = handlers.read(artifact, annotation)
        assert (type(found), found.corners) == (kind, (4, 4))
    assert handlers.find_writer(Square(4, 4))[1] == f"{__name__}.Polygon"


def test_error_for_unknown_type_explains_how_to_register_a_handler() -> None:
    with pytest.raises(UnsupportedTypeError, match="register_type_handler"):
        TypeHandlers().find_writer(Polygon())


def test_registered_handler_precedes_built_in_ones(folder: pathlib.Path, register: Register) -> None:
    register(LoudText())
    assert round_trip(folder, "text", str) == "TEXT"
    assert round_trip(folder, pathlib.Path("a/path"), str) == "A/PATH"


def test_newest_handler_comes_first_and_replaces_one_of_its_class(register: Register) -> None:
    first, other, again = PolygonHandler(), LoudText(), PolygonHandler()
    for handler in (first, other, again):
        register(handler)
    assert TypeHandlers().find_writer(Square())[0] is again
    assert TypeHandlers().find_writer("text")[0] is other
    unregister_type_handler(again)
    with pytest.raises(UnsupportedTypeError):
        TypeHandlers().find_writer(Square())  # the first one is gone
    own = PolygonHandler()
    assert TypeHandlers([own]).find_writer(Square())[0] is own


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
def test_incomplete_handler_is_refused(handler: Any, reason: str) -> None:
    for take in (register_type_handler, lambda handler: TypeHandlers([handler])):
        with pytest.raises(InvalidArgumentError, match=reason):
            take(handler)
    with pytest.raises(UnsupportedTypeError):
        TypeHandlers().find_writer(Polygon())


def test_example_for_a_class_inside_a_function_works() -> None:
    class _Model:
        pass

    with pytest.raises(UnsupportedTypeError) as caught:
        TypeHandlers().find_writer(_Model())
    example = str(caught.value).partition("\n\n")[2].partition("\n\ndocs/")[0]
    scope: dict[str, Any] = {"artifact_pipelines": artifact_pipelines}
    exec(example.replace("artifact_pipelines.register_type_handler", "handler = "), scope)
    assert TypeHandlers([scope["handler"]]).find_writer(_Model())[0].describe(_Model()).file_type == "model"


def test_everything_that_a_handler_needs_is_public() -> None:
    for name in ("register_type_handler", "ITypeHandler", "ReadRequest", "FileDescription", "Artifact"):
        assert getattr(artifact_pipelines, name).__name__ == name


def test_supported_types_are_listed_by_handler_without_those_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def message() -> str:
        with pytest.raises(UnsupportedTypeError) as caught:
            TypeHandlers().find_writer(object())
        return str(caught.value)

    assert (
        "Supported: polars.DataFrame or polars.LazyFrame; pyarrow.Table, pyarrow.RecordBatch, "
        "pyarrow.RecordBatchReader or pyarrow.Dataset; duckdb.DuckDBPyRelation; pandas.DataFrame; polars.Series; "
        "pandas.Series; numpy.ndarray; bytes; str; pathlib.Path; dict, list, tuple, set, frozenset, range, bool, int, "
        "float, complex, None, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID, "
        "enum.Enum, dataclass, pydantic.BaseModel or numpy.generic; stream."
    ) in message()
    assert message().index("Register a handler") < message().index("class objectHandler") < message().index("Supported")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pandas" else find_spec(name))
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    assert "pandas" not in message()


def test_error_for_wrong_file_type_lists_some_file_types_and_fitting_annotations(folder: pathlib.Path) -> None:
    with pytest.raises(WrongFileTypeError) as caught:
        TypeHandlers().read(keep(folder, b"PAR1", "parquet"), str)
    message = str(caught.value)
    assert "which reads: 'txt', 'csv', 'tsv', 'json', 'ndjson', 'jsonl' and 14 more. Annotate" in message
    assert "pathlib.Path; typing.BinaryIO; artifact_pipelines.Artifact." in message


def test_every_stored_type_has_a_sample_value() -> None:
    written_types = {name for handler in BUILT_IN for name in handler.writes}
    shown_elsewhere = {"pathlib.Path", "pandas.DataFrame", "pandas.Series", "pandas.NAType", "pathlib.PurePath"}
    assert written_types - shown_elsewhere == {name for name in VALUES if " " not in name}


@pytest.mark.parametrize("value", [object(), print, slice(1)])
def test_value_of_unknown_type_is_refused_with_a_list_of_supported_types(value: object) -> None:
    with pytest.raises(UnsupportedTypeError, match=r"(?s)Register a handler.*polars\.DataFrame"):
        TypeHandlers().find_writer(value)


@pytest.mark.parametrize("annotation", [slice, type, "SomeForwardReference"])
def test_annotation_without_a_handler_is_refused(folder: pathlib.Path, annotation: Any) -> None:
    with pytest.raises(UnsupportedTypeError, match="Cannot load"):
        round_trip(folder, "text", annotation)


def test_annotation_that_does_not_fit_the_file_is_refused_with_a_list_of_fitting_ones(folder: pathlib.Path) -> None:
    with pytest.raises(WrongFileTypeError, match=r"is 'txt' and cannot be read as polars.DataFrame") as caught:
        round_trip(folder, "text", pl.DataFrame | None)
    assert caught.value.readable == ["parquet"]
    assert {"str", "bytes", "pathlib.Path", "typing.BinaryIO", "artifact_pipelines.Artifact"} <= {
        *caught.value.annotations
    }
    assert not {"dict", "polars.LazyFrame"} & {*caught.value.annotations}


def test_first_fitting_member_of_a_union_is_read(folder: pathlib.Path) -> None:
    assert round_trip(folder, "text", pl.DataFrame | str) == "text"
    assert isinstance(round_trip(folder, FRAME, str | pl.LazyFrame | pl.DataFrame), pl.LazyFrame)
    assert round_trip(folder, None, pl.DataFrame | None) is None
    assert round_trip(folder, "text", Annotated[Optional[str], "a note"]) == "text"  # noqa: UP045


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (None, str | None),
        (None, bytes | None),
        (None, pathlib.Path | None),
        (datetime.date(2026, 1, 1), str | datetime.date),
        ("2026-01-01", datetime.date | str),
        (True, str | int | bool),
        ({"a": {1}}, bytes | pathlib.Path | dict | None),
        (datetime.date(2026, 1, 1), Any | None),
    ],
)
def test_union_returns_the_stored_value_rather_than_the_text_of_its_file(
    folder: pathlib.Path, value: Any, annotation: Any
) -> None:
    found = read_value(TypeHandlers(), *stored_value(folder, value), annotation)
    assert (type(found), found) == (type(value), value)


def test_member_of_a_union_that_reads_every_file_is_returned_if_no_other_fits(folder: pathlib.Path) -> None:
    found = stored_value(folder, {"a": 1})
    assert read_value(TypeHandlers(), *found, str | None) == '{"a":1}'
    assert isinstance(read_value(TypeHandlers(), *found, pathlib.Path | None), pathlib.Path)


@pytest.mark.parametrize(("kind", "compression"), [(str, "gzip"), (pl.DataFrame, "zstd")])
def test_compressed_file_is_not_read_as_its_uncompressed_type(
    folder: pathlib.Path, kind: Any, compression: str
) -> None:
    file_type = "csv" if kind is str else "parquet"
    packed = keep(folder, b"packed", file_type, compression)
    with pytest.raises(WrongFileTypeError, match=rf"is '{file_type}\.{compression}'"):
        TypeHandlers().read(packed, kind)
    assert TypeHandlers().read(packed) == b"packed"


def test_artifact_cannot_be_stored(folder: pathlib.Path) -> None:
    with pytest.raises(UnsupportedTypeError):
        TypeHandlers().find_writer(stored(folder, "text"))


def test_subclass_is_stored_as_its_base() -> None:
    class Text(str):
        __slots__ = ()

    assert written(Text("x"))[0].file_type == "txt"
    assert "builtins.str" in type_names(Text)
