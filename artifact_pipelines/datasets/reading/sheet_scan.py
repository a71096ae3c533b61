"""Finds the cells of a spreadsheet that its reader would give as something else than the file says.

These are formulas whose result was never stored, numbers with more digits than a float keeps, and in OpenDocument
errors and tabs. The library tells nothing about them, so the XML is looked at: by a quick search, and cell by cell only
if that finds anything. Binary workbooks (xls, xlsb) have results and floats in each cell.
"""

import collections
import dataclasses
import decimal
import pathlib
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import IO
from xml.parsers import expat

NO_RESULT = "a value: its formula has no stored result; open the file in a spreadsheet program and save it"
_TOO_LONG = "a number that a spreadsheet keeps, which has 17 digits at most; write it as text"
_ERROR = "a value; if it means null, add it to format.null_values"
_TAB = "a text without tabs, which are lost in this format; export the file as xlsx"
_DOUBTFUL_XLSX = re.compile(rb"<(?:\w+:)?f[\s/>]|<(?:\w+:)?v[^>]*>[^<]{16,}<")
_DOUBTFUL_ODS = re.compile(
    rb'formula="|value-type="error"|<text:(?:tab|line-break)|office:value="[^"]{16,}"',
)
_PIECE_BYTES = 1 << 20
_OVERLAP_BYTES = 64
_REFERENCE = re.compile(r"([A-Z]+)([0-9]+)")
NUMBERS = ("", "n")
_SAFE_CHARACTERS, _MOST_DIGITS = 15, 17
_EXACT = decimal.Context(prec=1_000)
_ODS_CELLS = ("table-cell", "covered-table-cell")
_ERROR_TEXT = re.compile(r"#[A-Z0-9/?!]+|Err:[0-9]+")


@dataclasses.dataclass(frozen=True, slots=True)
class DoubtfulCell:
    """A cell that the reader gives as something else.

    Attributes:
        row: From 0, in the sheet.
        column: From 0, in the sheet.
        expected: What it is not, and what to do.
    """

    row: int
    column: int
    text: str
    expected: str


def doubtful_cells(path: pathlib.Path, sheet: str) -> Iterator[DoubtfulCell]:
    """Yield the doubtful cells of a sheet while reading its XML.

    Raises:
        expat.ExpatError: It is no XML.
        zipfile.BadZipFile: Its archive is damaged.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if "content.xml" in names:
            yield from scan(archive, "content.xml", _DOUBTFUL_ODS, _OdsCells(sheet))
        elif "xl/workbook.xml" in names:
            part, recalculates = part_of(archive, sheet)
            if part in names:
                yield from scan(archive, part, _DOUBTFUL_XLSX, XlsxCells(recalculates))


def scan(archive: zipfile.ZipFile, part: str, doubtful: re.Pattern[bytes], cells: "_Cells") -> Iterator[DoubtfulCell]:
    """Yield what is found in the cells of a part, if a quick search finds anything."""
    with archive.open(part) as stream:
        if not _holds(stream, doubtful):
            return
    with archive.open(part) as stream:
        for _ in _parse(stream, cells.start, cells.end, cells.text):
            yield from cells.found
            cells.found.clear()


def _holds(stream: IO[bytes], doubtful: re.Pattern[bytes]) -> bool:
    rest = b""
    while piece := stream.read(_PIECE_BYTES):
        if doubtful.search(rest + piece):
            return True
        rest = piece[-_OVERLAP_BYTES:]
    return False


def _parse(
    stream: IO[bytes],
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
) -> Iterator[None]:
    """Parse XML piece by piece. Element names come without their prefix, which each program chooses."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: start(_local(name), attributes)
    parser.EndElementHandler = lambda name: end(_local(name))
    parser.CharacterDataHandler = text
    while piece := stream.read(_PIECE_BYTES):
        parser.Parse(piece)
        yield
    parser.Parse(b"", True)
    yield


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _values(attributes: Mapping[str, str], name: str) -> list[str]:
    """Return the values of the attributes with a name, in any namespace."""
    return [value for key, value in attributes.items() if _local(key) == name]


def _count(attributes: Mapping[str, str], name: str) -> int:
    return int(next(iter(_values(attributes, name)), "1"))


