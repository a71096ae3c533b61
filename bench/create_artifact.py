"""`create_artifact` against `cp` and fsync: new files of 1 and 4 GB, a duplicate, and the memory for 10 GB."""

import argparse
import contextlib
import pathlib
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping

from artifact_pipelines import Store, open_store
from bench.side_by_side import machine, side_by_side

GB = 1_000_000_000
_BLOCK = secrets.token_bytes(1 << 20)

_TEN_GB = """
import sys
from artifact_pipelines import open_store
from bench.side_by_side import peak_mib

class Numbers:
    left = 10_000_000_000
    def readinto(self, buffer):
        count = min(self.left, len(buffer))
        buffer[:8] = self.left.to_bytes(8, "little")
        self.left -= count
        return count
    def seekable(self):
        return False

with open_store(f"sqlite:///{sys.argv[1]}/catalog.db", f"{sys.argv[1]}/store") as store:
    store.create_artifact(Numbers(), "bin")
print(peak_mib())
"""


def write_source(path: pathlib.Path, size_bytes: int) -> None:
    """Write a file that no filesystem can compress or share."""
    with path.open("wb") as sink:
        for start in range(0, size_bytes, len(_BLOCK)):
            sink.write((start.to_bytes(8, "little") + _BLOCK[8:])[: size_bytes - start])


def copy_and_sync(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a file durably, as one does without a store."""
    subprocess.run(["cp", source, target], check=True)
    subprocess.run(["sync", target], check=True)


def create(store: Store, source: pathlib.Path) -> None:
    """Store a file from disk."""
    with source.open("rb", buffering=0) as stream:
        store.create_artifact(stream, "bin")


class Place:
    """A folder to measure in: a source, a copy of it, and a store that is empty at the start of each turn."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.source = folder / "source"
        self.copy = folder / "copy"
        self._state = folder / "state"
        self._store: Store | None = None

    def create(self) -> None:
        """Store the source."""
        assert self._store is not None
        create(self._store, self.source)

    def prepare(self) -> None:
        """Remove the copy and open a new store; creating its catalog is not measured."""
        self.clean_up()
        self._store = open_store(f"sqlite:///{self._state}/catalog.db", str(self._state / "store"))

    def clean_up(self) -> None:
        """Remove the copy and the store."""
        if self._store is not None:
            self._store.close()
            self._store = None
        self.copy.unlink(missing_ok=True)
        shutil.rmtree(self._state, ignore_errors=True)


def measure_new(place: Place, size_bytes: int, rounds: int) -> None:
    """Print how long a new file takes, against copying it."""
    write_source(place.source, size_bytes)
    medians = side_by_side(
        {"cp + fsync": lambda: copy_and_sync(place.source, place.copy), "create_artifact": place.create},
        rounds,
        place.prepare,
    )
    place.clean_up()
    report(f"new file of {size_bytes / GB:.0f} GB", medians)


def measure_duplicate(place: Place, size_bytes: int, rounds: int) -> None:
    """Print how long a duplicate takes, against copying it."""
    write_source(place.source, size_bytes)
    with tempfile.TemporaryDirectory(dir=place.source.parent) as folder, _filled(folder, place.source) as store:
        medians = side_by_side(
            {
                "cp + fsync": lambda: copy_and_sync(place.source, place.copy),
                "create_artifact": lambda: create(store, place.source),
            },
            rounds,
            place.clean_up,
        )
    report(f"duplicate of {size_bytes / GB:.0f} GB", medians)


@contextlib.contextmanager
def _filled(folder: str, source: pathlib.Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{folder}/catalog.db", f"{folder}/store") as store:
        create(store, source)
        yield store


def measure_memory(folder: pathlib.Path) -> None:
    """Print the peak memory of a process that stores 10 GB from a stream."""
    command = [sys.executable, "-c", _TEN_GB, str(folder / "ten")]
    peak_mib = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    shutil.rmtree(folder / "ten")
    print(f"{'new stream of 10 GB':24} peak memory of the whole process {peak_mib:.0f} MiB", flush=True)


def report(title: str, medians: Mapping[str, float]) -> None:
    """Print medians and their ratio."""
    base, ours = medians["cp + fsync"], medians["create_artifact"]
    print(f"{title:24} cp + fsync {base:6.2f} s   create_artifact {ours:6.2f} s   ratio {ours / base:.2f}", flush=True)


def main() -> None:
    """Measure everything in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", default=pathlib.Path.cwd(), type=pathlib.Path, help="where to measure; the disk decides"
    )
    parser.add_argument("--rounds", default=11, type=int)
    arguments = parser.parse_args()
    print(f"Machine: {machine()}; medians of {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="bench-") as name:
        place = Place(pathlib.Path(name))
        measure_new(place, 1 * GB, arguments.rounds)
        measure_new(place, 4 * GB, arguments.rounds)
        measure_duplicate(place, 1 * GB, arguments.rounds)
        measure_memory(pathlib.Path(name))


if __name__ == "__main__":
    main()
