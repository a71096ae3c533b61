"""The rules of a dataset for its files in the landing zone: which names count, when one is complete, what follows."""

import posixpath
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, BinaryIO, Literal, cast

import pydantic

from artifact_pipelines.core.exceptions import ArtifactError, BackendError, InvalidArgumentError, SourceError
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.entry_names import SourceGlob
from artifact_pipelines.datasets.landing.folder import DROPPING
from artifact_pipelines.storage.staging import hash_stream

ARCHIVE = ".archive"
TEMPORARY = (".*", "*~", "*.tmp", "*.temp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.download", "*.swp")
CLEAR_S = 20.0
"""A tick of the sensor (60 s at most) reads an ingested file and its stored copy for no longer than this."""
TOO_SLOW = (
    "it stays: the sensor could not read it and its stored copy in the time of a tick. Once "
    "`artifact-pipelines verify` finds no fault, move or remove it yourself"
)
_NAME = "{name}"


def check_marker(marker: str) -> None:
    """Check that a marker is the name of a file.

    Raises:
        InvalidArgumentError: It is not.
    """
    if not marker or "/" in marker or marker == _NAME:
        raise InvalidArgumentError("marker", marker, "a name, such as '{name}.done' or '_SUCCESS'")


def _checked(marker: str) -> str:
    try:
        check_marker(marker)
    except InvalidArgumentError as error:
        raise ValueError(str(error)) from error
    return marker


class LandingRules(pydantic.BaseModel):
    """What counts as a file of the dataset, when it is complete, and what becomes of it."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    ignore: Sequence[str] = pydantic.Field(
        default=TEMPORARY, description="Globs of names, of files and folders, that are never ingested."
    )
    marker: Annotated[str, pydantic.AfterValidator(_checked)] | None = pydantic.Field(
        default=None,
        description="File in the same folder that says that a file is complete: '{name}.done', '_SUCCESS'.",
    )
    afterwards: Literal["keep", "archive", "delete"] = pydantic.Field(
        default="keep", description="What becomes of an ingested file, once its stored copy was read and is intact."
    )

    @property
    def ignored(self) -> Sequence[str]:
        """Globs of all names that are never ingested."""
        return [ARCHIVE, DROPPING, *self.ignore]

    def glob(self, source: str) -> SourceGlob:
        """Return the glob of the dataset's files."""
        markers = [self.marker.replace(_NAME, "*")] if self.marker else []
        return SourceGlob(source, [*self.ignored, *markers])

    def markers(self, zone: ILandingZone, source: str) -> Mapping[str, Sighting]:
        """Return all markers of the dataset's files, by path."""
        if self.marker is None:
            return {}
        pattern = posixpath.join(posixpath.dirname(source), self.marker.replace(_NAME, "*"))
        return {found.path: found for found in zone.list_entries(SourceGlob(pattern, [ARCHIVE])) if not found.problem}

    def missing_marker(self, file: Sighting, markers: Mapping[str, Sighting]) -> str | None:
        """Return the name of the marker that a file waits for; None if it is there and not older than the file."""
        if self.marker is None:
            return None
        folder, name = posixpath.split(file.path)
        expected = self.marker.replace(_NAME, name)
        found = markers.get(posixpath.join(folder, expected))
        # In whole seconds: S3 knows no smaller ones.
        return None if found and found.changed_ns // 10**9 >= file.changed_ns // 10**9 else expected

    def own_marker(self, zone: ILandingZone, file: Sighting) -> Sighting | None:
        """Return the marker of this file alone, which goes where the file goes; None: it has none, or shares it."""
        if self.marker is None or _NAME not in self.marker:
            return None
        folder, name = posixpath.split(file.path)
        found = zone.look(posixpath.join(folder, self.marker.replace(_NAME, name)))
        return None if found is None or found.problem else found


DEFAULT_RULES = LandingRules()


class InTime:
    """A stream that ends with an error at a time of the monotonic clock."""

    def __init__(self, stream: BinaryIO, until: float) -> None:
        self._stream, self._until = stream, until

    def read(self, size: int) -> bytes:
        """Read from the stream.

        Raises:
            TimeoutError: It is late.
        """
        if time.monotonic() > self._until:
            raise TimeoutError
        return self._stream.read(size)


def clear_away(
    rules: LandingRules,
    zone: ILandingZone,
    dataset: str,
    file: Sighting,
    is_intact: Callable[[str, str, float], bool],
) -> str | None:
    """Do what the rules say with an ingested file; return why it stays, if it does.

    Its content is hashed once more, and it goes only if the store has the same bytes and gave them when asked. A file
    that changes meanwhile stays.

    Args:
        is_intact: Reads the stored copy of a file, by its path and hash, and returns whether it is whole. It raises
            `SourceStreamError` if that is not done at a time of the monotonic clock.
    """
    until = time.monotonic() + CLEAR_S
    try:
        with zone.open(file.path) as stream:
            content_hash = hash_stream(cast("BinaryIO", InTime(stream, until))).content_hash
        if not is_intact(file.path, content_hash, until):
            return "it stays: the store has no intact copy of it"
        for each in (file, rules.own_marker(zone, file)):
            if each is None:
                continue
            if rules.afterwards == "archive":
                zone.move(each, f"{ARCHIVE}/{dataset}/{content_hash[:16]}/{each.path}")
            else:
                zone.remove(each)
    except (SourceError, BackendError) as error:
        if isinstance(error.__cause__, TimeoutError):
            return TOO_SLOW
        return f"it stays: {_first_sentence(error)}"
    return None


def _first_sentence(error: ArtifactError) -> str:
    return str(error).partition(". ")[0]