def part_of(archive: zipfile.ZipFile, sheet: str) -> tuple[str, bool]:
    """Return the part of an xlsx archive that holds a sheet, and whether a stored 0 may be no result of a formula."""
    ids: dict[str, str] = {}
    targets: dict[str, str] = {}
    recalculates = False

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal recalculates
        if name == "sheet":
            ids[attributes["name"]] = _values(attributes, "id")[0]
        elif name == "Relationship":
            targets[attributes["Id"]] = attributes["Target"]
        elif name == "calcPr":
            recalculates = attributes.get("fullCalcOnLoad") in ("1", "true")

    for part in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"):
        with archive.open(part) as stream:
            collections.deque(_parse(stream, start, lambda _: None, lambda _: None), 0)
    target = targets.get(ids.get(sheet, ""), "")
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}", recalculates


class _Cells:
    """Takes the elements of a sheet."""

    def __init__(self) -> None:
        self.found: list[DoubtfulCell] = []
        self.row, self.column = -1, -1

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        raise NotImplementedError

    def end(self, name: str) -> None:
        raise NotImplementedError

    def text(self, text: str) -> None:
        raise NotImplementedError

    def add(self, text: str, expected: str) -> None:
        self.found.append(DoubtfulCell(self.row, self.column, text, expected))


class XlsxCells(_Cells):
    """Cells of an xlsx sheet: `<c r="B3" t="n"><f>A1+1</f><v>2</v></c>`."""

    def __init__(self, recalculates: bool) -> None:
        super().__init__()
        self._recalculates = recalculates
        self._formula: str | None = None
        self.kind, self.value, self.inside = "", "", ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the start of an element."""
        if name == "row":
            self.row, self.column = int(attributes.get("r", self.row + 2)) - 1, -1
        elif name == "c":
            match = _REFERENCE.fullmatch(attributes.get("r", ""))
            self.column = _column(match[1]) if match else self.column + 1
            self.kind, self._formula, self.value = attributes.get("t", ""), None, ""
        elif name == "f":
            self._formula = ""
        self.inside = name

    def end(self, name: str) -> None:
        """Take the end of an element: a cell is whole now."""
        self.inside = ""
        if name != "c":
            return
        is_missing = (not self.value and self.kind != "str") or (self._recalculates and self.value == "0")
        if self._formula is not None and is_missing:
            self.add(f"={self._formula}", NO_RESULT)
        elif self.kind in NUMBERS and _is_too_long(self.value):
            self.add(self.value, _TOO_LONG)

    def text(self, text: str) -> None:
        """Take text within an element."""
        if self.inside == "v":
            self.value += text
        elif self.inside == "f" and self._formula is not None:
            self._formula += text


def _column(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def _is_too_long(text: str) -> bool:
    """True if a float does not keep a number: writing it with as many digits gives another one."""
    if len(text) <= _SAFE_CHARACTERS:
        return False
    try:
        number = _EXACT.create_decimal(text).normalize(_EXACT)
        digits = len(number.as_tuple().digits)
        return decimal.Decimal(f"{float(text):.{digits - 1}e}") != number or digits > _MOST_DIGITS
    except (ValueError, decimal.InvalidOperation):  # no number: the reader gives it as text
        return False


class _OdsCells(_Cells):
    """Cells of a sheet of OpenDocument, whose rows and cells may stand for several."""

    def __init__(self, sheet: str) -> None:
        super().__init__()
        self._sheet, self._is_inside, self._is_comment = sheet, False, False
        self._rows = self._columns = 1
        self._attributes: Mapping[str, str] = {}
        self._text = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "table":
            self._is_inside = self._sheet in _values(attributes, "name")
            self.row, self._rows = -1, 1
        elif name == "annotation":
            self._is_comment = True
        elif not self._is_inside or self._is_comment:
            return
        elif name == "table-row":
            self.row += self._rows
            self._rows = _count(attributes, "number-rows-repeated")
            self.column, self._columns = -1, 1
        elif name in _ODS_CELLS:
            self.column += self._columns
            self._columns = _count(attributes, "number-columns-repeated")
            self._attributes, self._text = attributes, ""
        elif name in ("tab", "line-break"):
            self.add(self._text, _TAB)

    def end(self, name: str) -> None:
        if name == "table":
            self._is_inside = False
        elif name == "annotation":
            self._is_comment = False
        if not self._is_inside or name not in _ODS_CELLS:
            return
        kinds, [value, *_] = _values(self._attributes, "value-type"), [*_values(self._attributes, "value"), ""]
        has_formula = bool(_values(self._attributes, "formula"))
        if has_formula and not kinds:
            self.add(_values(self._attributes, "formula")[0], NO_RESULT)
        elif "error" in kinds or (has_formula and "string" not in kinds and _ERROR_TEXT.fullmatch(self._text)):
            self.add(self._text, _ERROR)
        elif _is_too_long(value):
            self.add(value, _TOO_LONG)

    def text(self, text: str) -> None:
        if not self._is_comment:
            self._text += text
