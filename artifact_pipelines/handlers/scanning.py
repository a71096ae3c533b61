"""Scan tables in place, on local disk and on S3, reading only what a query needs.

The one idea: polars and pyarrow read ranges of an S3 object themselves, and ask us for current credentials. DuckDB
reads a local copy, since its package does not include its S3 extension.
"""

import functools
import pathlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import pyarrow.dataset
import pyarrow.fs

from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.interfaces import S3Access, S3Credentials
from artifact_pipelines.storage.local_paths import lasting_path, stored_path

if TYPE_CHECKING:
    import polars as pl

ASK_AGAIN_S = 300
"""Temporary credentials are renewed ten minutes before they expire, so those asked for this often are always valid."""

VERIFIED_BYTES = 64 << 20
"""Local files up to this size are verified before a scan: that takes hundredths of a second."""


def path_for_scan(artifact: Artifact) -> pathlib.Path:
    """Return the path of a file to scan: the stored file, verified if it is small, or a verified copy."""
    if artifact.info.size_bytes <= VERIFIED_BYTES and stored_path(artifact):
        artifact.verify()
    return lasting_path(artifact)


def scan_with_polars(artifact: Artifact) -> "pl.LazyFrame":
    """Return a LazyFrame over the stored file. From S3, it fetches only the ranges that a query needs.

    Raises:
        IntegrityError: The file is missing or of the wrong size; or it is small, local and damaged.
    """
    import polars as pl

    uri, access = artifact.uri(), artifact.s3_access()
    if access is None:
        return pl.scan_parquet(path_for_scan(artifact), glob=False)
    options = {
        "aws_endpoint_url": access.endpoint_url,
        "aws_region": access.region,
        "aws_allow_http": str(access.endpoint_url.startswith("http://")).lower(),
        "aws_virtual_hosted_style_request": "false",
    }
    return pl.scan_parquet(
        uri,
        glob=False,
        hive_partitioning=False,
        storage_options=options,
        credential_provider=polars_credentials(access),
    )


def open_dataset(artifact: Artifact) -> "pyarrow.dataset.Dataset":
    """Return a pyarrow Dataset over the stored file, with the guarantees of `scan_with_polars`."""
    uri, access = artifact.uri(), artifact.s3_access()
    if access is None:
        return pyarrow.dataset.dataset(path_for_scan(artifact), format="parquet")
    filesystem = pyarrow.fs.PyFileSystem(_RenewedS3(access))
    return pyarrow.dataset.dataset(uri.removeprefix("s3://"), format="parquet", filesystem=filesystem)


@functools.lru_cache(maxsize=100)
def polars_credentials(access: S3Access) -> "_CredentialsForPolars":
    """Return the provider of a store. The cache keeps it alive: polars releases its own reference on another thread."""
    return _CredentialsForPolars(access)


class _CredentialsForPolars:
    """Gives polars current credentials. It cannot be pickled, so a serialized plan contains none."""

    def __init__(self, access: S3Access) -> None:
        self._access = access

    def __call__(self) -> tuple[dict[str, str], int]:
        now = self._access.credentials()
        keys = {"aws_access_key_id": now.access_key_id, "aws_secret_access_key": now.secret_access_key}
        if now.session_token:
            keys["aws_session_token"] = now.session_token
        return keys, int(time.time()) + ASK_AGAIN_S

    def __reduce__(self) -> NoReturn:
        raise TypeError("A scan of a stored file on S3 works only in the process that loaded it.")


class _RenewedS3(pyarrow.fs.FileSystemHandler):  # type: ignore[misc]  # pyarrow has no types
    """pyarrow's S3 filesystem, replaced when a file is opened and the credentials have changed."""

    def __init__(self, access: S3Access) -> None:
        self._access = access
        self._made: tuple[S3Credentials, Any] | None = None

    def _filesystem(self) -> Any:
        now, made = self._access.credentials(), self._made
        if made is None or made[0] != now:
            server = urlsplit(self._access.endpoint_url)
            filesystem = pyarrow.fs.S3FileSystem(
                access_key=now.access_key_id,
                secret_key=now.secret_access_key,
                session_token=now.session_token,
                region=self._access.region,
                scheme=server.scheme,
                endpoint_override=server.netloc + server.path.rstrip("/"),
            )
            self._made = made = now, filesystem
        return made[1]

    def get_type_name(self) -> str:
        return "s3"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> Any:
        return self._filesystem().get_file_info(paths)

    def open_input_file(self, path: str) -> Any:
        return self._filesystem().open_input_file(path)

    def open_input_stream(self, path: str) -> Any:
        return self._filesystem().open_input_stream(path)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A Dataset of a stored file on S3 works only in the process that loaded it.")

    def _refuse(self, *_: object) -> NoReturn:
        raise NotImplementedError("stored files are read-only")

    get_file_info_selector = _refuse
    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse
