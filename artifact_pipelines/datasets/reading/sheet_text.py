"""A sheet of a spreadsheet as a table of texts: each cell as it says, row by row.

A number is all its digits, a day `2024-01-31`, a moment `2024-01-31 10:30:00`, a time of day `10:30:00`, a duration
`30:01:00`. The library reads a sheet whole, so a child process does it.
"""

import dataclasses
import pathlib
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from xml.parsers import expat

import fastexcel
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.datasets.exceptions import (
    EmptySourceError,
    RefusedValueError,
    SchemaMismatchError,
    SeveralSheetsError,
    UnparsableSourceError,
)
from artifact_pipelines.datasets.interfaces import Written
from artifact_pipelines.datasets.reading.bad_rows import BadRow, values_as_json
from artifact_pipelines.datasets.reading.columns import MOST_EXAMPLES
from artifact_pipelines.datasets.reading.sheet_fractions import fine_times
from artifact_pipelines.datasets.reading.sheet_numbers import (
    has_numbers,
    has_words,
    number_texts,
    with_exact_numbers,
)
from artifact_pipelines.datasets.reading.sheet_scan import DoubtfulCell, doubtful_cells
from artifact_pipelines.datasets.reading.sheet_times import (
    doubtful_days,
    duration_texts,
    has_moments,
    iso_time,
    times_of_day,
    with_fractions,
)

RANGE = "^([A-Z]{1,3})([1-9][0-9]{0,6}):([A-Z]{1,3})([1-9][0-9]{0,6})?$"
_BLOCK_ROWS = 8_192
_ERRORS = {"Div0": "#DIV/0!", "NA": "#N/A", "Name": "#NAME?", "Null": "#NULL!", "Num": "#NUM!", "Ref": "#REF!"}
_NO_TIME = re.compile(r"DateTime\(ExcelDateTime \{ value: ([^,]+),")
_WHOLE: Mapping[str, Any] = {"header_row": None, "schema_sample_rows": None, "whitespace_as_null": False}


@dataclasses.dataclass(frozen=True, slots=True)
class SheetPlace:
    """Where the table is in a workbook.

    Attributes:
        sheet: Name of the sheet; None: the only one that is visible and not empty.
        cells: Such as `B3:F100` or `B3:F`; None: all.
        header_rows: Number of first rows that name the columns.
    """

    sheet: str | None = None
    cells: str | None = None
    header_rows: int = 1

    @property
    def rows(self) -> tuple[int, int | None]:
        """The first row, from 0, and the end of the rows."""
        _, top, _, bottom = self._corners
        return int(top or 1) - 1, int(bottom) if bottom else None

    @property
    def columns(self) -> range:
        """The columns, from 0."""
        left, _, right, _ = self._corners
        return range(_column(left), _column(right) + 1)

    @property
    def _corners(self) -> Sequence[str | None]:
        match = re.match(RANGE, self.cells or "A1:ZZZ")
        assert match is not None  # checked where it is declared
        return match.groups()


def _column(letters: str | None) -> int:
    place = 0
    for letter in letters or "":
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


@dataclasses.dataclass(frozen=True, slots=True)
class SheetBlock:
    """Rows as texts, and their numbers in the sheet."""

    texts: pa.Table
    numbers: pa.Array


@dataclasses.dataclass(slots=True)
class SheetText:
    """The rows of a sheet; see `ITextRows`.

    Attributes:
        kinds: Of each column, as the cells are: `float`, `string`, `datetime` and so on; of several kinds: `string`.
        bad: Rows with errors in their cells, which are left out.
    """

    label: str
    names: Sequence[str]
    kinds: Mapping[str, str]
    whole: SheetBlock
    bad: Sequence[BadRow]

    def blocks(self) -> Iterator[SheetBlock]:
        """See `ITextRows`."""
        for start in range(0, self.whole.texts.num_rows, _BLOCK_ROWS):
            rows = self.whole.texts.slice(start, _BLOCK_ROWS)
            yield SheetBlock(rows, self.whole.numbers.slice(start, _BLOCK_ROWS))

    def texts(self, block: SheetBlock, names: Sequence[str], whole: Collection[str] = ()) -> pl.DataFrame:
        """See `ITextRows`."""
        return pl.DataFrame([pl.Series(name, block.texts.column(name), dtype=pl.String) for name in names])

    def examples(self, place: int) -> Sequence[str]:
        """Return some values of the column at a place."""
        return self.whole.texts.column(place).drop_null()[:MOST_EXAMPLES].to_pylist()  # type: ignore[no-any-return]

    def without_malformed(self, block: SheetBlock) -> tuple[SheetBlock, Sequence[BadRow]]:
        """See `ITextRows`: a row of cells cannot be malformed."""
        return block, []

    def written(self, block: SheetBlock, places: Sequence[int]) -> Sequence[Written]:
        """Return the numbers of rows; see `ITextRows`."""
        return [(int(block.numbers[place].as_py()), None) for place in places]


