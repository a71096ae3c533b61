"""Many small files: 10,000 of 10 KB, in one call and one by one, against `cp` and sync, in bulk and one by one."""

import argparse
import pathlib
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from os import fsync

from artifact_pipelines import NewArtifact, open_store
from bench.side_by_side import machine, side_by_side

FILE_BYTES = 10_000


class Place:
    """A folder to measure in: small files, a copy of them, and a store that is empty at the start of each turn."""

    def __init__(self, folder: pathlib.Path, files: int) -> None:
        self._files = files
        self._source = folder / "source"
        self._copy = folder / "copy"
        self._state = folder / "state"

    def fill(self) -> None:
        """Write source files with different contents."""
        self._source.mkdir()
        for number in range(self._files):
            (self._source / f"{number:05}").write_bytes(secrets.token_bytes(FILE_BYTES))

    def clean_up(self) -> None:
        """Remove the copy and the store."""
        for folder in (self._copy, self._state):
            shutil.rmtree(folder, ignore_errors=True)

    def copy_in_bulk(self) -> None:
        """Copy all files, as one does without a store; all are durable at the end."""
        subprocess.run(["cp", "-r", self._source, self._copy], check=True)
        subprocess.run(["sync", "-f", self._copy], check=True)

    def copy_one_by_one(self) -> None:
        """Copy the files; each is durable before the next."""
        self._copy.mkdir()
        for path in self._paths():
            with path.open("rb") as source, (self._copy / path.name).open("wb") as target:
                shutil.copyfileobj(source, target)
                target.flush()
                fsync(target.fileno())

    def create_in_bulk(self) -> None:
        """Store all files in one call."""
        with open_store(f"sqlite:///{self._state}/catalog.db", str(self._state / "store")) as store:
            store.create_artifacts(self._items())

    def create_one_by_one(self) -> None:
        """Store each file in a call of its own; each is durable before the next."""
        with open_store(f"sqlite:///{self._state}/catalog.db", str(self._state / "store")) as store:
            for item in self._items():
                store.create_artifact(item.content_stream, item.file_type)

    def _paths(self) -> Iterator[pathlib.Path]:
        return (self._source / f"{number:05}" for number in range(self._files))

    def _items(self) -> Iterator[NewArtifact]:
        for path in self._paths():
            with path.open("rb", buffering=0) as stream:
                yield NewArtifact(stream, "bin")


def main() -> None:
    """Measure everything in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", default=pathlib.Path.cwd(), type=pathlib.Path, help="where to measure; the disk decides"
    )
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--files", default=10_000, type=int)
    arguments = parser.parse_args()
    print(
        f"Machine: {machine()}; medians of {arguments.rounds} rounds; {arguments.files:,} files of {FILE_BYTES:,} bytes"
    )
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="bench-") as name:
        place = Place(pathlib.Path(name), arguments.files)
        place.fill()
        medians = side_by_side(
            {
                "cp -r + sync": place.copy_in_bulk,
                "create_artifacts": place.create_in_bulk,
                "copy + fsync of each": place.copy_one_by_one,
                "create_artifact of each": place.create_one_by_one,
            },
            arguments.rounds,
            place.clean_up,
        )
    base = medians["cp -r + sync"]
    for title, seconds in medians.items():
        print(f"{title:24} {seconds:6.2f} s   ratio {seconds / base:5.2f}", flush=True)
    each = medians["create_artifact of each"] / medians["copy + fsync of each"]
    print(f"{'one by one, each durable':24} ratio {each:5.2f}", flush=True)


if __name__ == "__main__":
    main()
