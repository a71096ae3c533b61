"""A store in an S3 bucket, on any server that speaks S3.

One idea: an object appears in one step when it is complete, so the store needs no copies, renames or
conditions. Bytes are staged in a local file without a name, below `TMPDIR`.
"""

import asyncio
import io
import pathlib
import re
import secrets
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from artifact_pipelines.core.exceptions import BackendError, ConfigurationError
from artifact_pipelines.core.settings import STORAGE_URL, S3Settings
from artifact_pipelines.core.types import FileId, Leftover, StoragePath
from artifact_pipelines.storage.backends.s3_client import ConditionFailedError, NoSuchThingError, S3Client
from artifact_pipelines.storage.backends.s3_stream import FIRST_READ_BYTES, FileRange, ObjectStream
from artifact_pipelines.storage.exceptions import StorageUnavailableError, UnsupportedRequestError
from artifact_pipelines.storage.hashing import transit_checksum
from artifact_pipelines.storage.interfaces import S3Access
from artifact_pipelines.storage.staging import StagedFile, StagingFile

PART_BYTES = 16 << 20
PARTS_IN_FLIGHT = 4
FILES_IN_FLIGHT = 4
MOST_PARTS = 10_000
FOOTER_BYTES = 256 << 10
"""polars first requests as much of the end of a file. All other ranges that engines request leave out some of it."""
_TOKEN = "artifact-write"  # noqa: S105 - the name of a header
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", re.ASCII)
_PREFIX = re.compile(r"(?:(?!\.{1,2}/)[A-Za-z0-9!_.*'()-]+/)*", re.ASCII)


