"""Reads from the environment where catalog, store and landing zone are. Standard library only.

One idea: pipeline, command line and notebooks read the same variables, so they always use the same store.
"""

import dataclasses
import os
import pathlib
from typing import Self
from urllib.parse import unquote, urlsplit

from artifact_pipelines.core.exceptions import ConfigurationError

CATALOG_URL = "ARTIFACT_CATALOG_URL"
STORAGE_URL = "ARTIFACT_STORAGE_URL"
LANDING_URL = "ARTIFACT_LANDING_URL"
ENDPOINT_URL = "AWS_ENDPOINT_URL"


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
    def from_environment(cls) -> Self:
        """Return the places that the `ARTIFACT_…` variables name. The default is the project's `state/` folder."""
        state = state_folder()
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


def state_folder() -> pathlib.Path:
    """Return the folder `state/` of the project, or of the working directory if the package is installed elsewhere."""
    project = pathlib.Path(__file__).resolve().parents[2]
    return (project if (project / "pyproject.toml").exists() else pathlib.Path.cwd()) / "state"


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
