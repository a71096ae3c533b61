"""The handler for numpy arrays. numpy is optional and is imported only where an array exists."""

import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.handlers.exceptions import ContentMismatchError, UnstorableValueError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.local_paths import lasting_path, verified_path

if TYPE_CHECKING:
    import numpy as np

_CHUNK_BYTES = 16 << 20
_HEADER_BYTES = 64 << 10  # as many as the first version of the format can hold
_PREVIEWED_VALUES = 10
_OBJECTS = "holds Python objects: cast it with astype, or store a list or a table"
_MASKED = "has a mask, which a file of an array cannot hold: store `.filled(...)`, or a dict of `.data` and `.mask`"
_ODD_TYPE = "has a dtype that a file of an array cannot hold: cast it with astype, or rename its fields"


class NumpyHandler:
    """numpy arrays, stored as `.npy` of the first version, which numpy and many others read. No object, no pickle.

    Shape and dtype are content, also its byte order. The layout in memory is not: every array is written in C order,
    and whether it is mapped from a file or a matrix makes no difference. On reading, `numpy.memmap` maps the file.
    """

    writes = ("numpy.ndarray",)
    reads = ("numpy.ndarray", "numpy.memmap")
    file_types = ("npy",)

    def describe(self, value: object) -> FileDescription:
        return FileDescription("npy", "application/x-npy")

    def write(self, value: "np.ndarray[Any, Any]", sink: BinaryIO) -> None:
        import numpy as np

        if isinstance(value, np.ma.MaskedArray):
            raise _refusal(value, _MASKED)
        sink.write(_header(value))
        for chunk in _chunks(np.asarray(value)):
            sink.write(np.ascontiguousarray(chunk).view(np.uint8).data if chunk.itemsize else b"")

    def read(self, artifact: Artifact, request: ReadRequest) -> Any:
        import numpy as np

        try:
            if request.type_name == "numpy.memmap":
                artifact.verify()  # later reads of the mapped file are not verified
                return np.lib.format.open_memmap(lasting_path(artifact), "r", max_header_size=_HEADER_BYTES)
            with verified_path(artifact) as file, file.path.open("rb") as stream:
                array = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_HEADER_BYTES)
            wanted = request.annotation
            return array.view(wanted) if isinstance(wanted, type) and not isinstance(array, wanted) else array
        except ValueError as error:
            remedy = "Annotate pathlib.Path to inspect it, or fix the program that writes it."
            raise ContentMismatchError(artifact.info.file_id, "numpy.ndarray", str(error), remedy) from error

    def facts(self, artifact: Artifact) -> Mapping[str, Any]:
        import numpy as np

        with artifact.open(verify=False) as stream:
            np.lib.format.read_magic(stream)
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER_BYTES)
            count = min(_PREVIEWED_VALUES, int(np.prod(shape)))
            first = stream.read(count * dtype.itemsize)
        return {"preview": f"{dtype} {shape}\n{np.frombuffer(first, dtype) if first else ''}"}


def _header(array: "np.ndarray[Any, Any]") -> bytes:
    """Return the header of an array's file; refuse a dtype that would not come back from it."""
    import numpy as np

    if array.dtype.hasobject:
        raise _refusal(array, _OBJECTS)
    header = io.BytesIO()
    try:
        described = np.lib.format.dtype_to_descr(array.dtype)
        if np.lib.format.descr_to_dtype(described) != array.dtype:
            raise _refusal(array, _ODD_TYPE)
        facts = {"descr": described, "fortran_order": False, "shape": array.shape}
        np.lib.format.write_array_header_1_0(header, facts)
    except ValueError:  # fields that overlap, names that are too many or not Latin-1
        raise _refusal(array, _ODD_TYPE) from None
    return header.getvalue()


def _chunks(array: "np.ndarray[Any, Any]") -> "Iterator[np.ndarray[Any, Any]]":
    """Yield the values in C order, in chunks that are views of the array where its layout allows it."""
    import numpy as np

    rows = max(_CHUNK_BYTES // max(array.itemsize, 1), 1)
    chunks: Any = np.nditer(array, ("external_loop", "buffered", "zerosize_ok"), buffersize=rows, order="C")
    for chunk in chunks:
        yield chunk if array.dtype.names is None else _without_padding(chunk)


def _without_padding(chunk: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return a copy of records with zeros in the bytes between their fields, which may hold anything."""
    import numpy as np

    clean = np.zeros(chunk.shape, chunk.dtype)
    for name in chunk.dtype.names or ():
        clean[name] = chunk[name] if chunk[name].dtype.names is None else _without_padding(chunk[name])
    return clean


def _refusal(array: "np.ndarray[Any, Any]", problem: str) -> UnstorableValueError:
    return UnstorableValueError("npy", (), f"{type(array).__qualname__} of {array.dtype}", problem)
