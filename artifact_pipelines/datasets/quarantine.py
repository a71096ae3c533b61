"""The quarantine of a dataset: files that could not be ingested wait there, each with its reason.

One idea: it is no place but a state in the catalog. The file stays where it was dropped; if a run read it, the store
has its bytes too. A person fixes the file and drops it again, or fixes the contract and replays it, or discards it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.core.types import FileState, LandingFile, LandingState, Materialization, StoragePath
from artifact_pipelines.datasets.archive_table import FOLDER
from artifact_pipelines.datasets.exceptions import NotInQuarantineError, QuarantinedFileGoneError
from artifact_pipelines.datasets.interfaces import ILandingZone
from artifact_pipelines.datasets.landing.zone import replayed


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """A file in quarantine.

    Attributes:
        raw: The raw artifact with its content; None: no run has read it.
        attempts: Runs that tried to ingest this content.
    """

    file: LandingFile
    raw: Materialization | None
    attempts: int


def quarantine_file(catalog: Catalog, file: LandingFile, error: SourceError) -> None:
    """Put one file of a run into quarantine, while the run goes on with the others."""
    reason = f"{type(error).__name__}: {error}"
    changed = dataclasses.replace(file, state=LandingState.QUARANTINED, reason=reason)
    catalog.landing.save(file.dataset, [changed])


def refusal(dataset: str, path: str, error: SourceError) -> str:
    """Return a line for the log about a refused file: without the text of the error, because that quotes data."""
    return f"{path} waits in quarantine ({type(error).__name__}). The page of {dataset}/quarantine shows the reason."


@dataclasses.dataclass(frozen=True)
class Quarantine:
    """The quarantine of one dataset."""

    catalog: Catalog
    dataset: str

    def waiting(self) -> Sequence[Waiting]:
        """Return the files, sorted by path."""
        files, raw = self.files(), f"{self.dataset}/raw"
        hashes = {file.content_hash for file in files if file.content_hash}
        made = self.catalog.datasets.newest_with(raw, hashes) if hashes else {}
        were_tried = any(file.attempt > int(file.run_key is not None) for file in files)
        newest = self.catalog.materializations.history(raw) if were_tried else ()
        return [Waiting(file, made.get(file.content_hash or ""), _attempts(file, newest)) for file in files]

    def files(self) -> Sequence[LandingFile]:
        """Return the records of the files, sorted by path."""
        found = self.catalog.landing.files_of(self.dataset, LandingState.QUARANTINED)
        return [found[path] for path in sorted(found)]

    def find(self, path: str) -> Waiting:
        """Return one file.

        Raises:
            NotInQuarantineError: It is not there.
        """
        return self._chosen([path])[0]

    def replay(
        self, zone: ILandingZone, read_stored: Callable[[StoragePath], BinaryIO], paths: Iterable[str] | None = None
    ) -> Sequence[LandingFile]:
        """Let files be ingested once more, and return them. The sensor requests their runs.

        A file that is gone from the landing zone is put back from the store.

        Args:
            read_stored: Opens stored bytes.
            paths: None: all files.

        Raises:
            NotInQuarantineError: A path is not there. Nothing has changed.
            QuarantinedFileGoneError: Neither landing zone nor store have a file. The others before it are replayed.
        """
        chosen = self._chosen(paths)
        for each in chosen:
            if zone.look(each.file.path) is None:
                if each.raw is None or each.raw.file.state == FileState.DAMAGED or each.raw.file.file_type == FOLDER:
                    raise QuarantinedFileGoneError(self.dataset, each.file.path)
                with read_stored(each.raw.file.storage_path) as stream:
                    zone.put(stream, each.file.path)
            self._change([each], replayed)
        return [each.file for each in chosen]

    def discard(self, paths: Iterable[str] | None = None) -> Sequence[LandingFile]:
        """Take files out of the quarantine for good, and return them. They stay in landing zone and store.

        A file that is dropped again under its name, changed or not, is ingested again.

        Args:
            paths: None: all files.

        Raises:
            NotInQuarantineError: A path is not there. Nothing has changed.
        """
        chosen = self._chosen(paths)
        self._change(chosen, lambda file: dataclasses.replace(file, state=LandingState.DISCARDED))
        return [each.file for each in chosen]

    def _chosen(self, paths: Iterable[str] | None) -> Sequence[Waiting]:
        waiting = {each.file.path: each for each in self.waiting()}
        for path in (wanted := waiting if paths is None else list(dict.fromkeys(paths))):
            if path not in waiting:
                raise NotInQuarantineError(self.dataset, path, list(waiting))
        return [waiting[path] for path in wanted]

    def _change(self, chosen: Sequence[Waiting], change: Callable[[LandingFile], LandingFile]) -> None:
        """Change the files that still wait as they did; a sensor may have written meanwhile."""
        is_saved = False
        while not is_saved:
            known = self.catalog.landing.files_of(self.dataset)
            same = [each.file for each in chosen if known.get(each.file.path) == each.file]
            is_saved = self.catalog.landing.save(self.dataset, list(map(change, same)), known)


def _attempts(file: LandingFile, raws: Sequence[Materialization]) -> int:
    """Return how many runs tried the content of a file, given the newest raw materializations."""
    named = [made for made in raws if made.source.get("file") == file.path]
    of_others = sum(made.file.content_hash != file.content_hash for made in named)  # its number counts them too
    return max(file.attempt - of_others, int(file.run_key is not None))
