"""Decides in one tick which complete files need runs, and which of them share one."""

import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from artifact_pipelines.core.exceptions import BackendError, CatalogUnavailableError, SourceError
from artifact_pipelines.core.types import LandingFile, LandingState
from artifact_pipelines.datasets.exceptions import EmptySourceError
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.ingested import Ingested, KnownContents
from artifact_pipelines.datasets.landing.zone import decide
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceVanishedError
from artifact_pipelines.storage.staging import hash_stream

MOST_DECIDED = 200
"""A tick decides on this many files at most, so that neither its queries nor its time grow with those that wait."""
MOST_IN_RUN = 100
"""So many files enter a union in one run."""
HASH_LIMIT_BYTES = 4 << 30
"""A sensor's tick (60 s at most) does not hash larger files; their run finds out whether they are duplicates."""


class Decisions:
    """Decides on complete files until enough of them need runs, or until the deadline; the others wait.

    Attributes:
        made: The files decided on so far, by path.
    """

    def __init__(
        self,
        zone: ILandingZone,
        ingested: Ingested,
        files: Mapping[str, LandingFile],
        before: Mapping[str, LandingFile],
        deadline: float,
        busy: Collection[str | None],
        most: int,
    ) -> None:
        """Begin with no decision.

        Args:
            files: The records of all files, by path.
            before: The same before this tick.
            deadline: On the monotonic clock; only the first decision may begin later.
            busy: Partitions that are being ingested.
            most: How many may be.
        """
        self.made: dict[str, LandingFile] = {}
        self._zone, self._ingested = zone, ingested
        self._contents = KnownContents(ingested, files.values())
        self._paths = {path for path, file in before.items() if file.attempt or file.content_hash}
        self._deadline, self._most = deadline, most
        self._busy = set(busy)
        self._batches: dict[str | None, list[LandingFile]] = {}
        self._read = self._tried = 0

    def decide(self, waiting: Iterable[tuple[Sighting, LandingFile]]) -> None:
        """Decide on files, in their order."""
        for sighting, file in waiting:
            if self._is_over():
                break
            try:
                self._decide(sighting, file)
            except (SourceVanishedError, SourceChangedError):
                continue  # still changing: the next tick looks again
            except CatalogUnavailableError:
                raise  # no fault of the file
            except (SourceError, BackendError) as error:  # the zone was listed, so it is this file that fails
                self.made[file.path] = dataclasses.replace(file, state=LandingState.QUARANTINED, reason=str(error))

    def _is_over(self) -> bool:
        is_full = len(self._busy) >= self._most and not any(map(self._has_place, self._busy))
        return is_full or self._read >= MOST_DECIDED or (self._tried > 0 and time.monotonic() > self._deadline)

    def _has_place(self, partition: str | None) -> bool:
        """True if a run that this tick requests has room for another file of a partition."""
        return 0 < len(self._batches.get(partition, ())) < MOST_IN_RUN

    def _decide(self, sighting: Sighting, file: LandingFile) -> None:
        partition = self._ingested.keys.of(file.path) if self._ingested.keys else None
        may_enter = self._has_place(partition) if partition in self._busy else len(self._busy) < self._most
        if not may_enter:
            return
        self._tried += 1
        content_hash = self._hash(sighting)
        self._read += 1
        found = decide(file, content_hash, self._contents.of(partition, content_hash), self._paths)
        if found.state == LandingState.REQUESTED:
            self._request(partition, found)
        else:
            self.made[file.path] = found

    def _request(self, partition: str | None, file: LandingFile) -> None:
        """Request a run for a file, or let it enter the run of others; one that may not enter waits."""
        batch = self._batches.get(partition, [])
        if batch and not _may_join(file, batch):
            return
        self.made[file.path] = dataclasses.replace(file, run_key=batch[0].run_key) if batch else file
        self._busy.add(partition)
        if self._ingested.is_union and file.attempt == 1 and file.content_hash:
            self._batches.setdefault(partition, []).append(self.made[file.path])

    def _hash(self, sighting: Sighting) -> str | None:
        if sighting.size_bytes == 0:
            raise EmptySourceError(sighting.path)
        with self._zone.open(sighting.path) as stream:
            return hash_stream(stream).content_hash if sighting.size_bytes <= HASH_LIMIT_BYTES else None


def _may_join(file: LandingFile, batch: Sequence[LandingFile]) -> bool:
    """True if a file may enter a union in the run of others: it has not failed, and none of them has its content."""
    is_new = all(file.content_hash not in (None, other.content_hash) for other in batch)
    return file.attempt == 1 and is_new
