"""Lets tests of a file share a store: it is filled once, and each test that changes it has a copy."""

import pathlib
import shutil

from artifact_pipelines.core.settings import Settings


def settings_in(folder: pathlib.Path) -> Settings:
    """Return the settings of a store, a catalog and a landing zone in a folder, as the fixture `settings` has them."""
    (folder / "landing").mkdir(exist_ok=True)
    return Settings(f"sqlite:///{folder / 'catalog.db'}", str(folder / "store"), str(folder / "landing"))


def copy_saved(saved: pathlib.Path, folder: pathlib.Path) -> None:
    """Copy a filled store, which nobody has open, into the folder of a test."""
    shutil.copytree(saved, folder, dirs_exist_ok=True)
