"""Errors about dropped files that cannot be ingested."""

import dataclasses
import json
import re
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import NotFoundError, SourceError, first_names
from artifact_pipelines.core.wording import counted

_WITH_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", re.ASCII)


@dataclasses.dataclass(eq=False)
class LandingZoneMissingError(SourceError):
    """The landing zone is not a readable folder."""

    landing_url: str

    def __str__(self) -> str:
        return f"The landing zone {self.landing_url} is not a readable folder. Create it, or set ARTIFACT_LANDING_URL to the right one."


@dataclasses.dataclass(eq=False)
class NothingLandedError(SourceError):
    """No file in the landing zone matches the dataset's source."""

    dataset: str
    source: str
    landing_url: str
    bad: int = 0

    def __str__(self) -> str:
        what = f"Dataset {self.dataset}: no file in {self.landing_url} matches {self.source!r}"
        bad = f", but for {self.bad:,} in quarantine (`artifact-pipelines quarantine ls {self.dataset}`)"
        return f"{what}{bad if self.bad else ''}. Drop one there and materialize again."


@dataclasses.dataclass(eq=False)
class NoPartitionError(SourceError):
    """A file belongs to no partition of its dataset."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} belongs to no partition: {self.problem}. {self.remedy}."


@dataclasses.dataclass(eq=False)
class NotInQuarantineError(NotFoundError):
    """A dataset has no such file in quarantine."""

    dataset: str
    path: str
    waiting: Sequence[str]

    def __str__(self) -> str:
        return f"Dataset {self.dataset} has no file {self.path!r} in quarantine; it has: {first_names(self.waiting)}. List: `artifact-pipelines quarantine ls`."


@dataclasses.dataclass(eq=False)
class QuarantinedFileGoneError(SourceError):
    """A file in quarantine is to be replayed, and neither landing zone nor store have it."""

    dataset: str
    path: str

    def __str__(self) -> str:
        return f"{self.path} of dataset {self.dataset} is no longer in the landing zone, and the store has no copy of it. Drop it again, or discard it: `artifact-pipelines quarantine discard {self.dataset} ...`."


@dataclasses.dataclass(eq=False)
class UnwatchedDatasetError(NotFoundError):
    """A file is dropped for a dataset whose sensor has never looked at the landing zone.

    Attributes:
        known: The datasets whose sensors have looked.
        matching: Those of them that would take the file.
    """

    dataset: str
    path: str
    known: Sequence[str]
    matching: Sequence[str]

    def __str__(self) -> str:
        instead = f"{first_names(self.matching)} would take it" if self.matching else "none of them would take it"
        return (
            f"{self.path!r:.200}: there is no dataset {self.dataset!r:.200}, or its sensor has not looked yet. Those whose "
            f"sensor has looked: {first_names(self.known)}; {instead}. Correct the name, or check that the sensor "
            "artifact_landing is on."
        )


@dataclasses.dataclass(eq=False)
class DropIsWaitingError(SourceError):
    """A file is dropped where another one lies that is not ingested yet.

    Attributes:
        named_by: The option or parameter that names the path.
    """

    landing_url: str
    path: str
    named_by: str

    def __str__(self) -> str:
        return f"{self.path} lies in {self.landing_url} already and is not ingested yet; this drop would replace it. Wait, or drop under another name (`{self.named_by}`)."


@dataclasses.dataclass(eq=False)
class NotNoticedError(SourceError):
    """No sensor noticed a dropped file."""

    dataset: str
    path: str
    waited_s: int

    def __str__(self) -> str:
        return f"{self.path} lies in the landing zone, but no sensor of dataset {self.dataset} noticed it within {self.waited_s} s. Check that Dagster runs, that the sensor artifact_landing is on, and that `source` of the dataset matches this path."


@dataclasses.dataclass(eq=False)
class NotIngestedError(SourceError):
    """A dropped file could not be ingested."""

    dataset: str
    path: str
    reason: str

    def __str__(self) -> str:
        reason = self.reason.replace(f"{self.path}, ", "", 1)  # which is named already
        return f"{self.path} waits in the quarantine of {self.dataset}: {reason}"


@dataclasses.dataclass(eq=False)
class EmptySourceError(SourceError):
    """A file has no bytes, or no text."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} holds no data. Drop a file with data; the last good version stays current."


