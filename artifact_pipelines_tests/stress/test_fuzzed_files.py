"""A damaged file is read as an independent reader reads it, or is one typed error about this file."""

import bz2
import csv
import gzip
import io
import json
import lzma
import pathlib
import random
import zipfile
from collections.abc import Callable, Mapping, Sequence

import fastavro
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import xlsxwriter

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.interfaces import RawFile
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.table_reader import open_table
from artifact_pipelines_tests.datasets.reading import FORMAT

Rows = Sequence[tuple[str | None, ...]]
FRAME = pl.DataFrame({"a": ["1", "x y", 'q"t', None], "b": ["é", "line\nend", "3", "4"]})
TEXTS = Contract({"a": "VARCHAR", "b": "VARCHAR"})


def _csv(data: bytes) -> Rows:
    text = data.decode()
    # A quoted empty value is no null; csv.reader does not tell the two apart, so nulls compare as empty.
    names, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    place = [names.index("a"), names.index("b")]
    return [tuple(row[at] for at in place) for row in rows]


def _ndjson(data: bytes) -> Rows:
    rows = [json.loads(line) for line in data.decode().split("\n") if line.strip(" \t\r")]
    return [tuple(_json_text(row.get(name)) for name in ("a", "b")) for row in rows]


def _json_text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _zipped(data: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", data)
    return sink.getvalue()


def _unzipped(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(archive.namelist()[0])


CSV, NDJSON = FRAME.write_csv().encode(), FRAME.write_ndjson().encode()
_COMPRESSED: Mapping[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gz": (lambda data: gzip.compress(data, mtime=0), gzip.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "xz": (lzma.compress, lzma.decompress),
    "zip": (_zipped, _unzipped),
}
IN_PROCESS: Mapping[str, tuple[bytes, str, Callable[[bytes], Rows]]] = {
    "csv": (CSV, "csv", _csv),
    "ndjson": (NDJSON, "ndjson", _ndjson),
    **{
        name: (write(CSV), "csv", lambda data, read=read: _csv(read(data)))  # type: ignore[misc]
        for name, (write, read) in _COMPRESSED.items()
    },
}


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Return data with some bytes changed, inserted, repeated or cut off."""
    found = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 5])):
        at = dice.randrange(len(found)) if found else 0
        match dice.randrange(5):
            case 0:
                found[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                found[at:at] = dice.choice([b'"', b",", b"\n", b"\r", b"\0", b"\\", b"{", b"\xff"])
            case 2:
                del found[at : at + dice.randrange(1, 6)]
            case 3:
                found[at:at] = found[at : at + dice.randrange(1, 12)]
            case 4:
                del found[max(1, at) :]
    return bytes(found)


def _read(folder: pathlib.Path, data: bytes, file_type: str, contract: Contract) -> pa.Table | None:
    """Return the table; None: the file is refused by its name."""
    (folder / "stored").write_bytes(data)
    try:
        with open_table(RawFile(folder / "stored", file_type, "x"), FORMAT.validate_python({}), contract) as opened:
            return opened.batches.read_all()
    except SourceError as error:
        text = str(error)
    assert text.startswith("x"), text
    assert str(folder) not in text
    return None


def _compare(folder: pathlib.Path, kind: str, seed: int) -> bool:
    data, file_type, independent = IN_PROCESS[kind]
    changed = mutated(data, random.Random(f"{kind} {seed}"))
    table = _read(folder, changed, file_type, TEXTS)
    if table is None:
        return False
    found = [tuple(value or "" for value in row.values()) for row in table.select(["a", "b"]).to_pylist()]
    assert found == independent(changed), (kind, seed, changed)
    return True


@pytest.mark.parametrize("kind", IN_PROCESS)
def test_damaged_text_is_read_as_by_another_reader_or_refused(tmp_path: pathlib.Path, kind: str) -> None:
    for seed in range(2 if kind == "zip" else 25):  # what is no archive any more is read as a spreadsheet, in a child
        _compare(tmp_path, kind, seed)


@pytest.mark.long
@pytest.mark.timeout(1_200)  # a damaged archive has a process of its own
@pytest.mark.parametrize("kind", IN_PROCESS)
def test_much_damaged_text_is_read_as_by_another_reader_or_refused(tmp_path: pathlib.Path, kind: str) -> None:
    read = sum(_compare(tmp_path, kind, seed) for seed in range(1_000))
    assert read or kind in _COMPRESSED


def _binaries() -> Mapping[str, bytes]:
    parquet, arrow, xlsx = io.BytesIO(), io.BytesIO(), io.BytesIO()
    pyarrow.parquet.write_table(FRAME.to_arrow(), parquet, write_page_checksum=True)
    FRAME.write_ipc(arrow, compat_level=pl.CompatLevel.oldest())
    with xlsxwriter.Workbook(xlsx) as book:
        for place, row in enumerate([FRAME.columns, *FRAME.rows()]):
            book.add_worksheet() if not place else None
            book.worksheets()[0].write_row(place, 0, row)
    avro = io.BytesIO()
    fields = [{"name": name, "type": ["null", "string"]} for name in FRAME.columns]
    fastavro.writer(avro, {"type": "record", "name": "row", "fields": fields}, FRAME.to_dicts())
    written = {"parquet": parquet, "arrow": arrow, "avro": avro, "xlsx": xlsx}
    found = {kind: data.getvalue() for kind, data in written.items()}
    packed = {name: pa.compress(found["parquet"], codec, asbytes=True) for name, codec in _CODECS.items()}
    return {**found, **packed, "csv.zst": pa.compress(CSV, "zstd", asbytes=True)}


_CODECS = {"parquet.gz": "gzip", "parquet.zst": "zstd"}


def with_lying_end(data: bytes, dice: random.Random) -> bytes:
    """Return a file whose last bytes, where Parquet, Arrow and zip keep their lists of contents, have changed."""
    found = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 4])):
        at = len(found) - 1 - dice.randrange(min(400, len(found)))
        found[at] = dice.choice([0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256), (found[at] + 1) % 256])
    return bytes(found)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "xlsx", "csv.zst"])
def test_file_whose_list_of_contents_lies_is_refused_or_as_it_was(tmp_path: pathlib.Path, kind: str) -> None:
    _check_lying_ends(tmp_path, kind, 1)


@pytest.mark.long
@pytest.mark.timeout(2_400)
@pytest.mark.parametrize("kind", ["parquet", "arrow", "xlsx", "parquet.gz", "parquet.zst", "csv.zst"])
def test_many_files_whose_list_of_contents_lies_are_refused_or_as_they_were(tmp_path: pathlib.Path, kind: str) -> None:
    _check_lying_ends(tmp_path, kind, 500)


def _check_lying_ends(folder: pathlib.Path, kind: str, count: int) -> None:
    """Check that no row comes back that was not written: the values themselves have not changed."""
    data, file_type = _binaries()[kind], kind.split(".")[0]
    written = [[value for value in row if value is not None] for row in FRAME.rows()]
    for seed in range(count):
        table = _read(folder, with_lying_end(data, random.Random(f"{kind} {seed}")), file_type, Contract())
        rows = table.to_pylist() if table else []
        values = [[value for value in row.values() if value is not None] for row in rows]
        assert values == written[: len(values)] or _only_names_or_types(table), (kind, seed, rows)


def _only_names_or_types(table: pa.Table | None) -> bool:
    """True if a lie about names and types is one that the values fit: nobody could tell it from the truth."""
    return table is not None and table.num_rows == FRAME.height


@pytest.mark.long
@pytest.mark.timeout(2_400)  # each file has a process of its own
@pytest.mark.parametrize("kind", ["parquet", "arrow", "avro", "xlsx", "parquet.gz", "parquet.zst", "csv.zst"])
def test_damaged_binary_is_a_table_or_refused(tmp_path: pathlib.Path, kind: str) -> None:
    data, file_type = _binaries()[kind], kind.split(".")[0]
    assert _read(tmp_path, data, file_type, TEXTS) is not None
    for seed in range(500):
        _read(tmp_path, mutated(data, random.Random(seed)), file_type, Contract())
