"""Lists the files of the landing zone and decides which need a run. A decision reads no file and no catalog.

One idea: a file's identity is its content. Its path, size and time only show that it may be worth reading.
"""

import dataclasses
import pathlib
import stat
from collections.abc import Collection, Mapping, Sequence

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import FileDescription, LandingFile, LandingState
from artifact_pipelines.datasets.exceptions import EmptySourceError, LandingZoneMissingError, NothingLandedError
from artifact_pipelines.storage.exceptions import SourceUnreadableError, SourceVanishedError
from artifact_pipelines.storage.file_types import describe_by_name


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """A file as one look found it: path below the landing zone, size, and when bytes, name or rights last changed."""

    path: str
    size_bytes: int
    changed_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class KnownContent:
    """Contents that a dataset already had.

    Attributes:
        current: Hash of the current version.
        version_of: Version numbers, by hash.
        failed_as: By hash, file types of a content whose runs all failed; as another type it gets a new run.
    """

    current: str | None
    version_of: Mapping[str, int]
    failed_as: Mapping[str, Collection[FileDescription]]


def check_source(source: str) -> None:
    """Check that a dataset's source is a glob below the landing zone.

    Raises:
        InvalidArgumentError: It is absolute, empty, or leaves the landing zone.
    """
    parts = pathlib.PurePosixPath(source)
    if not source or parts.is_absolute() or ".." in parts.parts:
        raise InvalidArgumentError("source", source, "a glob below the landing zone, such as 'flights*.csv'")


def list_files(folder: pathlib.Path, source: str) -> Sequence[Sighting]:
    """Return the regular files that match a dataset's source, without hidden ones.

    Raises:
        LandingZoneMissingError: The landing zone is not a readable folder.
    """
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
        return None  # deleted since the folder was listed
    if not stat.S_ISREG(status.st_mode):
        return None
    # ctime, not mtime: `cp -p` and `touch -d` set an mtime at will, every write and rename moves the ctime.
    return Sighting(path.relative_to(folder).as_posix(), status.st_size, status.st_ctime_ns)


def is_unchanged(sighting: Sighting, known: LandingFile | None) -> bool:
    """True if a file is the same as when it was last recorded."""
    return known is not None and (known.size_bytes, known.changed_ns) == (sighting.size_bytes, sighting.changed_ns)


def record_seen(dataset: str, sighting: Sighting, known: LandingFile | None) -> LandingFile:
    """Return the record of a file that is new or has changed."""
    # The last content of the path shows whether a touch changed anything. A failed file gets a second chance.
    last_hash = known.content_hash if known and known.state != LandingState.FAILED else None
    attempt = known.attempt if known else 0
    seen = (sighting.path, sighting.size_bytes, sighting.changed_ns)
    return LandingFile(dataset, *seen, LandingState.SEEN, attempt, last_hash)


def decide(file: LandingFile, content_hash: str | None, known: KnownContent, paths: Collection[str]) -> LandingFile:
    """Decide whether a complete file needs a run or is a duplicate; the reason names the version that it repeats.

    Args:
        file: Its record, in state seen.
        content_hash: Hash of its content; None: the file is too large to be hashed here, so its run finds out.
        paths: Paths that were handled before. An old content at another path is a copy.
    """
    failed_before = file.attempt > 0 and file.content_hash is None
    failed_as = known.failed_as.get(content_hash or "", ())
    needs_retry = failed_before or (failed_as and describe_by_name(file.path) not in failed_as)
    version = known.version_of.get(content_hash) if content_hash and not needs_retry else None
    reason = None
    if version is not None and content_hash == known.current:
        reason = f"same content as version {version}, the current one"
    elif version is not None and content_hash == file.content_hash:
        reason = f"touched only, still the content of version {version}"
    elif version is not None and file.path not in paths:
        rollback = f"`artifact-pipelines rollback {file.dataset}/raw --to {version}` returns to it"
        reason = f"a copy of version {version}, not the current one; {rollback}"
    if reason is not None:
        return dataclasses.replace(file, state=LandingState.DUPLICATE, content_hash=content_hash, reason=reason)
    attempt = file.attempt + 1
    run_key = f"{file.dataset}/{file.path}#{attempt}-{(content_hash or str(file.changed_ns))[:16]}"
    return dataclasses.replace(
        file, state=LandingState.REQUESTED, attempt=attempt, content_hash=content_hash, run_key=run_key
    )


def find_file(folder: pathlib.Path, dataset: str, source: str, path: str | None) -> pathlib.Path:
    """Return the file to ingest: the one at `path`, or the matching one that changed last.

    Raises:
        NothingLandedError: No path is given and no file matches.
        SourceVanishedError: No file is at the path.
        SourceUnreadableError: The path is not a regular file below the landing zone.
        EmptySourceError: The file has 0 bytes.
    """
    if path is None:
        sightings = list_files(folder, source)
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
