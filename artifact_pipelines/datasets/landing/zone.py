"""Decides which files of the landing zone need a run. A decision reads no file and no catalog.

One idea: a file's identity is its content. Its path, size and time only show that it may be worth reading.
"""

import dataclasses
import os
from collections.abc import Callable, Collection, Mapping
from typing import BinaryIO

from artifact_pipelines.core.types import FileDescription, LandingFile, LandingState
from artifact_pipelines.datasets.exceptions import EmptySourceError, NothingLandedError
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.entry_names import SourceGlob
from artifact_pipelines.datasets.landing.rules import TOO_SLOW
from artifact_pipelines.storage.file_types import describe_by_name

REPLACED = "replaced by"
_BAD = (LandingState.QUARANTINED, LandingState.DISCARDED)


@dataclasses.dataclass(frozen=True, slots=True)
class KnownContent:
    """Contents that a dataset already had.

    Attributes:
        current: Hash of the current version.
        version_of: Version numbers, by hash; of the contents in question, and perhaps of others.
        counted: Names of the files whose rows are in the table, by hash, if it is a union; None: it is the last file.
        is_in_table: False if the current table was made from another content than the current one, as after a rollback.
        failed_as: By hash, file types of a content whose runs all failed; as another type it gets a new run.
    """

    current: str | None
    version_of: Mapping[str, int]
    failed_as: Mapping[str, Collection[FileDescription]]
    counted: Mapping[str, Collection[str]] | None = None
    is_in_table: bool = True


def is_unchanged(sighting: Sighting, known: LandingFile | None) -> bool:
    """True if an entry is the same as when it was last recorded."""
    if known is None or sighting.problem not in (None, known.reason):
        return False
    return (known.size_bytes, known.changed_ns) == (sighting.size_bytes, sighting.changed_ns)


def is_bad(sighting: Sighting, known: Mapping[str, LandingFile]) -> bool:
    """True if an entry is the one that waits in quarantine, or that was discarded."""
    file = known.get(sighting.path)
    return sighting.problem is not None or (file is not None and file.state in _BAD and is_unchanged(sighting, file))


def is_as_requested(sighting: Sighting | None, known: LandingFile | None, run_key: str) -> bool:
    """True if an entry is still the file that a run was requested for; what took its place may be half-written."""
    return sighting is None or (known is not None and known.run_key == run_key and is_unchanged(sighting, known))


def failed_in_run(file: LandingFile) -> bool:
    """True if a run failed on a file's content; without a run, it could not even be read, which may pass."""
    return file.state == LandingState.QUARANTINED and file.run_key is not None


def is_undecided(file: LandingFile) -> bool:
    """True if a file, once it is complete, needs a decision."""
    return file.state == LandingState.SEEN or (file.state == LandingState.QUARANTINED and not failed_in_run(file))


def record_seen(dataset: str, sighting: Sighting, known: LandingFile | None) -> LandingFile:
    """Return the record of an entry that is new or has changed."""
    # The last content of the path shows whether a touch changed anything. A bad file gets another chance.
    has_failed = known is not None and known.state in _BAD and known.run_key is not None
    last_hash = known.content_hash if known and not has_failed else None
    attempt = known.attempt if known else 0
    seen = (sighting.path, sighting.size_bytes, sighting.changed_ns)
    state = LandingState.SEEN if sighting.problem is None else LandingState.QUARANTINED
    return LandingFile(dataset, *seen, state, attempt, last_hash, reason=sighting.problem)


