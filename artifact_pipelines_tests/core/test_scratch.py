"""A process has one scratch folder, which disappears with it."""

import contextlib
import fcntl
import os
import pathlib
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from artifact_pipelines.core.scratch import remove_abandoned_folders, scratch_folder


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder for temporary files, in which this process has no scratch folder yet."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_other_folders_are_left_alone(folder: pathlib.Path) -> None:
    target = folder / "notes"
    names = (
        "notes",
        "artifact-scratch-12345678x",
        "artifact-scratch-1234567",
        "artifact-scratch-1234567-",
        "artifact-scratch",
    )
    for name in names:
        (folder / name).mkdir()
        (folder / name / "file").touch()
    (folder / "artifact-scratch-aaaaaaaa").symlink_to(target)
    (folder / "artifact-scratch-bbbbbbbb").write_text("a file")
    (folder / "artifact-scratch-cccccccc").mkdir()
    (folder / "artifact-scratch-cccccccc" / "link").symlink_to(target)
    before = set(folder.iterdir())
    mine = scratch_folder()
    assert before - set(folder.iterdir()) == {folder / "artifact-scratch-cccccccc"}
    assert mine.parent == folder
    assert all((folder / name / "file").exists() for name in names)


def test_folders_of_another_user_are_left_alone(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = folder / "artifact-scratch-aaaaaaaa"
    other.mkdir()
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    remove_abandoned_folders(folder)
    assert other.exists()


def swept_before_it_is_opened(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = tempfile.mkdtemp

    def make_and_sweep(prefix: str) -> str:
        made = make(prefix=prefix)
        monkeypatch.undo()
        pathlib.Path(made).rmdir()
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_sweep)


def swept_before_it_is_locked(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock

    def sweep_and_lock(descriptor: int, operation: int) -> None:
        monkeypatch.undo()
        next(folder.iterdir()).rmdir()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_and_lock)


@pytest.mark.parametrize("swept", [swept_before_it_is_opened, swept_before_it_is_locked])
def test_a_folder_removed_before_it_is_locked_is_not_used(
    folder: pathlib.Path, swept: Callable[[pathlib.Path, pytest.MonkeyPatch], None]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        swept(folder, patch)
        mine = scratch_folder()
    assert list(folder.iterdir()) == [mine]


def test_threads_that_start_at_once_share_one_folder(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, make = threading.Barrier(2), tempfile.mkdtemp

    def make_slowly(prefix: str) -> str:
        with contextlib.suppress(threading.BrokenBarrierError):
            asked.wait(1)  # for the other thread, should it get here
        return make(prefix=prefix)

    monkeypatch.setattr(tempfile, "mkdtemp", make_slowly)
    with ThreadPoolExecutor() as pool:
        [mine, same] = [made.result() for made in [pool.submit(scratch_folder) for _ in range(2)]]
    assert mine == same
    assert list(folder.iterdir()) == [mine]
