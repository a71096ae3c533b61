"""A folder in which anything may lie: one entry never hides another, and none leads outside."""

import errno
import io
import os
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from unittest.mock import Mock

import pytest

from artifact_pipelines.core.exceptions import SourceError
from artifact_pipelines.datasets.exceptions import LandingZoneMissingError
from artifact_pipelines.datasets.interfaces import Sighting
from artifact_pipelines.datasets.landing import folder as landing_folder
from artifact_pipelines.datasets.landing.entry_names import MOST_PATH_BYTES, SourceGlob
from artifact_pipelines.datasets.landing.folder import LandingFolder
from artifact_pipelines.storage.exceptions import SourceChangedError, SourceUnreadableError
from artifact_pipelines_tests.contracts.landing_zone import LandingPlace, LandingZoneContract


class FolderDoor:
    """Writes files into the landing zone."""

    def __init__(self, landing: pathlib.Path) -> None:
        self._landing = landing

    def drop(self, path: str, data: bytes) -> None:
        (self._landing / path).parent.mkdir(parents=True, exist_ok=True)
        (self._landing / path).write_bytes(data)

    def delete(self, path: str) -> None:
        (self._landing / path).unlink()


class TestLandingFolder(LandingZoneContract):
    @pytest.fixture
    def place(self, landing: pathlib.Path) -> LandingPlace:
        return LandingPlace(LandingFolder(landing), FolderDoor(landing))


def listed(folder: pathlib.Path, source: str) -> Mapping[str, Sighting]:
    return {sighting.path: sighting for sighting in LandingFolder(folder).list_entries(SourceGlob(source))}


def problems(folder: pathlib.Path, source: str) -> dict[str, str | None]:
    return {path: sighting.problem for path, sighting in listed(folder, source).items()}


def test_write_that_keeps_size_and_mtime_is_noticed(landing: pathlib.Path) -> None:
    path = landing / "a.csv"
    path.write_text("1")
    before = listed(landing, "*.csv")
    stat = path.stat()
    path.write_text("2")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert listed(landing, "*.csv") != before, "size and mtime are the same, ctime is not"


