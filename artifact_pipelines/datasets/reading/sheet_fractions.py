"""Times of an xlsx sheet to the microsecond: the reader of spreadsheets rounds them to milliseconds.

A time is a number of days. Programs such as pandas store microseconds in it, and computed times have any fraction.
"""

import datetime
import decimal
import pathlib
import re
import zipfile
from collections.abc import Collection, Mapping

from artifact_pipelines.datasets.reading.sheet_scan import NUMBERS, XlsxCells, part_of, scan

_FINE = re.compile(rb"<(?:\w+:)?v[^>]*>[^<]*(?:\.[0-9]{6}|[eE]-)")
_DAY = datetime.timedelta(days=1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_DAY_US = _DAY // _MICROSECOND
_NOISE_US = 1
"""A float keeps a time of this century to less than a microsecond; a millisecond is nearly always meant exactly."""


def fine_times(path: pathlib.Path, sheet: str, columns: Collection[int]) -> Mapping[int, Mapping[int, int]]:
    """Return the times of day that are no whole milliseconds, in microseconds, by column and row from 0.

    Args:
        columns: Those with times; numbers in others are none.
    """
    if not columns or not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if (
            "xl/workbook.xml" not in archive.namelist()
            or (part := part_of(archive, sheet)[0]) not in archive.namelist()
        ):
            return {}
        cells = _TimeCells(columns)
        for _ in scan(archive, part, _FINE, cells):
            pass
    return cells.times


class _TimeCells(XlsxCells):
    def __init__(self, columns: Collection[int]) -> None:
        super().__init__(recalculates=False)
        self._columns = columns
        self.times: dict[int, dict[int, int]] = {}

    def end(self, name: str) -> None:
        self.inside = ""
        if name != "c" or self.column not in self._columns or self.kind not in NUMBERS:
            return
        try:
            microseconds = round(decimal.Decimal(self.value) * _DAY_US)
        except (ValueError, OverflowError, decimal.InvalidOperation):  # no number
            return
        rest = microseconds % 1_000
        if min(rest, 1_000 - rest) > _NOISE_US:
            self.times.setdefault(self.column, {})[self.row] = microseconds % _DAY_US


def microseconds_later(time_us: int, moment: str) -> int:
    """Return how many microseconds the time of day of a moment is later than that of another one."""
    of_day = (datetime.datetime.fromisoformat(moment) - datetime.datetime.min) % _DAY // _MICROSECOND
    return (of_day - time_us + _DAY_US // 2) % _DAY_US - _DAY_US // 2


def later(moment: str, of_day_us: int) -> str:
    """Return the nearest moment with a time of day, which differs by a millisecond at most."""
    return str(datetime.datetime.fromisoformat(moment) - microseconds_later(of_day_us, moment) * _MICROSECOND)
