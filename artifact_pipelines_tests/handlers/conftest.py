"""A folder for stored files: handlers need neither a catalog nor a store."""

import pathlib

import pytest


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder
