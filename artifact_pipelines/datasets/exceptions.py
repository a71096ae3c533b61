"""Errors about dropped files that cannot be ingested."""

import dataclasses

from artifact_pipelines.core.exceptions import SourceError


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

    def __str__(self) -> str:
        return f"Dataset {self.dataset}: no file in {self.landing_url} matches {self.source!r}. Drop one there and materialize again."


@dataclasses.dataclass(eq=False)
class EmptySourceError(SourceError):
    """A file has 0 bytes."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is empty (0 bytes). Drop a file with data; the last good version stays current."


@dataclasses.dataclass(eq=False)
class UnparsableSourceError(SourceError):
    """A file is not of its format."""

    path: str
    file_format: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be read as {self.file_format}: {self.reason}. Fix the file, or set `format` in the dataset's YAML file."


@dataclasses.dataclass(eq=False)
class SchemaMismatchError(SourceError):
    """A file does not have the columns that its dataset declares."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path} does not fit the dataset's declared columns: {self.problem}. Fix the file, or change `columns` or `key` in the dataset's YAML file."
