"""Dropped folders: a folder with its marker is one file of the dataset, with all files below it.

One idea: it is read as a zip archive of its files, so that whatever follows sees one file. The archive depends on names
and bytes alone, so the same files are the same content.
"""

import dataclasses
import io
import itertools
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from typing import IO, BinaryIO, cast

from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.datasets.archive_table import FOLDER
from artifact_pipelines.datasets.interfaces import ILandingZone, Sighting
from artifact_pipelines.datasets.landing.entry_names import SourceGlob
from artifact_pipelines.datasets.landing.rules import ARCHIVE, LandingRules
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceUnreadableError, SourceVanishedError

USUAL_MARKER = "_SUCCESS"
_PIECE_BYTES = 1 << 20


def folder_source(source: str) -> str:
    """Return the glob of the folders whose files match a source: up to `**`, or to the name of the file.

    Raises:
        ValueError: The source has no folder.
    """
    folders = pathlib.PurePosixPath(source).parts[:-1]
    found = list(itertools.takewhile(lambda part: part != "**", folders))
    if not found:
        raise ValueError("with `files: folder` the source is a glob of files in folders, such as 'exports/*/*.csv'")
    return "/".join(found)


@dataclasses.dataclass(frozen=True)
class LandingFolders:
    """`ILandingZone` whose files are the folders of another one.

    Attributes:
        source: Glob of the files in the folders.
        rules: The dataset's; its marker lies in each complete folder.
    """

    zone: ILandingZone
    source: str
    rules: LandingRules

    def __str__(self) -> str:
        return f"{self.zone}, in a folder with {self.marker},"

    @property
    def marker(self) -> str:
        """Name of the file that says that a folder is complete."""
        return self.rules.marker or USUAL_MARKER

    def list_entries(self, glob: SourceGlob) -> Sequence[Sighting]:
        """See `ILandingZone`. A folder without its marker is not there yet."""
        files, markers = self._files(), self._markers()
        found = [_folder(folder, markers[folder], files[folder]) for folder in sorted(files) if folder in markers]
        return [folder for folder in found if folder is not None]

    def stamp(self) -> object | None:
        """See `ILandingZone`."""
        return self.zone.stamp()

    def look(self, path: str) -> Sighting | None:
        """See `ILandingZone`."""
        return next((found for found in self.list_entries(SourceGlob(self.source)) if found.path == path), None)

    def open(self, path: str) -> BinaryIO:
        """See `ILandingZone`."""
        before = self.look(path)
        if before is None:
            raise SourceVanishedError(path)
        packed = tempfile.TemporaryFile(dir=scratch_folder())  # noqa: SIM115
        with zipfile.ZipFile(packed, "w") as archive:
            for file in self._files()[path]:
                info = zipfile.ZipInfo(file.path.removeprefix(f"{path}/"))
                with self.zone.open(file.path) as source, archive.open(info, "w", force_zip64=True) as sink:
                    while piece := source.read(_PIECE_BYTES):
                        sink.write(piece)
        if self.look(path) != before:
            packed.close()
            raise SourceChangedError(path)
        packed.seek(0)
        return _named(packed, f"{path}.{FOLDER}.zip")

    def put(self, stream: BinaryIO, path: str, replaced: Sighting | None = None) -> None:
        """See `ILandingZone`."""
        raise SourceUnreadableError(path, f"put its files into the folder, and {self.marker} last")

    def move(self, entry: Sighting, target: str) -> None:
        """See `ILandingZone`. Its marker goes first: what stays after a crash is no folder of the dataset."""
        for file in self._all_of(entry):
            self.zone.move(file, f"{target}{file.path.removeprefix(entry.path)}")

    def remove(self, entry: Sighting) -> None:
        """See `ILandingZone` and `move`."""
        for file in self._all_of(entry):
            self.zone.remove(file)

    def _all_of(self, entry: Sighting) -> Sequence[Sighting]:
        files, markers = self._files().get(entry.path, []), self._markers()
        if entry.path not in markers or _folder(entry.path, markers[entry.path], files) != entry:
            raise SourceChangedError(entry.path)
        return [markers[entry.path], *files]

    def _files(self) -> Mapping[str, Sequence[Sighting]]:
        """Return the files of each folder, sorted by path."""
        depth = len(pathlib.PurePosixPath(folder_source(self.source)).parts)
        glob = SourceGlob(self.source, [ARCHIVE, *self.rules.ignore, self.marker])
        found: dict[str, list[Sighting]] = {}
        for file in self.zone.list_entries(glob):
            found.setdefault("/".join(file.path.split("/")[:depth]), []).append(file)
        return found

    def _markers(self) -> Mapping[str, Sighting]:
        glob = SourceGlob(f"{folder_source(self.source)}/{self.marker}", [ARCHIVE])
        return {found.path.rpartition("/")[0]: found for found in self.zone.list_entries(glob) if not found.problem}


def _folder(path: str, marker: Sighting, files: Sequence[Sighting]) -> Sighting | None:
    """Return a folder as one entry; None if a file of it is newer than its marker, in whole seconds as on S3."""
    problem = next((f"{file.path}: {file.problem}" for file in files if file.problem), None)
    if any(file.changed_ns // 10**9 > marker.changed_ns // 10**9 for file in files):
        return None
    changed_ns = max(marker.changed_ns, *(file.changed_ns for file in files))
    return Sighting(path, sum(file.size_bytes for file in files), changed_ns, problem)


def _named(stream: IO[bytes], name: str) -> BinaryIO:
    """Return a file that has no name under one."""
    with stream:
        raw = io.FileIO(os.dup(stream.fileno()))
    raw.name = name
    return cast("BinaryIO", io.BufferedReader(raw))