@dataclasses.dataclass(eq=False)
class UnparsableSourceError(SourceError):
    """A file is not of its format."""

    path: str
    file_format: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be read as {self.file_format}: {self.reason}. Fix the file, or set `format` in the dataset's YAML file."


@dataclasses.dataclass(eq=False)
class TitleError(SourceError):
    """Lines stand above the header of a text file.

    Attributes:
        first: The first of them.
        count: Number of them.
        delimiter: Cuts the lines below them into values.
    """

    path: str
    first: str
    count: int
    delimiter: str

    def __str__(self) -> str:
        comment = ", or format.comment to '#'," if self.first.startswith("#") else ""
        return (
            f"{self.path} cannot be read as a table: its first line, {self.first!r:.200}, is one value, but "
            f"{self.delimiter!r} cuts every line from line {self.count + 1} on into several. If that line is the header, "
            f"set format.skip_lines to {self.count}{comment} in the dataset's YAML file. If the file has one column, set "
            "format.delimiter to a character that the file does not have."
        )


@dataclasses.dataclass(eq=False)
class WrappedRowsError(SourceError):
    """A JSON file is one object that holds the rows, and its dataset does not say where.

    Attributes:
        places: Keys that lead to lists of objects, joined by points, the longest list first; none: the object seems to
            hold columns.
    """

    path: str
    places: Sequence[str]

    def __str__(self) -> str:
        one_row = '`format: {type: json, rows_at: ""}`'
        if not self.places:
            return (
                f"{self.path} is one JSON object that seems to hold columns, or rows by key. Write an array with an object for "
                f'each row (in pandas: `orient="records"`); or if the object is one row, set {one_row} in the '
                "dataset's YAML file."
            )
        example = json.dumps(self.places[0], ensure_ascii=False)
        return (
            f"{self.path} is one JSON object that seems to hold the rows in a list: {first_names(self.places)}. Name the list in "
            f"the dataset's YAML file: `format: {{type: json, rows_at: {example:.200}}}`; or if the object is one row, set {one_row}."
        )


@dataclasses.dataclass(eq=False)
class SeveralSheetsError(SourceError):
    """A spreadsheet has several sheets with cells, and its dataset names none of them."""

    path: str
    sheets: Sequence[str]

    def __str__(self) -> str:
        names = ", ".join(map(repr, self.sheets))
        example = json.dumps(self.sheets[0], ensure_ascii=False)
        return (
            f"{self.path} has several sheets: {names}. Name one in the dataset's YAML file, for example "
            f"`format: {{type: excel, sheet: {example}}}`."
        )


@dataclasses.dataclass(eq=False)
class ReaderDiedError(SourceError):
    """The process that read a file did not survive it, or went beyond a limit."""

    path: str
    file_format: str
    end: str

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be read as {self.file_format}: the process that read it {self.end}. The file is damaged "
            "or hostile, or too large for the limits in docs/datasets.md. Export it again, in smaller parts."
        )


@dataclasses.dataclass(eq=False)
class SchemaMismatchError(SourceError):
    """A file does not have the columns that its dataset expects."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path} does not have the columns of its dataset: {self.problem}. {self.remedy}."


@dataclasses.dataclass(eq=False)
class NoHeaderError(SourceError):
    """The header of a file seems to be its first row."""

    path: str
    names: Sequence[str]

    def __str__(self) -> str:
        return (
            f"{self.path} seems to have no header: its first line begins with a value, as rows do: "
            f"{first_names(self.names)}. Set `header: false` in `format` of the dataset's YAML file if that is the first "
            "row, or declare one of the columns in `columns`."
        )


@dataclasses.dataclass(eq=False)
class PaddedValuesError(SourceError):
    """The names of a file's columns begin or end with spaces, as its values probably do."""

    path: str
    names: Sequence[str]

    def __str__(self) -> str:
        return (
            f"{self.path} has spaces around its delimiters: its columns are {first_names(self.names)}. Set `trim: true` in "
            "`format` of the dataset's YAML file if they are no part of names and values, or declare one of these columns "
            "in `columns`."
        )