def test_files_that_killed_processes_left_are_removed_by_the_next_put_or_removal(
    landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone, hidden = LandingFolder(landing), landing / ".dropping"
    hidden.mkdir()
    (hidden / "left").write_text("1")
    zone.put(io.BytesIO(b"1"), "a.csv")
    assert [path.name for path in hidden.iterdir()] == ["left"], "somebody may be writing it"
    monkeypatch.setattr(landing_folder, "LEFTOVER_AFTER_S", -60)
    zone.put(io.BytesIO(b"1"), "b.csv")
    assert list(hidden.iterdir()) == []
    (hidden / "left").write_text("1")
    zone.remove(listed(landing, "*.csv")["a.csv"])
    assert list(hidden.iterdir()) == []


def test_put_file_does_not_change_once_it_is_seen(landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone, seen = LandingFolder(landing), []

    def slow_fsync(_descriptor: int) -> None:
        seen.append(zone.look("a.csv"))
        time.sleep(0.05)  # longer than the steps in which a ctime grows

    monkeypatch.setattr(os, "fsync", slow_fsync)
    zone.put(io.BytesIO(b"1"), "a.csv")
    assert seen == [None, zone.look("a.csv")]


def test_second_name_that_a_killed_process_left_goes_after_its_file(
    landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone, hidden = LandingFolder(landing), landing / ".dropping"
    monkeypatch.setattr(landing_folder, "LEFTOVER_AFTER_S", -60)
    zone.put(io.BytesIO(b"1"), "a.csv")
    os.link(landing / "a.csv", hidden / "left")
    before = zone.look("a.csv")
    time.sleep(0.05)
    zone.put(io.BytesIO(b"1"), "b.csv")
    assert zone.look("a.csv") == before, "it would be ingested again"
    (landing / "a.csv").unlink()
    zone.put(io.BytesIO(b"1"), "c.csv")
    assert list(hidden.iterdir()) == []


def test_put_without_second_names_of_files_replaces_nothing_either(
    landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", Mock(side_effect=PermissionError(errno.EPERM, "no links")))
    LandingFolder(landing).put(io.BytesIO(b"1"), "a.csv")
    with pytest.raises(SourceChangedError):
        LandingFolder(landing).put(io.BytesIO(b"2"), "a.csv")
    assert (landing / "a.csv").read_bytes() == b"1"


def test_missing_landing_zone_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(LandingZoneMissingError, match="ARTIFACT_LANDING_URL"):
        listed(tmp_path / "nowhere", "*.csv")


def test_landing_zone_itself_may_be_a_link(landing: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (landing / "a.csv").write_text("1")
    (tmp_path / "link").symlink_to(landing)
    assert problems(tmp_path / "link", "*.csv") == {"a.csv": None}


def test_entry_that_is_no_regular_file_is_listed_with_its_kind(landing: pathlib.Path) -> None:
    (landing / "a.csv").write_text("1")
    (landing / "folder.csv").mkdir()
    (landing / "link.csv").symlink_to("a.csv")
    (landing / "broken.csv").symlink_to("nowhere")
    os.mkfifo(landing / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(landing / "socket.csv"))
    assert problems(landing, "*.csv") == {
        "a.csv": None,
        "broken.csv": "it is a link, and the landing zone follows none: put the file itself there",
        "folder.csv": "it is a folder, not a regular file",
        "link.csv": "it is a link, and the landing zone follows none: put the file itself there",
        "pipe.csv": "it is a named pipe, not a regular file",
        "socket.csv": "it is a socket, not a regular file",
    }


def test_name_that_is_not_utf_8_is_listed_and_opened_as_text(landing: pathlib.Path) -> None:
    pathlib.Path(os.fsdecode(os.fsencode(landing) + b"/caf\xe9.csv")).write_text("1")
    assert problems(landing, "*.csv") == {r"caf\xe9.csv": None}
    with LandingFolder(landing).open(r"caf\xe9.csv") as stream:
        assert stream.read() == b"1"


def test_linked_folder_is_one_entry_and_nothing_in_it_is_seen(landing: pathlib.Path) -> None:
    (landing / "sub").symlink_to("/etc")
    (landing / "good").mkdir()
    (landing / "good" / "a.csv").write_text("1")
    for source in ("*/*", "**/*", "sub/passwd"):
        found = problems(landing, source)
        assert "follows none" in str(found.pop("sub"))
        assert not any(path.startswith("sub/") for path in found)
    with pytest.raises(SourceUnreadableError, match="sub on its path is a link"):
        LandingFolder(landing).open("sub/passwd")


def _swap_the_file(landing: pathlib.Path) -> None:
    (landing / "sub" / "a.csv").unlink()
    (landing / "sub" / "a.csv").symlink_to("/etc/passwd")


def _swap_the_folder(landing: pathlib.Path) -> None:
    (landing / "sub").rename(landing / "moved")
    (landing / "sub").symlink_to(landing / "moved")


def _swap_by_a_pipe(landing: pathlib.Path) -> None:
    (landing / "sub" / "a.csv").unlink()
    os.mkfifo(landing / "sub" / "a.csv")


@pytest.mark.parametrize("swap", [_swap_the_file, _swap_the_folder, _swap_by_a_pipe])
def test_entry_that_is_swapped_at_the_last_moment_is_not_opened(
    landing: pathlib.Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[pathlib.Path], None]
) -> None:
    (landing / "sub").mkdir()
    (landing / "sub" / "a.csv").write_text("1")
    look = os.stat

    def look_then_swap(*given: object, **more: object) -> os.stat_result:
        status = look(*given, **more)  # type: ignore[arg-type]
        monkeypatch.undo()
        swap(landing)
        return status

    monkeypatch.setattr(os, "stat", look_then_swap)
    with pytest.raises(SourceUnreadableError):
        LandingFolder(landing).open("sub/a.csv")


def test_path_over_the_limit_is_one_entry_with_its_reason(landing: pathlib.Path) -> None:
    (landing / "a.csv").write_text("1")
    handle = os.open(landing, os.O_RDONLY)
    for _ in range(40):  # longer than the system takes in one call
        os.mkdir("x" * 200, dir_fd=handle)
        inner = os.open("x" * 200, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("deep.csv", os.O_CREAT, dir_fd=handle))
    os.close(handle)
    found = problems(landing, "**/*.csv")
    assert found.pop("a.csv") is None
    [(path, problem)] = found.items()
    assert len(path.encode()) <= MOST_PATH_BYTES
    assert problem == "its path is longer than 1,024 bytes"
    with pytest.raises(SourceError):
        LandingFolder(landing).open(path)


_AS_NOBODY = """
import os, pathlib, sys
from artifact_pipelines.datasets.landing.entry_names import SourceGlob
from artifact_pipelines.datasets.landing.folder import LandingFolder
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setuid(65534)
for found in LandingFolder(pathlib.Path(".")).list_entries(SourceGlob("**/*.csv")):
    print(found.path, found.problem)
"""


def test_folder_that_may_not_be_entered_hides_no_good_file(landing: pathlib.Path) -> None:
    (landing / "a.csv").write_text("1")
    for name, rights in (("closed", 0o000), ("list only", 0o744), ("enter only", 0o711)):
        (landing / name).mkdir()
        (landing / name / "b.csv").write_text("1")
        (landing / name).chmod(rights if os.getuid() == 0 else rights & 0o700)
    landing.chmod(0o777)
    output = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(landing)], check=True, capture_output=True, text=True
    ).stdout
    if os.getuid() == 0:
        assert output.splitlines() == [
            "a.csv None",
            "closed Permission denied",
            "enter only Permission denied",
            "list only/b.csv Permission denied",
        ]
    assert "a.csv None" in output