def read_sheet(
    path: pathlib.Path, label: str, place: SheetPlace, nulls: Sequence[str], leaves_out: bool = False
) -> SheetText:
    """Return the rows of a sheet as texts.

    Args:
        nulls: Texts and errors that mean null.
        leaves_out: True if rows with errors in their cells are left out.

    Raises:
        UnparsableSourceError: The file is no spreadsheet, or `place` does not say which sheet.
        RefusedValueError: A cell is an error, such as `#N/A`, and its row is not left out.
        EmptySourceError: There is no cell.
    """
    try:
        workbook = fastexcel.read_excel(path)
        name = _sheet(workbook, label, place.sheet)
        loaded = _Loaded(
            workbook, name, place, label, nulls, doubtful_cells(path, name), partial(fine_times, path, name)
        )
        return loaded.text(leaves_out)
    except (expat.ExpatError, zipfile.BadZipFile, zlib.error) as error:
        raise UnparsableSourceError(label, "excel", "it is damaged") from error
    except fastexcel.UnsupportedColumnTypeCombinationError as error:
        reason = "a column mixes durations with other values; give its cells one format"
        raise UnparsableSourceError(label, "excel", reason) from error
    except fastexcel.FastExcelError as error:
        reason = "it is no spreadsheet, or it is damaged or has a password"
        raise UnparsableSourceError(label, "excel", reason) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust; the library does not export its type
            raise
        raise UnparsableSourceError(label, "excel", "it is damaged") from error


def _sheet(workbook: fastexcel.ExcelReader, label: str, declared: str | None) -> str:
    names = workbook.sheet_names
    if declared is not None and declared not in names:
        reason = f"it has no sheet {declared!r}, which format.sheet declares, but {', '.join(map(repr, names))}"
        raise UnparsableSourceError(label, "excel", reason)
    if declared is not None or len(names) == 1:
        return declared or names[0]
    sheets = [workbook.load_sheet(name, header_row=None, n_rows=1, dtypes="string") for name in names]
    names = [each.name for each in sheets if each.visible == "visible" and each.total_height]
    if not names:
        raise EmptySourceError(label)
    if len(names) > 1:
        raise SeveralSheetsError(label, names)
    return names[0]


