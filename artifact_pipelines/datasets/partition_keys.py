"""Partitions of a dataset, and to which of them a dropped file belongs, if its name says it.

One idea: `{partition}` stands in the source where the key stands in the name, so one line says both which files belong
to the dataset and what their keys are. Must not import Dagster.
"""

import dataclasses
import datetime
import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import pydantic

from artifact_pipelines.datasets.exceptions import NoPartitionError

_PLACEHOLDER = re.compile(r"\{partition(?::([^{}]*))?\}")
_FORMATS = {"daily": "%Y-%m-%d", "monthly": "%Y-%m"}
_DIGITS = {"%Y": r"\d{4}", "%m": r"\d{2}", "%d": r"\d{2}"}
_DIRECTIVE = re.compile("(%.)")
_NO_KEY = "..."  # Dagster refuses keys with it
FIRST_DAY = datetime.date(2000, 1, 1)


class StaticPartitions(pydantic.BaseModel):
    """Partitions whose keys are declared."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    static: Sequence[str] = pydantic.Field(min_length=1, description="All keys.")


class ColumnPartitions(pydantic.BaseModel):
    """Partitions whose keys are the values of a column of the table."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    column: str = pydantic.Field(min_length=1, description="The column; its values are texts, whole numbers or days.")


def _of_known_form(given: object) -> object:
    """Refuse what has no form of partitions in one sentence; each form on its own would refuse it."""
    forms: Sequence[object] = ["daily", "monthly", "by_file", ["static"], ["column"]]
    is_made = isinstance(given, StaticPartitions | ColumnPartitions)
    if is_made or ([*given] if isinstance(given, Mapping) else given) in forms:
        return given
    raise ValueError(
        f"partitions must be daily, monthly, by_file, {{static: [KEY]}} or {{column: NAME}}, not {given!r}"
    )


NamePartitions = Literal["daily", "monthly", "by_file"] | StaticPartitions
"""Partitions whose keys stand in the names of files."""
Partitions = Annotated[NamePartitions | ColumnPartitions, pydantic.BeforeValidator(_of_known_form)]


def glob_of(source: str) -> str:
    """Return the glob of a source, in which any text may stand in the place of the key."""
    return _PLACEHOLDER.sub("*", source)


def check_partitions(source: str, partitions: Partitions | None) -> None:
    """Check that a source says where the key stands in a name, if there are keys, and how it is written.

    Raises:
        ValueError: It does not.
    """
    found = _PLACEHOLDER.findall(source)
    if partitions is None:
        if found:
            raise ValueError("{partition} needs `partitions: daily | monthly | by_file | {static: [...]}`")
        return
    if isinstance(partitions, ColumnPartitions):
        if found:
            raise ValueError("{partition} is about keys in names; with `partitions: {column: ...}` a column has them")
        return
    if len(found) > 1 or (not found and partitions != "by_file"):
        raise ValueError("write {partition} once, where the key stands in the name, such as 'sales_{partition}.csv'")
    if isinstance(partitions, StaticPartitions) or partitions == "by_file":
        if any(found):
            raise ValueError("only the key of daily or monthly partitions has a format: write {partition}")
    elif any(found) and set(_DIRECTIVE.findall(found[0])) != set(_DIRECTIVE.findall(_FORMATS[partitions])):
        expected = "%Y, %m and %d" if partitions == "daily" else "%Y and %m"
        raise ValueError(f"the format of {partitions} partitions has {expected}, such as {{partition:%Y%m%d}}")


@dataclasses.dataclass(frozen=True)
class PartitionKeys:
    """The partitions of a dataset.

    Attributes:
        source: Its glob, with the place of the key.
        first_day: Of the first daily or monthly partition.
        today: Returns the day in UTC; later days have no partition yet.
    """

    partitions: NamePartitions
    source: str
    first_day: datetime.date = FIRST_DAY
    today: Callable[[], datetime.date] = lambda: datetime.datetime.now(datetime.UTC).date()

    @property
    def format(self) -> str | None:
        """How days or months are written in keys; None: keys are any texts."""
        return None if isinstance(self.partitions, StaticPartitions) else _FORMATS.get(self.partitions)

    def of(self, path: str) -> str:
        """Return the key of a file.

        Args:
            path: Path below the landing zone, as text.

        Raises:
            NoPartitionError: Its name has no key, or one that is none of the dataset's.
        """
        key = self._text_in(path)
        if isinstance(self.partitions, StaticPartitions):
            if key not in self.partitions.static:
                raise NoPartitionError(
                    path, f"{key!r} is none of {', '.join(self.partitions.static)}", _remedy("partitions")
                )
        elif self.partitions == "by_file":
            if _NO_KEY in key:
                raise NoPartitionError(path, f"Dagster allows no {_NO_KEY!r} in the key {key!r}", "Rename it")
        else:
            key = self._day(path, key).strftime(str(self.format))
        return key

    def _text_in(self, path: str) -> str:
        placeholder = _PLACEHOLDER.search(self.source)
        if placeholder is None:
            return path
        before, after = self.source[: placeholder.start()], self.source[placeholder.end() :]
        written = placeholder[1] or self.format
        key = "".join(_DIGITS.get(part, re.escape(part)) for part in _DIRECTIVE.split(written)) if written else "[^/]+"
        found = re.fullmatch(f"{_pattern(before)}({key}){_pattern(after)}", path, re.DOTALL)
        if found is None:
            raise NoPartitionError(path, f"its name is not like {self.source!r}", _remedy("source"))
        return found[1]

    def _day(self, path: str, text: str) -> datetime.date:
        [written] = _PLACEHOLDER.findall(self.source)
        try:
            day = datetime.datetime.strptime(text, written or str(self.format)).date()
        except ValueError as error:
            raise NoPartitionError(path, f"there is no day or month {text!r}", _remedy("source")) from error
        if day < self._begin(self.first_day):
            raise NoPartitionError(
                path, f"{text} is before {self.first_day}, the first day", _remedy("partition_start")
            )
        if day > self.today():
            raise NoPartitionError(
                path, f"{text} has not begun yet (UTC)", "It is ingested by itself as soon as it has"
            )
        return day

    def _begin(self, day: datetime.date) -> datetime.date:
        return day.replace(day=1) if self.partitions == "monthly" else day


def _pattern(glob: str) -> str:
    """Return a part of a glob, which the path matches as a whole anyway, as a regular expression."""
    pieces = [fnmatch.translate(piece).removeprefix("(?s:").removesuffix(r")\Z") for piece in glob.split("**/")]
    return "(?:.*/)?".join(pieces)


def _remedy(field: str) -> str:
    return f"Rename it, or change `{field}` in the dataset's YAML file"
