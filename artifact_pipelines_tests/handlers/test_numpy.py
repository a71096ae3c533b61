"""numpy arrays come back exactly, equal ones as equal bytes, from plain `.npy` files without any pickle."""

import io
import pathlib
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from artifact_pipelines.handlers import numpy_handler
from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnstorableValueError
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines_tests.handlers.writing import keep, round_trip, stored, write_value, written

ALIGNED = np.dtype([("a", "i1"), ("b", "f8"), ("c", [("x", "i2"), ("y", "i4")], (2,))], align=True)
GRID = np.arange(24, dtype="f8").reshape(2, 3, 4)
ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "floats": np.array([1.5, np.nan, -0.0, np.inf]),
    "grid": GRID,
    "no dimension": np.array(5),
    "empty": np.zeros((0, 3), "i4"),
    "booleans": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "half": np.array([1], "f2"),
    "big-endian": np.array([1, 2], ">i4"),
    "texts": np.array(["a", "üü"]),
    "bytes": np.array([b"a", b"bb"]),
    "no width": np.zeros(2, "V0"),
    "moments": np.array(["2026-01-01", "NaT"], "datetime64[ns]"),
    "durations": np.array([1, 2], "timedelta64[s]"),
    "records": np.array([(1, 2.5), (3, 4.5)], [("a", "i4"), ("b", "f8")]),
    "aligned records": np.zeros(2, ALIGNED),
    "record array": np.rec.array([(1, "x")], dtype=[("n", "i4"), ("t", "U1")]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_array_comes_back_with_values_shape_and_dtype(folder: pathlib.Path, name: str) -> None:
    loaded = round_trip(folder, ARRAYS[name], None)
    assert type(loaded) is np.ndarray
    assert loaded.dtype == ARRAYS[name].dtype
    assert loaded.shape == ARRAYS[name].shape
    assert loaded.tobytes() == ARRAYS[name].tobytes()
    loaded.fill(loaded.flat[0] if loaded.size else 0)  # it is the caller's own


@pytest.mark.parametrize("name", ARRAYS)
def test_numpy_itself_reads_the_stored_bytes(name: str) -> None:
    description, data = written(ARRAYS[name])
    assert (description.file_type, description.mime_type) == ("npy", "application/x-npy")
    assert np.load(io.BytesIO(data), allow_pickle=False).tobytes() == ARRAYS[name].tobytes()


def test_layout_in_memory_is_not_content(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_handler, "_CHUNK_BYTES", 40)  # chunks end within rows
    spread = np.zeros((4, 6, 8))[::2, ::2, ::2]
    spread[:] = GRID
    mapped = np.memmap(tmp_path / "mapped", "f8", "w+", shape=GRID.shape)
    mapped[:] = GRID
    reverse = np.ascontiguousarray(GRID[::-1])[::-1]
    for same in (np.asfortranarray(GRID), spread, mapped, reverse, np.ascontiguousarray(GRID.T).T):
        assert written(same)[1] == written(GRID)[1]
    assert written(np.array([[1.0, 2.0]]).view(np.matrix))[1] == written(np.array([[1.0, 2.0]]))[1]


def test_bytes_between_fields_of_records_are_not_content() -> None:
    # Not copied: a copy may leave anything between the fields.
    zeros, ones = (np.frombuffer(bytearray(byte * 2 * ALIGNED.itemsize), ALIGNED) for byte in (b"\0", b"\1"))
    for name in ALIGNED.names or ():
        ones[name] = zeros[name] = np.ones(2, ALIGNED)[name]
    assert zeros.tobytes() != ones.tobytes()
    assert written(zeros)[1] == written(ones)[1]


def test_arrays_of_other_dtype_or_shape_are_other_content() -> None:
    different = [
        np.zeros(4, "i4"),
        np.zeros(4, ">i4"),
        np.zeros(2, "i8"),
        np.zeros((2, 2), "i4"),
        np.zeros((4, 1), "i4"),
    ]
    assert len({written(array)[1] for array in different}) == len(different)


@pytest.mark.parametrize(
    ("array", "problem"),
    [
        (np.array([{}, None]), "Python objects"),
        (np.zeros(2, [("a", "i4"), ("b", "O")]), "Python objects"),
        (np.array(["a"], np.dtypes.StringDType()), "Python objects"),
        (np.ma.masked_equal([1, 2], 2), "has a mask"),
        (np.zeros(2, {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [0, 2]}), "has a dtype"),
        (np.zeros(2, [("Ω", "i4")]), "has a dtype"),
        (np.zeros(2, [(f"field {number}", "i4") for number in range(4000)]), "has a dtype"),
    ],
)
def test_array_that_a_file_cannot_hold_is_refused(array: Any, problem: str) -> None:
    sink = io.BytesIO()
    with pytest.raises(UnstorableValueError, match=problem):
        write_value(array, sink)
    assert not sink.getvalue()


@pytest.mark.parametrize("annotation", [np.ndarray, npt.NDArray[np.float64], np.memmap, np.matrix, np.recarray])
def test_array_is_loaded_as_the_annotated_type(folder: pathlib.Path, annotation: Any) -> None:
    value = np.array([[1.0, 2.0], [3.0, 4.0]])
    loaded = round_trip(folder, value, annotation)
    assert isinstance(loaded, getattr(annotation, "__origin__", annotation))
    assert np.asarray(loaded).tolist() == value.tolist()


def test_mapped_array_reads_the_stored_file_and_cannot_change_it(folder: pathlib.Path) -> None:
    loaded = round_trip(folder, np.arange(3), np.memmap)
    assert pathlib.Path(loaded.filename).parent == folder
    with pytest.raises(ValueError, match="read-only"):
        loaded[0] = 7


@pytest.mark.parametrize("annotation", [np.ndarray, np.memmap])
@pytest.mark.parametrize("data", [b"no array", b"\x93NUMPY\x01\x00\x02", pytest.param(None, id="pickled objects")])
def test_file_that_is_no_plain_array_is_refused(folder: pathlib.Path, annotation: Any, data: bytes | None) -> None:
    if data is None:
        sink = io.BytesIO()
        np.save(sink, np.array([{}, None]), allow_pickle=True)
        data = sink.getvalue()
    artifact = keep(folder, data, "npy")
    with pytest.raises(ContentMismatchError, match=r"numpy\.ndarray"):
        TypeHandlers().read(artifact, annotation)


def test_preview_shows_dtype_shape_and_first_values(folder: pathlib.Path) -> None:
    artifact = stored(folder, np.arange(100, dtype="i4").reshape(20, 5))
    assert numpy_handler.NumpyHandler().facts(artifact) == {"preview": "int32 (20, 5)\n[0 1 2 3 4 5 6 7 8 9]"}


def test_array_is_written_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_handler, "_CHUNK_BYTES", 1 << 20)
    array = np.asfortranarray(np.zeros((4_000, 2_000)))  # 64 MB
    with pathlib.Path("/dev/null").open("wb") as sink:
        tracemalloc.start()
        try:
            write_value(array, sink)
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak_bytes < 4 << 20


def test_handlers_work_without_numpy() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None; from artifact_pipelines.handlers.registry import TypeHandlers as T; "
    )
    code += "print(T().find_writer([1])[1])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "builtins.list\n"