class _Loaded:
    """A sheet, loaded twice: as texts, and by the kinds of its cells."""

    def __init__(
        self,
        workbook: fastexcel.ExcelReader,
        name: str,
        place: SheetPlace,
        label: str,
        nulls: Sequence[str],
        doubtful: Iterable[DoubtfulCell],
        fine: Callable[[Collection[int]], Mapping[int, Mapping[int, int]]],
    ) -> None:
        self._workbook, self._name, self._label, self._nulls, self._doubtful = workbook, name, label, nulls, doubtful
        self._fine = fine
        self._place, (self._top, self._bottom) = place, place.rows

    def text(self, leaves_out: bool) -> SheetText:
        sheet = self._load(0, dtypes="string")
        table, errors = sheet.to_arrow_with_errors()
        chosen = [each for each in sheet.available_columns() if each.absolute_index in self._place.columns]
        cells, cell_errors = self._with_times(pa.table(table), errors.errors if errors else [])
        cells = cells.select([each.name for each in chosen])
        filled = _filled_rows(cells)
        if not len(filled):
            raise EmptySourceError(self._label)
        header, rows = filled[: self._place.header_rows], filled[self._place.header_rows :]
        start = header[-1].as_py() + 1 if len(header) else 0
        names = self._names(cells.take(header), cells.slice(start), [each.absolute_index for each in chosen])
        bad = self._errors(cell_errors, names, cells, start, leaves_out)
        if bad and not leaves_out:
            first = bad[min(bad)]
            expected = first.reason.removeprefix("is not ")
            raise RefusedValueError(self._label, first.line, str(first.column), str(first.value), expected, "row")
        rows = rows.filter(pc.invert(pc.is_in(rows, pa.array(bad, rows.type))))
        numbers = pc.add(rows, self._top + 1)
        texts, kinds = self._shown(cells.take(rows), numbers, start, names)
        return SheetText(self._label, list(names.values()), kinds, SheetBlock(texts, numbers), list(bad.values()))

    def _load(self, start: int, **options: Any) -> fastexcel.ExcelSheet:
        first = self._top + start
        count = None if self._bottom is None else max(0, self._bottom - first)
        sheet: fastexcel.ExcelSheet = self._workbook.load_sheet(
            self._name, skip_rows=first, n_rows=count, **_WHOLE, **options
        )
        return sheet

    def _names(self, header: pa.Table, data: pa.Table, places: Sequence[int]) -> Mapping[str, str]:
        """Return the names of the columns by those of the library; an empty column without a name is none."""
        if not header.num_rows:
            return {name: f"column_{place + 1}" for place, name in enumerate(data.column_names)}
        names = {}
        for column, place in zip(data.column_names, places, strict=True):
            if parts := header.column(column).drop_null().to_pylist():
                names[column] = "_".join(parts)
            elif data.column(column).null_count < data.num_rows:
                raise self._nameless(place)
        return names

    def _with_times(
        self, cells: pa.Table, errors: Sequence[fastexcel.CellError]
    ) -> tuple[pa.Table, Sequence[fastexcel.CellError]]:
        """Return the cells with times of OpenDocument, and the other errors."""
        times: dict[int, dict[int, str]] = {}
        rest = []
        for error in errors:
            if (text := iso_time(error.detail)) is None:
                rest.append(error)
            else:
                row, column = error.position
                times.setdefault(column, {})[row - self._top] = text
        for column, found in times.items():
            place = cells.column_names.index(f"__UNNAMED__{column}")
            texts = [found.get(row, text) for row, text in enumerate(cells.column(place).to_pylist())]
            cells = cells.set_column(place, cells.column_names[place], pa.array(texts, pa.string()))
        return cells, rest

    def _errors(
        self,
        errors: Sequence[fastexcel.CellError],
        names: Mapping[str, str],
        cells: pa.Table,
        start: int,
        leaves_out: bool,
    ) -> Mapping[int, BadRow]:
        """Return the rows with cells that have no value, by their places among the cells.

        Args:
            start: First row that is no header.
            leaves_out: True: return all such rows. False: return a first one of each kind, as there may be many.
        """
        shown = cells.select(list(names)).rename_columns(list(names.values()))
        bad: dict[int, BadRow] = {}
        for found in (map(_doubtful, sorted(errors, key=lambda error: error.position)), self._doubtful):
            for cell in found:
                at, column = cell.row - self._top, names.get(f"__UNNAMED__{cell.column}")
                if at < start or self._is_outside(cell) or cell.text in self._nulls:
                    continue
                if column is None:
                    raise self._nameless(cell.column)
                row = values_as_json(shown, at) if at < shown.num_rows else ""
                bad.setdefault(at, BadRow(cell.row + 1, column, cell.text, f"is not {cell.expected}", row))
                if not leaves_out:
                    break
        return bad

    def _is_outside(self, cell: DoubtfulCell) -> bool:
        is_below = self._bottom is not None and cell.row >= self._bottom
        return is_below or cell.column not in self._place.columns

    def _nameless(self, place: int) -> SchemaMismatchError:
        problem = f"the column at place {place + 1} of the sheet has values but no name"
        remedy = (
            "Name it in the first row, or set format.range; if the first row is a title, to A2:Z, for example; if two "
            "rows hold the names, set format.header to 2"
        )
        return SchemaMismatchError(self._label, problem, remedy)

    def _shown(
        self, cells: pa.Table, numbers: pa.Array, start: int, names: Mapping[str, str]
    ) -> tuple[pa.Table, Mapping[str, str]]:
        """Return the texts of all columns, and their kinds.

        Args:
            numbers: Of the rows in the sheet.
            start: First row that is no header.
        """
        typed, rows = self._load(start), pc.subtract(numbers, self._top + 1 + start)
        kinds: dict[str, str] = {each.name: each.dtype for each in typed.available_columns()}
        values = pa.table(typed.to_arrow()).take(rows)
        for name in names:
            # The library takes words such as n/a for null where it looks for kinds.
            lost = kinds.get(name) == "float" and cells[name].null_count < values[name].null_count
            if lost or (kinds.get(name) == "float" and has_words(cells[name])):
                kinds[name] = "string"
        mixed = [name for name in names if kinds.get(name) == "string" and has_numbers(cells.column(name))]
        floats = pa.table(self._load(start, dtypes=dict.fromkeys(mixed, "float")).to_arrow()) if mixed else None
        columns = []
        cells = self._with_fractions(cells, numbers)
        for name, shown in names.items():
            text, kind = cells.column(name), kinds.get(name)
            if kind == "duration":
                text = duration_texts(values.column(name), text)
            elif kind == "float":
                text = number_texts(values.column(name))
            elif floats and name in mixed:
                text = with_exact_numbers(text, floats.column(name).take(rows))
            elif kind == "datetime":
                self._refuse_odd_day(text, shown, numbers)
                text, kinds[name] = times_of_day(text)
            columns.append(_nulled(text, self._nulls))
        shown_kinds = {shown: kinds.get(name, "null") for name, shown in names.items()}
        return pa.Table.from_arrays(columns, list(names.values())), shown_kinds

    def _with_fractions(self, cells: pa.Table, numbers: pa.Array) -> pa.Table:
        """Return cells whose times have microseconds, where the file has them."""
        timed = {name: int(name.removeprefix("__UNNAMED__")) for name in cells.column_names if has_moments(cells[name])}
        fine = self._fine(set(timed.values()))
        for place, name in enumerate(cells.column_names):
            if found := fine.get(timed.get(name, -1)):
                by_place = [found.get(row - 1) for row in numbers.to_pylist()]
                cells = cells.set_column(place, name, with_fractions(cells.column(name), by_place))
        return cells

    def _refuse_odd_day(self, texts: pa.ChunkedArray, name: str, numbers: pa.Array) -> None:
        for expected, is_doubtful in doubtful_days(texts).items():
            if len(found := pc.indices_nonzero(is_doubtful.fill_null(False))):
                row = int(numbers[found[0].as_py()].as_py())
                value = str(texts[found[0].as_py()])
                raise RefusedValueError(self._label, row, name, value, f"{expected}; format the cell as text", "row")


def _doubtful(error: fastexcel.CellError) -> DoubtfulCell:
    """Return a cell that the library could not read as text."""
    if number := _NO_TIME.search(error.detail):
        return DoubtfulCell(*error.position, number[1], "a date or time that exists; format the cell as a number")
    code = error.detail.rpartition("Error(")[2].partition(")")[0] if "Error(" in error.detail else None
    text = _ERRORS.get(code, f"#{code.upper()}!") if code else error.detail.rpartition("got ")[2]
    remedy = "if it means null, add it to format.null_values" if code else "format the cell as text"
    return DoubtfulCell(*error.position, text, f"a value; {remedy}")


def _filled_rows(cells: pa.Table) -> pa.Array:
    """Return the places of the rows with any cell."""
    filled = pa.chunked_array([pa.repeat(False, cells.num_rows)])
    for column in cells.columns:
        filled = pc.or_(filled, pc.is_valid(column))
    return pc.indices_nonzero(filled).cast(pa.int64())


def _nulled(texts: pa.ChunkedArray, nulls: Sequence[str]) -> pa.ChunkedArray:
    if not nulls:
        return texts
    return pc.if_else(pc.is_in(texts, pa.array(nulls, texts.type)), pa.scalar(None, texts.type), texts)
