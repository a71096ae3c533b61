"""A stored file is data: reading it never runs code from it."""

import ast
import io
import json
import os
import pathlib
import pickle
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

import artifact_pipelines
from artifact_pipelines.core.exceptions import ArtifactError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines_tests.handlers.writing import keep

PACKAGE = pathlib.Path(artifact_pipelines.__file__).parent
FORBIDDEN_MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
KINDS = (
    *(pl.DataFrame, pl.LazyFrame, pa.Table, pa.RecordBatch, pa.RecordBatchReader, pyarrow.dataset.Dataset),
    *(duckdb.DuckDBPyRelation, bytes, None),
)


def test_package_imports_and_calls_nothing_that_turns_bytes_or_text_into_code() -> None:
    imported, called = set(), set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {(alias.name.split(".")[0], path.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(((node.module or "").split(".")[0], path.name))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                called.add((node.func.id, path.name))
    assert ("json", "json_handler.py") in imported, "the test sees imports"
    assert [found for found in imported if found[0] in FORBIDDEN_MODULES] == []
    assert ("isinstance", "registry.py") in called, "the test sees calls"
    assert [found for found in called if found[0] in FORBIDDEN_CALLS] == []


@pytest.fixture
def trap(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder that exists once code from a file has run."""
    return tmp_path / "trap"


class _Trap:
    def __init__(self, path: pathlib.Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.path,)


def hostile(name: bytes, metadata: bytes, column: pa.Array, code: str) -> bytes:
    """Return a Parquet file whose schema claims an extension type, and whose metadata for pandas are hostile."""
    described: Any = {"name": code, "field_name": "a", "pandas_type": code, "numpy_type": code, "metadata": {"x": code}}
    for_pandas = {
        "index_columns": [code, {"kind": "range", "name": code, "start": code, "stop": code, "step": code}],
        "columns": [described],
        "column_indexes": [described],
        "attributes": {"x": code},
        "creator": {"library": code, "version": code},
    }
    field = pa.field("a", column.type, metadata={"ARROW:extension:name": name, "ARROW:extension:metadata": metadata})
    schema = pa.schema([field], metadata={"pandas": json.dumps(for_pandas), "PANDAS_ATTRS": json.dumps({"x": code})})
    sink = io.BytesIO()
    pq.write_table(pa.table([column], schema=schema), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        *(b"arrow.py_extension_type", b"POLARS_EXTENSION_TYPE", b"arrow.opaque", b"arrow.json", b"arrow.uuid"),
        *(b"arrow.fixed_shape_tensor", b"pandas.interval", b"pandas.period", b"ray.data.arrow_pickled_object", b"x"),
    ],
)
def test_hostile_schema_runs_no_code(folder: pathlib.Path, trap: pathlib.Path, name: bytes) -> None:
    code = f"__import__('os').mkdir({str(trap)!r})"
    claim = f"{os.getpid()};{id(trap)}".encode() if name.startswith(b"POLARS") else code.encode()
    read = 0
    for column in (pa.array([b"\1" * 16], pa.binary(16)), pa.array([1])):
        for metadata in (claim, pickle.dumps(_Trap(trap))):
            artifact = keep(folder, hostile(name, metadata, column, code), "parquet")
            for kind in (*KINDS, *PANDAS):
                try:
                    _use(TypeHandlers().read(artifact, kind))
                    read += 1
                except (ArtifactError, pl.exceptions.PolarsError, ValueError):
                    continue  # refusing it is fine too
    assert read, "some are read"
    assert not trap.exists()


def _use(value: Any) -> None:
    for method in ("fetchall", "collect", "to_table", "read_all"):
        if hasattr(value, method):
            getattr(value, method)()
            return


def _pandas() -> list[Any]:
    try:
        import pandas as pd
    except ImportError:
        return []
    return [pd.DataFrame]


PANDAS = _pandas()


def test_trap_works(trap: pathlib.Path) -> None:
    pickle.loads(pickle.dumps(_Trap(trap)))
    assert trap.exists()
