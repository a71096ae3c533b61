"""Source files that change, disappear or cannot be read are errors."""

import os
import pathlib
from typing import Any

import pytest

from artifact_pipelines.storage.exceptions import SourceChangedError, SourceUnreadableError, SourceVanishedError
from artifact_pipelines.storage.source_file import SourceFile


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "source.csv"
    path.write_bytes(b"0123456789" * 1000)
    return path


def test_an_unchanged_file_is_read_whole(path: pathlib.Path) -> None:
    with SourceFile(path) as stream:
        assert stream.read() == path.read_bytes()
        stream.seek(5)
        assert stream.read(5) == b"56789"


def test_a_missing_file_is_reported_as_vanished(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SourceVanishedError, match="Check the path"):
        SourceFile(tmp_path / "none")


def test_a_file_removed_while_read_is_reported_as_vanished(path: pathlib.Path) -> None:
    with SourceFile(path) as stream:
        stream.read(10)
        path.unlink()
        with pytest.raises(SourceVanishedError):
            stream.read()


def test_a_file_that_grows_while_read_is_reported_as_changed(path: pathlib.Path) -> None:
    with SourceFile(path) as stream:
        stream.read(10)
        with path.open("ab") as other:
            other.write(b"more")
        with pytest.raises(SourceChangedError, match="Nothing was stored"):
            stream.read()


def test_a_file_replaced_while_read_is_reported_as_changed(path: pathlib.Path) -> None:
    with SourceFile(path) as stream:
        stream.read(10)
        other = path.with_name("other")
        other.write_bytes(path.read_bytes())
        other.replace(path)
        with pytest.raises(SourceChangedError):
            stream.readall()


def test_a_pipe_is_refused(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceUnreadableError, match="a named pipe, not a regular file"):
        SourceFile(tmp_path / "pipe")


def test_an_unreadable_file_is_an_error_with_a_remedy(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)  # tests may run as root, who may read every file
    with pytest.raises(SourceUnreadableError, match=r"Permission denied\. Give the pipeline's user read permission"):
        SourceFile(path)


@pytest.mark.parametrize(("name", "shown"), [("a\0b", r"a\\x00b"), ("a\ud800b", r"a\\ud800b")])
def test_name_that_no_file_can_have_is_refused(tmp_path: pathlib.Path, name: str, shown: str) -> None:
    with pytest.raises(SourceUnreadableError, match=f"{shown} cannot be read: no file can have this name"):
        SourceFile(tmp_path / name)
