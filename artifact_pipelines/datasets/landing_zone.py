"""What the landing zone holds and what to do about it. Looking has effects, deciding has none.

One idea: a file's identity is its content. Its path, size and time only tell that it may be worth reading.
"""

import dataclasses
import pathlib
import stat
from collections.abc import Collection, Mapping, Sequence

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.exceptions import EmptySourceError, LandingZoneMissingError, NothingLandedError
from artifact_pipelines.storage.exceptions import SourceUnreadableError, SourceVanishedError
from artifact_pipelines.storage.file_types import describe_by_name

FileType = tuple[str, str | None]
"""What a file is by its name, such as `csv`, and how it is compressed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """A file as one look saw it: path below the landing zone, size, and when bytes, name or rights last changed."""

    path: str
    size_bytes: int
    changed_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class KnownContent:
    """Contents that a dataset has had.

    Attributes:
        current: Hash of the current version.
        version_of: Numbers of all versions, by hash.
        failed_as: By hash, the type as which a content was ingested last, if that failed. It is news as another one.
    """

    current: str | None
    version_of: Mapping[str, int]
    failed_as: Mapping[str, FileType] = dataclasses.field(default_factory=dict)


def type_of(path: str) -> FileType:
    """Return as what the file at a path is stored."""
    described = describe_by_name(pathlib.PurePath(path).name)
    return described.file_type, described.compression_type


def check_source(source: str) -> None:
    """Check that a dataset's source is a glob below the landing zone.

    Raises:
        InvalidArgumentError: It is absolute, empty, or leaves the landing zone.
    """
    parts = pathlib.PurePosixPath(source)
    if not source or parts.is_absolute() or ".." in parts.parts:
        raise InvalidArgumentError("source", source, "a glob below the landing zone, such as 'flights*.csv'")


def look(folder: pathlib.Path, source: str) -> Sequence[Sighting]:
    """Return the regular files that match a dataset's source; hidden ones are left alone.

    Raises:
        LandingZoneMissingError: The landing zone is not a folder that can be read.
    """
    check_source(source)
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise LandingZoneMissingError(str(folder)) from error
    found = [_sighting(folder, path) for path in sorted(folder.glob(source)) if not path.name.startswith(".")]
    return [sighting for sighting in found if sighting is not None]


def _sighting(folder: pathlib.Path, path: pathlib.Path) -> Sighting | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None  # gone since the folder was listed
    if not stat.S_ISREG(status.st_mode):
        return None
    # ctime, not mtime: `cp -p` and `touch -d` set an mtime at will, every write and rename moves the ctime.
    return Sighting(path.relative_to(folder).as_posix(), status.st_size, status.st_ctime_ns)


def is_unchanged(sighting: Sighting, known: LandingFile | None) -> bool:
    """Tell whether a file is as it was when it was last recorded."""
    return known is not None and (known.size_bytes, known.changed_ns) == (sighting.size_bytes, sighting.changed_ns)


def first_seen(dataset: str, sighting: Sighting, known: LandingFile | None) -> LandingFile:
    """Return the record of a file that is new or was changed: seen, and to be looked at again."""
    return LandingFile(
        dataset=dataset,
        path=sighting.path,
        size_bytes=sighting.size_bytes,
        changed_ns=sighting.changed_ns,
        state=LandingState.SEEN,
        attempt=known.attempt if known else 0,
        # Kept: what the path held last decides whether a touch changed anything. A failed file gets a second chance.
        content_hash=known.content_hash if known and known.state != LandingState.FAILED else None,
    )


def judge(file: LandingFile, content_hash: str | None, known: KnownContent, paths: Collection[str]) -> LandingFile:
    """Decide what becomes of a complete file: a run is asked for, or it is a duplicate and the reason says of what.

    Args:
        file: Its record, in state seen.
        content_hash: Hash of its content; None when it is too large to be hashed here: the run will tell.
        known: What the dataset has had.
        paths: Paths that have been dealt with before; another path with an old content is a copy, no news.
    """
    failed_before = file.attempt > 0 and file.content_hash is None
    failed_as = known.failed_as.get(content_hash or "")
    is_news = failed_before or (failed_as is not None and failed_as != type_of(file.path))
    version = known.version_of.get(content_hash) if content_hash and not is_news else None
    reason = None
    if version is not None and content_hash == known.current:
        reason = f"same content as version {version}, the current one"
    elif version is not None and content_hash == file.content_hash:
        reason = f"touched only: still the content of version {version}"
    elif version is not None and file.path not in paths:
        reason = (
            f"a copy of version {version}, which is not the current one; drop it under the old name to go back to it"
        )
    if reason is not None:
        return dataclasses.replace(file, state=LandingState.DUPLICATE, content_hash=content_hash, reason=reason)
    attempt = file.attempt + 1
    run_key = f"{file.dataset}/{file.path}#{attempt}-{(content_hash or str(file.changed_ns))[:16]}"
    return dataclasses.replace(
        file,
        state=LandingState.REQUESTED,
        attempt=attempt,
        content_hash=content_hash,
        run_key=run_key,
        reason=None,
    )


def find_file(folder: pathlib.Path, dataset: str, source: str, path: str | None) -> pathlib.Path:
    """Return the file to ingest: the one named, or the one that changed last among those that match.

    Raises:
        NothingLandedError: None was named and none matches.
        SourceVanishedError: The one named is not there.
        SourceUnreadableError: It is not a regular file below the landing zone.
        EmptySourceError: It has no byte.
    """
    if path is None:
        sightings = look(folder, source)
        if not sightings:
            raise NothingLandedError(dataset, source, str(folder))
        path = max(sightings, key=lambda s: (s.changed_ns, s.path)).path
    chosen = folder / path
    if not chosen.exists():
        raise SourceVanishedError(str(chosen))
    if not chosen.resolve().is_relative_to(folder.resolve()) or not chosen.is_file():
        raise SourceUnreadableError(str(chosen), "it is not a regular file below the landing zone")
    if chosen.stat().st_size == 0:
        raise EmptySourceError(str(chosen))
    return chosen
