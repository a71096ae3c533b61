"""Stores by the back door: what really lies there, left-overs too, without asking the class under test."""

import pathlib
from collections.abc import Sequence
from typing import Any, Protocol

import boto3

from artifact_pipelines.core.types import StoragePath


class BackDoor(Protocol):
    def everything(self) -> Sequence[str]:
        """Everything that takes space in the store, by name: files, what is staged, parts of uploads."""
        ...

    def overwrite(self, path: StoragePath, data: bytes) -> None:
        """Damage a file."""
        ...


class LocalBackDoor:
    def __init__(self, root: pathlib.Path) -> None:
        self._root = root

    def everything(self) -> Sequence[str]:
        return sorted(str(path.relative_to(self._root)) for path in self._root.rglob("*") if path.is_file())

    def overwrite(self, path: StoragePath, data: bytes) -> None:
        (self._root / str(path)).chmod(0o644)
        (self._root / str(path)).write_bytes(data)


class S3BackDoor:
    def __init__(self, endpoint_url: str, bucket: str, prefix: str = "") -> None:
        self.bucket = bucket
        self._prefix = prefix
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test-key",
            aws_secret_access_key="test-secret",
        )

    def everything(self) -> Sequence[str]:
        objects = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return sorted([entry["Key"] for entry in objects] + [f"upload of {key}" for key in self.uploads()])

    def uploads(self) -> Sequence[str]:
        return [upload["Key"] for upload in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])]

    def overwrite(self, path: StoragePath, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"{self._prefix}{path}", Body=data)