class S3Storage:
    """`IStorageBackend` and `IReadInPlace` on a bucket, or on a prefix of it.

    Args:
        storage_url: `s3://bucket` or `s3://bucket/prefix`.
        settings: How to reach the server.
        part_bytes: Size of the parts of a multipart upload; servers accept 5 MiB or more.

    Raises:
        ConfigurationError: The URL has another form.
    """

    def __init__(self, storage_url: str, settings: S3Settings, part_bytes: int = PART_BYTES) -> None:
        self._bucket, self._prefix = bucket_and_prefix(storage_url, STORAGE_URL)
        self.client = S3Client(self._bucket, settings)
        self._part_bytes = part_bytes
        self._is_exact: bool | None = None

    def __repr__(self) -> str:
        return f"S3Storage('s3://{self._bucket}/{self._prefix}')"

    def stage(self) -> StagingFile:
        """See `IStorageBackend`."""
        return StagingFile(pathlib.Path(tempfile.gettempdir()), nameless=True)

    def write_stream(self, content: StagedFile, path: StoragePath) -> None:
        """See `IStorageBackend`."""
        self.client.run(self._put(content, self._key(path)))

    def upload(self, content: StagedFile, key: str, **conditions: str) -> None:
        """Put a staged file under any key; it appears in one step.

        Args:
            conditions: Such as `IfNoneMatch="*"`, see `S3Client.send`.
        """
        self.client.run(self._put(content, key, **conditions))

    def write_streams(self, contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        """See `IStorageBackend`. Several at a time, because a request for a small file mostly waits."""
        self.client.run(self._put_all(contents))

    def read_stream(self, path: StoragePath) -> io.BufferedReader:
        """See `IStorageBackend`."""
        size_bytes = self.size_bytes(path)
        if size_bytes is None:
            raise FileNotFoundError(self.uri(path))
        stream = ObjectStream(self.client, self._key(path), size_bytes)
        return io.BufferedReader(stream, FIRST_READ_BYTES)

    def delete_file(self, path: StoragePath) -> None:
        """See `IStorageBackend`."""
        with suppress(NoSuchThingError):
            self.client.call("delete_object", Key=self._key(path))

    def exists(self, path: StoragePath) -> bool:
        """See `IStorageBackend`."""
        return self.size_bytes(path) is not None

    def size_bytes(self, path: StoragePath) -> int | None:
        """See `IStorageBackend`."""
        try:
            return int(self.client.call("head_object", Key=self._key(path))["ContentLength"])
        except NoSuchThingError:
            return None

    def uri(self, path: StoragePath) -> str:
        """See `IStorageBackend`."""
        return self._uri(self._key(path))

    def s3_access(self, path: StoragePath, size_bytes: int) -> S3Access | None:
        """See `IReadInPlace`.

        Some servers (rclone) answer a range that covers a whole object with status 200, which polars refuses. The first
        small object shows it.
        """
        if size_bytes <= FOOTER_BYTES and self._is_exact is None:
            try:
                self._is_exact = self.client.run(self.client.answers_with_range(self._key(path), size_bytes))
            except NoSuchThingError:  # deleted just now; reading a copy says so
                return None
        return None if size_bytes <= FOOTER_BYTES and not self._is_exact else self.client.access()

    def list_files(self) -> Iterator[StoragePath]:
        """See `IStorageBackend`."""
        for entry in self._listed("list_objects_v2", "Contents", Prefix=self._prefix):
            if (path := self._parse(entry["Key"])) is not None:
                yield path

    def clear_leftovers(self, is_leased: Callable[[FileId], bool], dry_run: bool = False) -> Sequence[Leftover]:
        """See `IStorageBackend`. A dead writer leaves its multipart upload."""
        cleared = []
        for listed in self._uploads():
            upload = {"Key": listed["Key"], "UploadId": listed["UploadId"]}
            path = self._parse(upload["Key"])
            if path is None or is_leased(path.file_id):
                continue
            with suppress(NoSuchThingError):  # finished or cleared in the meantime
                size_bytes = sum(int(part["Size"]) for part in self._listed("list_parts", "Parts", **upload))
                if not dry_run:
                    self.client.call("abort_multipart_upload", **upload)
                cleared.append(Leftover("multipart upload {UploadId} of {Key}".format(**upload), size_bytes))
        return cleared

    def _uploads(self) -> Sequence[Mapping[str, Any]]:
        """Return all uploads of the bucket: MinIO lists uploads by whole keys only, not by prefix."""
        method = "list_multipart_uploads"
        try:
            return list(self._listed(method, "Uploads"))
        except NoSuchThingError as error:
            raise UnsupportedRequestError(self._uri(self._prefix), method, "404") from error

    def _key(self, path: StoragePath) -> str:
        return f"{self._prefix}{path}"

    def _parse(self, key: str) -> StoragePath | None:
        return StoragePath.parse(key.removeprefix(self._prefix)) if key.startswith(self._prefix) else None

    def _listed(self, method: str, entries: str, **parameters: str) -> Iterator[Mapping[str, Any]]:
        for page in self.client.pages(method, **parameters):
            yield from page.get(entries, ())

    async def _put_all(self, contents: Sequence[tuple[StagedFile, StoragePath]]) -> None:
        waiting = iter(contents)

        async def put_next() -> None:
            for content, path in waiting:
                await self._put(content, self._key(path))

        await _side_by_side(put_next, FILES_IN_FLIGHT)

    async def _put(self, content: StagedFile, key: str, **conditions: str) -> None:
        token, size_bytes = secrets.token_hex(16), content.content.size_bytes
        if size_bytes > self._part_bytes:
            return await self._put_in_parts(content, key, token, conditions)
        named = {"Key": key, "Metadata": {_TOKEN: token}}
        try:
            await self._send_part("put_object", FileRange(content.fd, 0, size_bytes), **named, **conditions)
        except ConditionFailedError:
            if not await self._is_stored(key, token):
                raise

    async def _send_part(self, method: str, part: FileRange, **parameters: Any) -> Any:
        length, checksum = part.length, await asyncio.to_thread(transit_checksum, part.reopen())
        return await self.client.send(method, Body=part.reopen, ContentLength=length, ContentMD5=checksum, **parameters)

    async def _put_in_parts(self, content: StagedFile, key: str, token: str, conditions: Mapping[str, str]) -> None:
        begun = await self.client.send("create_multipart_upload", Key=key, Metadata={_TOKEN: token})
        upload = {"Key": key, "UploadId": begun["UploadId"]}
        try:
            parts = await self._send_parts(content, upload)
            done = {"MultipartUpload": {"Parts": parts}, **upload, **conditions}
            await self._complete(done, content.content.size_bytes, token)
        except BaseException:
            with suppress(NoSuchThingError, BackendError):  # `clear_leftovers` finds it later
                await self.client.send("abort_multipart_upload", **upload)
            raise

    async def _send_parts(self, content: StagedFile, upload: dict[str, str]) -> list[dict[str, Any]]:
        """Upload all parts, several at a time, each read from the staged file when its turn comes."""
        size_bytes = content.content.size_bytes
        part_bytes = part_size(size_bytes, self._part_bytes)
        offsets = iter(enumerate(range(0, size_bytes, part_bytes), start=1))
        sent: list[dict[str, Any]] = []

        async def send_next() -> None:
            for number, offset in offsets:
                part = FileRange(content.fd, offset, min(part_bytes, size_bytes - offset))
                answer = await self._send_part("upload_part", part, PartNumber=number, **upload)
                sent.append({"PartNumber": number, "ETag": answer["ETag"]})

        try:
            await _side_by_side(send_next, PARTS_IN_FLIGHT)
        except NoSuchThingError as error:
            raise self._aborted_by_another(upload["Key"]) from error
        return sorted(sent, key=lambda part: int(part["PartNumber"]))

    async def _complete(self, upload: dict[str, Any], size_bytes: int, token: str) -> None:
        key = upload["Key"]
        try:
            await self.client.send("complete_multipart_upload", **upload)
        except ConditionFailedError:
            if not await self._is_stored(key, token):
                raise
        except NoSuchThingError as error:  # completed by an attempt whose answer was lost, or aborted by someone
            if not await self._is_stored(key, token):
                if "IfMatch" in upload:  # or the object to replace is gone
                    raise
                raise self._aborted_by_another(key) from error
        try:
            found = await self.client.send("head_object", Key=key)
        except NoSuchThingError as error:
            raise self._aborted_by_another(key) from error
        if found["ContentLength"] != size_bytes:
            # Not deleted: another writer of the same file may have put a sound one there by now.
            reason = f"the server stored {found['ContentLength']:,} of {size_bytes:,} bytes"
            raise StorageUnavailableError(self._uri(key), reason, "Contact the operator of the server.")

    async def _is_stored(self, key: str, token: str) -> bool:
        """True if an object has the token of an upload: an attempt whose answer was lost has stored it."""
        try:
            found = await self.client.send("head_object", Key=key)
        except NoSuchThingError:
            return False
        return bool(found.get("Metadata", {}).get(_TOKEN) == token)

    def _aborted_by_another(self, key: str) -> StorageUnavailableError:
        return StorageUnavailableError(self._uri(key), "the upload was aborted by someone else", "Run again.")

    def _uri(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


async def _side_by_side(work: Callable[[], Coroutine[Any, Any, None]], count: int) -> None:
    """Run some coroutines of a kind at once. When one fails, cancel the others and wait for them."""
    workers = [asyncio.create_task(work()) for _ in range(count)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def part_size(size_bytes: int, part_bytes: int) -> int:
    """Return the size of parts: as given, or larger if a file would need more than 10,000."""
    needed = -(-size_bytes // MOST_PARTS)
    return max(part_bytes, -(-needed // (1 << 20)) << 20 if needed > part_bytes else part_bytes)


def bucket_and_prefix(url: str, setting: str) -> tuple[str, str]:
    """Return bucket and prefix of a URL; the prefix is empty or ends with a slash.

    Raises:
        ConfigurationError: The URL, which the setting gives, has another form.
    """
    scheme, _, location = url.partition("://")
    bucket, _, prefix = location.partition("/")
    prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    if scheme != "s3" or not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            setting,
            "the s3:// URL is not of the form s3://bucket/prefix",
            "A bucket has 2 to 255 letters, digits, dots and dashes; a prefix also has !_*'() and slashes.",
        )
    return bucket, prefix