def decide(file: LandingFile, content_hash: str | None, known: KnownContent, paths: Collection[str]) -> LandingFile:
    """Decide whether a complete file needs a run or is a duplicate; the reason names the version that it repeats.

    Args:
        file: Its record, undecided.
        content_hash: Hash of its content; None: the file is too large to be hashed here, so its run finds out.
        paths: Paths that were handled before. An old content at another path is a copy.
    """
    failed_before = file.attempt > 0 and file.content_hash is None
    failed_as = known.failed_as.get(content_hash or "", ())
    needs_retry = failed_before or (failed_as and describe_by_name(file.path) not in failed_as)
    version = known.version_of.get(content_hash) if content_hash and not needs_retry else None
    reason = None
    if known.counted is not None:
        reason = None if needs_retry else _counted(file.path, known.counted, content_hash)
    elif version is not None and content_hash == known.current:
        why_not = f"whose table is not current: `artifact-pipelines datasets log {file.dataset}` shows why"
        reason = f"same content as version {version}, {'the current one' if known.is_in_table else why_not}"
    elif version is not None and content_hash == file.content_hash:
        reason = f"touched only, still the content of version {version}"
    elif version is not None and file.path not in paths:
        rollback = f"`artifact-pipelines rollback {file.dataset}/raw --to {version}` returns to it"
        reason = f"a copy of version {version}, not the current one; {rollback}"
    if reason is not None:
        return dataclasses.replace(file, state=LandingState.DUPLICATE, content_hash=content_hash, reason=reason)
    attempt = file.attempt + 1
    run_key = f"{file.dataset}/{file.path}#{attempt}-{(content_hash or str(file.changed_ns))[:16]}"
    requested = dataclasses.replace(file, state=LandingState.REQUESTED, attempt=attempt, run_key=run_key)
    return dataclasses.replace(requested, content_hash=content_hash, reason=None)


def _counted(path: str, counted: Mapping[str, Collection[str]], content_hash: str | None) -> str | None:
    """Return why a file adds nothing to a union: its rows are there, under its name or another one."""
    names = counted.get(content_hash or "", ())
    if path in names:
        return "its rows are in the table already"
    is_new_name = not any(path in others for others in counted.values())
    return f"same content as {min(names)}, whose rows are in the table" if names and is_new_name else None


def note_replaced(
    files: Mapping[str, LandingFile],
    before: Mapping[str, LandingFile],
    partition_of: Callable[[str], str | None] = lambda _: None,
) -> Mapping[str, LandingFile]:
    """Note at ingested files which file of the same partition has replaced them, if one has just been ingested."""

    def was(file: LandingFile) -> LandingState | None:
        return before[file.path].state if file.path in before else None

    new = [f for f in files.values() if f.state == LandingState.INGESTED and was(f) == LandingState.REQUESTED]
    if not new:
        return {}
    reasons = {partition_of(file.path): f"{REPLACED} {file.path}" for file in new}
    done = [f for f in files.values() if f.state in (LandingState.INGESTED, LandingState.DUPLICATE) and f not in new]
    # The reason of a slow file stays: it tells people what to do.
    done = [f for f in done if not (f.reason or "").startswith((REPLACED, TOO_SLOW))]
    old = {f.path: reasons.get(partition_of(f.path)) for f in done}
    return {path: dataclasses.replace(files[path], reason=reason) for path, reason in old.items() if reason}


def replayed(file: LandingFile) -> LandingFile:
    """Return the record of a file that leaves its quarantine to be ingested: its next attempt is requested."""
    return dataclasses.replace(file, state=LandingState.SEEN, content_hash=None, run_key=None, reason="it is replayed")


def find_landed(
    zone: ILandingZone,
    dataset: str,
    glob: SourceGlob,
    known: Mapping[str, LandingFile],
    is_wanted: Callable[[str], bool] = lambda _: True,
) -> str:
    """Return the path of the matching file that changed last and is not known to be bad.

    Args:
        is_wanted: Returns whether a path is one of those to choose from.

    Raises:
        NothingLandedError: There is none.
    """
    entries = [sighting for sighting in zone.list_entries(glob) if is_wanted(sighting.path)]
    files = [sighting for sighting in entries if not is_bad(sighting, known)]
    if not files:
        raise NothingLandedError(dataset, str(glob), str(zone), len(entries))
    return max(files, key=lambda file: (file.changed_ns, file.path)).path


def open_landed(zone: ILandingZone, path: str) -> BinaryIO:
    """Open the file to ingest.

    Raises:
        EmptySourceError: The file has 0 bytes.
        SourceError: As `ILandingZone.open`.
    """
    stream = zone.open(path)
    if stream.seek(0, os.SEEK_END) == 0:
        stream.close()
        raise EmptySourceError(path)
    stream.seek(0)
    return stream
