"""The root of all errors, its branches, and the errors that several packages raise. Standard library only.

    ArtifactError
    ├── NotFoundError      materialize it first, or correct the name
    ├── IntegrityError     call the operator: stored data are missing or damaged
    ├── UsageError         fix the code or the configuration
    ├── SourceError        fix or replace the input
    └── BackendError       wait and try again

A branch tells its reader what to do next. Each package has its own errors in its `exceptions.py`; `docs/errors.md`
shows the whole tree. An error is a dataclass: programs read its fields, people its text, which gives what happened,
where, the expected and the found value, and what to do.
"""

import dataclasses
import reprlib
from collections.abc import Sequence

MOST_NAMES = 50
_SHORT = reprlib.Repr()  # an argument may be huge or endlessly nested
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


class ArtifactError(Exception):
    """Root of all errors of this package."""


class NotFoundError(ArtifactError):
    """The requested thing does not exist."""


class IntegrityError(ArtifactError):
    """Stored data are missing or damaged."""


class UsageError(ArtifactError):
    """The call or the configuration is wrong."""


class SourceError(ArtifactError):
    """The given data cannot be used."""


class BackendError(ArtifactError):
    """Storage or catalog failed in a way that may pass."""


def listed(values: Sequence[object]) -> str:
    """Return values as text, separated by commas; `none` if there are none."""
    return ", ".join(str(value) for value in values) or "none"


def first_names(names: Sequence[str], most: int = 10) -> str:
    """Return names as text: only the first ones if there are many, and each shortened if it is long."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(f"{name!r:.200}" for name in names[:most]) + more or "none"


@dataclasses.dataclass(eq=False)
class UnknownFileError(NotFoundError):
    """No file has this ID."""

    file_id: int

    def __str__(self) -> str:
        return f"No file has ID {self.file_id}. It was never created, or it was released and collected. List: `artifact-pipelines ls`."


@dataclasses.dataclass(eq=False)
class InvalidFileIdError(UsageError):
    """A value that cannot be a file ID."""

    value: object

    def __str__(self) -> str:
        return (
            f"A file ID is a positive whole number below 2**63, not {self.value!r}. List them: `artifact-pipelines ls`."
        )


@dataclasses.dataclass(eq=False)
class InvalidArgumentError(UsageError):
    """An argument is malformed."""

    parameter: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"{self.parameter} must be {self.expected}, not {_SHORT.repr(self.value):.200}."


@dataclasses.dataclass(eq=False)
class NotHeldError(UsageError):
    """The holder has no reference to release."""

    file_id: int
    holder: str
    holders: Sequence[str]

    def __str__(self) -> str:
        return (
            f"File {self.file_id} has no reference of holder {self.holder!r} to release; it is held by: "
            f"{listed(self.holders)}. Each create_artifact gives one reference, and each can be released once."
        )


@dataclasses.dataclass(eq=False)
class ConfigurationError(UsageError):
    """A setting has a value that cannot work."""

    setting: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.problem}. {self.remedy}"


@dataclasses.dataclass(eq=False)
class CatalogUnavailableError(BackendError):
    """The catalog's database failed.

    Attributes:
        may_pass: True if nothing was changed and a retry may succeed; the catalog itself then retries.
    """

    where: str
    reason: str
    may_pass: bool = dataclasses.field(default=False, repr=False)

    def __str__(self) -> str:
        reason = " ".join(self.reason.split()).rstrip(".?")
        return (
            f"The catalog {self.where} did not answer: {reason}. Check that it runs and can be reached, and run again."
        )


@dataclasses.dataclass(eq=False)
class LeaseExpiredError(BackendError):
    """A writer stood still for so long that its lease on a file expired."""

    file_id: int

    def __str__(self) -> str:
        return f"The lease on file {self.file_id} expired before the file was settled: the process stood still. Nothing is lost; run again."
