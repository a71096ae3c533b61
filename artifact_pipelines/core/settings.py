"""Reads from the environment where catalog, store and landing zone are. Standard library only.

One idea: pipeline, command line and notebooks read the same variables, and else find the same project, so they always
use the same store. A project is a folder whose `pyproject.toml` says `[tool.artifact-pipelines]`.
"""

import dataclasses
import functools
import os
import pathlib
import tomllib
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from artifact_pipelines.core.exceptions import ConfigurationError

CATALOG_URL = "ARTIFACT_CATALOG_URL"
STORAGE_URL = "ARTIFACT_STORAGE_URL"
LANDING_URL = "ARTIFACT_LANDING_URL"
ENDPOINT_URL = "AWS_ENDPOINT_URL"
_TABLE = "artifact-pipelines"


@dataclasses.dataclass(frozen=True)
class Settings:
    """The places of one installation.

    Attributes:
        catalog_url: `sqlite:////path/catalog.db` or `postgresql://user@host/database`.
        storage_url: Folder (or `file:///folder`, or `s3://bucket/prefix`) of the stored files.
        landing_url: Folder (or `file:///folder`, or `s3://bucket/prefix`) where people drop files.
    """

    catalog_url: str = dataclasses.field(repr=False)  # may hold a password
    storage_url: str
    landing_url: str

    def __post_init__(self) -> None:
        check_place(self.storage_url, STORAGE_URL)
        check_place(self.landing_url, LANDING_URL)

    @classmethod
    def from_environment(cls, around: str | os.PathLike[str] | None = None) -> Self:
        """Return the places that the `ARTIFACT_…` variables name. The default is the project's `state/` folder.

        Args:
            around: A file of the project, such as `__file__` of its definitions; None: see `project_folder`.

        Raises:
            ConfigurationError: A place has a URL that cannot work, or the project's `pyproject.toml` cannot be read.
        """
        state = state_folder(around)
        return cls(
            catalog_url=os.environ.get(CATALOG_URL) or f"sqlite:///{state / 'catalog.db'}",
            storage_url=os.environ.get(STORAGE_URL) or str(state / "store"),
            landing_url=os.environ.get(LANDING_URL) or str(state / "landing"),
        )


@dataclasses.dataclass(frozen=True)
class S3Settings:
    """How to reach an S3 server. Missing settings come from the standard AWS variables, files and roles.

    Attributes:
        endpoint_url: URL of a server other than AWS (`AWS_ENDPOINT_URL`).
        region: For example `eu-central-1` (`AWS_REGION`, `AWS_DEFAULT_REGION`).
        access_key_id: Needs `secret_access_key`, and for temporary keys `session_token` (`AWS_ACCESS_KEY_ID`, …).
    """

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = dataclasses.field(default=None, repr=False)
    secret_access_key: str | None = dataclasses.field(default=None, repr=False)
    session_token: str | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        refuse_password(self.endpoint_url or "", ENDPOINT_URL)
        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise ConfigurationError(ENDPOINT_URL, "it is not an http:// or https:// URL", "Write http://host:port.")

    def completed(self) -> "S3Settings":
        """Return the settings, with missing endpoint and region from the environment."""
        environment = os.environ
        return dataclasses.replace(
            self,
            endpoint_url=self.endpoint_url
            or environment.get("AWS_ENDPOINT_URL_S3")
            or environment.get(ENDPOINT_URL)
            or None,
            region=self.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None,
        )


def refuse_password(url: str, setting: str) -> None:
    """Refuse a URL with credentials by a `ConfigurationError`: logs, metadata and errors show it."""
    if "://" in url and "@" in urlsplit(url).netloc:
        raise ConfigurationError(
            setting,
            "the URL holds a user or password",
            "Remove it, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )


def check_place(url: str, setting: str) -> None:
    """Refuse, by a `ConfigurationError`, a URL with credentials or of an unknown scheme."""
    refuse_password(url, setting)
    if not url.startswith("s3://"):
        folder_from(url, setting)


def state_folder(around: str | os.PathLike[str] | None = None) -> pathlib.Path:
    """Return the folder of a project's state; without a project, `state/` in the working directory.

    Raises:
        ConfigurationError: The project's `pyproject.toml` cannot be read.
    """
    project = project_folder(around)
    if project is None:
        return pathlib.Path.cwd() / "state"
    declared = _declared(project) or {}
    return project / str(declared.get("state", "state"))


def project_folder(around: str | os.PathLike[str] | None = None) -> pathlib.Path | None:
    """Return the project around a file, else around the working directory, else around DAGSTER_HOME; None: none is.

    Where the package itself is installed makes no difference.

    Raises:
        ConfigurationError: A `pyproject.toml` on the way cannot be read.
    """
    starts = (around, pathlib.Path.cwd(), os.environ.get("DAGSTER_HOME"))
    for path in (pathlib.Path(start).absolute() for start in starts if start):
        for folder in (path, *path.parents):
            if _declared(folder) is not None:
                return folder
    return None


def _declared(folder: pathlib.Path) -> Mapping[str, Any] | None:
    """Return what a folder's `pyproject.toml` says about this package; None: nothing, so it is no project of ours."""
    path = folder / "pyproject.toml"
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if _TABLE not in text:  # most are not ours, and need not even be valid
        return None
    try:
        return _our_table(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(path), f"it is not valid TOML: {error}", "Correct it.") from error


@functools.lru_cache(maxsize=8)  # reading a long file takes milliseconds, and every `open_store()` asks twice
def _our_table(text: str) -> Mapping[str, Any] | None:
    declared: Mapping[str, Any] | None = tomllib.loads(text).get("tool", {}).get(_TABLE)
    return declared


def folder_from(url: str, setting: str) -> pathlib.Path:
    """Return the folder that a path or a `file://` URL names. Any other URL is a `ConfigurationError`."""
    split = urlsplit(url)
    if split.scheme == "file" and split.netloc in ("", "localhost"):
        return pathlib.Path(unquote(split.path))
    if split.scheme or not url:
        raise ConfigurationError(
            setting,
            f"{split.scheme + '://…' if split.scheme else 'an empty text'} is not a folder",
            "Use a path, file:///folder or s3://bucket/prefix.",
        )
    return pathlib.Path(url).absolute()