@dataclasses.dataclass(eq=False)
class UnitsError(SourceError):
    """The line below the header of a file seems to be no row.

    Attributes:
        values: Its texts that stand above numbers or dates.
    """

    path: str
    line: int
    values: Sequence[str]
    place: str = "line"

    def __str__(self) -> str:
        return (
            f"{self.path}, {self.place} {self.line} seems to hold units or labels: above numbers or dates it has "
            f"{first_names(self.values, 3)}. Set `header: 2` in `format` of the dataset's YAML file to make it a part of the "
            "names; list its texts in `format.null_values` if they mean null; or declare the columns in `columns`."
        )


@dataclasses.dataclass(eq=False)
class MalformedRowError(SourceError):
    """A row of a text file cannot be split into values in one way only."""

    path: str
    line: int
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.problem}. {self.remedy}."


@dataclasses.dataclass(eq=False)
class WrongEncodingError(SourceError):
    """A text file is in another encoding than its dataset expects, so no row of it can be trusted.

    Attributes:
        place: Of the first byte that is not of the encoding, from 1, in its line.
        shown: The bytes around it.
        likely: The encoding that the bytes seem to have.
    """

    path: str
    encoding: str
    line: int
    place: int
    shown: bytes
    likely: str

    def __str__(self) -> str:
        where = f"line {self.line}, byte {self.place}"
        why = "is the first sign of UTF-8" if self.likely == "utf-8" else "cannot be read as a character"
        which = "" if self.likely.startswith("utf") else " if its language is a Western European one"
        return (
            f"{self.path} is not {self.encoding}: {where} {why} ({self.shown!r}). Save it as UTF-8, or say how it is "
            f"written in the dataset's YAML file: `format: {{encoding: {self.likely}}}`{which}."
        )


@dataclasses.dataclass(eq=False)
class RefusedValueError(SourceError):
    """A value does not have the type of its column."""

    path: str
    line: int
    column: str
    value: str
    expected: str
    place: str = "line"

    def __str__(self) -> str:
        value = (
            repr(self.value) if len(self.value) <= 200 else f"{self.value[:200]!r}… ({len(self.value):,} characters)"
        )
        may_be_float = "(double)" not in self.expected and _WITH_EXPONENT.fullmatch(self.value)
        other = "DOUBLE" if may_be_float else "VARCHAR"
        return (
            f"{self.path}, {self.place} {self.line}, column {self.column!r}: {value} is not {self.expected}. "
            f"Fix the value, or declare another type in the dataset's YAML file, such as `columns: {{{self.column}: {other}}}`."
        )


@dataclasses.dataclass(eq=False)
class BrokenRuleError(SourceError):
    """A value breaks a rule of its column."""

    path: str
    line: int
    column: str
    value: str | None
    fault: str
    field: str
    place: str = "line"

    def __str__(self) -> str:
        value = "it" if self.value is None else repr(self.value[:200]) + "…" * (len(self.value) > 200)
        return (
            f"{self.path}, {self.place} {self.line}, column {self.column!r}: {value} {self.fault}. "
            f"Fix the value, or change `{self.field}` in the dataset's YAML file."
        )


@dataclasses.dataclass(eq=False)
class RepeatedValuesError(SourceError):
    """Two rows have the same values in columns that the dataset declares as unique."""

    path: str
    line: int
    earlier_line: int
    columns: Sequence[str]
    values: Sequence[str]
    field: str
    place: str = "line"
    earlier_file: str | None = None

    def __str__(self) -> str:
        earlier = self.earlier_file or f"{self.place} {self.earlier_line}"
        same = ", ".join(f"{name} = {value!r}" for name, value in zip(self.columns, self.values, strict=True))
        return (
            f"{self.path}, {self.place} {self.line}: {same} stands in {earlier} already. "
            f"Remove one of the rows, or change `{self.field}` in the dataset's YAML file."
        )


@dataclasses.dataclass(eq=False)
class TooManyBadRowsError(SourceError):
    """So many rows of a file are bad that the file as a whole is refused."""

    path: str
    bad: int
    rows: int
    most: str
    first: str

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.bad:,} of {counted(self.rows, 'row')} {'is' if self.bad == 1 else 'are'} bad, more than `max_bad_rows: {self.most}` allows. "
            f"The first: {self.first}. Fix the file, or change columns or `max_bad_rows` in the dataset's YAML file."
        )
