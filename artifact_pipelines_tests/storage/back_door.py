"""Back doors of stores: they read and damage the stored bytes without a backend, as disks and people do."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

import boto3

from artifact_pipelines.core.types import StoragePath


class BackDoor(Protocol):
    """Objects of a store, without its backend."""

    def get(self, path: StoragePath) -> bytes:
        """Return the bytes under a path."""
        ...

    def put(self, path: StoragePath, data: bytes) -> None:
        """Put bytes under a path."""
        ...

    def delete(self, path: StoragePath) -> None:
        """Remove a path."""
        ...

    def everything(self) -> Sequence[str]:
        """Return the names of everything that takes space in the store: files, staging files, uploads."""
        ...


class FolderBackDoor:
    """A store on local disk."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root

    def get(self, path: StoragePath) -> bytes:
        return (self._root / str(path)).read_bytes()

    def put(self, path: StoragePath, data: bytes) -> None:
        target = self._root / str(path)
        if target.exists():
            target.chmod(0o644)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def delete(self, path: StoragePath) -> None:
        (self._root / str(path)).unlink()

    def everything(self) -> Sequence[str]:
        return sorted(str(path.relative_to(self._root)) for path in self._root.rglob("*") if path.is_file())


class S3BackDoor:
    """A store below a prefix of a bucket."""

    def __init__(self, endpoint_url: str, bucket: str, prefix: str = "") -> None:
        self.bucket = bucket
        self._prefix = prefix
        self.client = _client(endpoint_url)

    def get(self, path: StoragePath) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=f"{self._prefix}{path}")["Body"].read()
        return body

    def put(self, path: StoragePath, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"{self._prefix}{path}", Body=data)

    def delete(self, path: StoragePath) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"{self._prefix}{path}")

    def everything(self) -> Sequence[str]:
        objects = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return sorted([entry["Key"] for entry in objects] + [f"upload of {key}" for key in self.uploads()])

    def uploads(self) -> Sequence[str]:
        return [upload["Key"] for upload in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])]

    def empty(self) -> None:
        """Delete the bucket with everything in it."""
        while keys := [{"Key": x["Key"]} for x in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]:
            self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": keys})
        for upload in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []):
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        self.client.delete_bucket(Bucket=self.bucket)


@functools.cache  # making one takes longer than most tests
def _client(endpoint_url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test-key",
        aws_secret_access_key="test-secret",
    )
