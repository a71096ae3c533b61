"""The landing zone as a prefix of an S3 bucket.

One idea: an object appears complete, so it rests at once. Each version of it has a time, in seconds, and an ETag.
"""

import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import LANDING_URL, S3Settings
from artifact_pipelines.datasets.interfaces import Sighting
from artifact_pipelines.datasets.landing.entry_names import (
    MOST_PATH_BYTES,
    SourceGlob,
    check_inside,
    from_text,
    shortened,
    to_text,
)
from artifact_pipelines.storage.backends.s3 import S3Storage, bucket_and_prefix
from artifact_pipelines.storage.backends.s3_client import ConditionFailedError, NoSuchThingError, S3Client
from artifact_pipelines.storage.backends.s3_stream import FIRST_READ_BYTES, ObjectStream
from artifact_pipelines.storage.exceptions import (
    SourceChangedError,
    SourceUnreadableError,
    SourceVanishedError,
    StorageUnavailableError,
    UnsupportedRequestError,
)
from artifact_pipelines.storage.staging import StagedFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MOST_COPIED_BYTES = 5 << 30  # in one request


class LandingBucket:
    """`ILandingZone` in a bucket, or below a prefix of it.

    Args:
        landing_url: `s3://bucket` or `s3://bucket/prefix`.
        settings: How to reach the server.

    Raises:
        ConfigurationError: The URL has another form.
    """

    def __init__(self, landing_url: str, settings: S3Settings) -> None:
        self._bucket, self._prefix = bucket_and_prefix(landing_url, LANDING_URL)
        self._settings = settings
        self._client = S3Client(self._bucket, settings, LANDING_URL)

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def list_entries(self, glob: SourceGlob) -> Sequence[Sighting]:
        """See `ILandingZone`."""
        found: list[Sighting] = []
        folders = [("", glob.start)]
        while folders:
            folder, state = folders.pop()
            for path, facts in self._entries(folder):
                below = glob.step(state, path.removeprefix(folder).rstrip("/"))
                if facts is None and glob.may_match_below(below):
                    folders.append((path, below))
                elif glob.is_match(below):
                    found.append(_sighting(path, facts))
        return sorted(found, key=lambda sighting: sighting.path)

    def stamp(self) -> object | None:
        """See `ILandingZone`. A listing costs money, so a tick looks once."""
        return None

    def look(self, path: str) -> Sighting | None:
        """See `ILandingZone`."""
        with suppress(NoSuchThingError):
            return _sighting(from_text(path), self._head(path))
        return None

    def open(self, path: str) -> BinaryIO:
        """See `ILandingZone`."""
        return cast("BinaryIO", io.BufferedReader(LandedObject(self, self._client, path), FIRST_READ_BYTES))

    def put(self, stream: BinaryIO, path: str, replaced: Sighting | None = None) -> None:
        """See `ILandingZone`. A server that knows no conditions may lose an object that comes during the upload."""
        check_inside(from_text(path))
        storage = S3Storage(f"s3://{self._bucket}", self._settings)
        with storage.stage() as sink, self.translated(path):
            sink.copy_from(stream)
            with sink.finish() as staged:
                self._publish(storage, staged, path, replaced)

    def _publish(self, storage: S3Storage, staged: StagedFile, path: str, replaced: Sighting | None) -> None:
        """Upload a file. It replaces only the object of the sighting, which may be gone by now."""
        condition = {"IfNoneMatch": "*"}
        with suppress(NoSuchThingError):
            head = self._head(path)
            if _sighting(from_text(path), head) != replaced:
                raise SourceChangedError(path)
            condition = {"IfMatch": str(head["ETag"])}
        try:
            storage.upload(staged, self.key(path), **condition)
        except UnsupportedRequestError:
            storage.upload(staged, self.key(path))
        except (ConditionFailedError, NoSuchThingError) as error:
            if replaced is None or self.look(path) is not None:
                raise SourceChangedError(path) from error
            self._publish(storage, staged, path, None)  # it went during the upload

    def move(self, entry: Sighting, target: str) -> None:
        """See `ILandingZone`. A server that ignores conditions may lose an object that replaces it in that moment."""
        if entry.size_bytes > _MOST_COPIED_BYTES:
            raise SourceUnreadableError(entry.path, "S3 copies no object over 5 GiB; move it yourself")
        with self.translated(entry.path):
            source = {"Bucket": self._bucket, "Key": self.key(entry.path)}
            etag = self._etag_of(entry)
            self._client.call("copy_object", Key=self.key(target), CopySource=source, CopySourceIfMatch=etag)
        self.remove(entry)

    def remove(self, entry: Sighting) -> None:
        """See `ILandingZone` and `move`."""
        with self.translated(entry.path):
            self._client.call("delete_object", Key=self.key(entry.path), IfMatch=self._etag_of(entry))

    def _etag_of(self, entry: Sighting) -> str:
        head = self._head(entry.path)
        if _sighting(from_text(entry.path), head) != entry:
            raise SourceChangedError(entry.path)
        return str(head["ETag"])

    def key(self, path: str) -> str:
        """Return the key of an object."""
        return self._prefix + from_text(path)

    @contextmanager
    def translated(self, path: str) -> Iterator[None]:
        """Turn errors about one object into a `SourceError`. A server that fails remains a `BackendError`."""
        try:
            yield
        except NoSuchThingError as error:
            raise SourceVanishedError(path) from error
        except ConditionFailedError as error:
            raise SourceChangedError(path) from error
        except ConfigurationError as error:  # the zone can be listed, this object cannot be read
            raise SourceUnreadableError(path, error.problem) from error
        except UnicodeEncodeError as error:
            raise SourceVanishedError(path) from error

    def _head(self, path: str) -> Mapping[str, Any]:
        head = self._client.call("head_object", Key=self.key(path))
        return {**head, "Size": head["ContentLength"]}

    def _entries(self, folder: str) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
        """Yield the objects of a folder with their facts, and the folders in it, which end with a slash."""
        top = len(self._prefix)
        for page in self._client.pages("list_objects_v2", Prefix=self._prefix + folder, Delimiter="/"):
            for entry in page.get("CommonPrefixes", ()):
                yield entry["Prefix"][top:], None
            for entry in page.get("Contents", ()):
                if not entry["Key"].endswith("/"):  # such an object only stands for its folder
                    yield entry["Key"][top:], entry


class LandedObject(ObjectStream):
    """An object of the landing zone. Reading it to its end checks that it is still the one that was opened.

    Raises:
        SourceError: There is none, it cannot be read, or it has changed; also when it is read.
    """

    def __init__(self, zone: LandingBucket, client: S3Client, path: str) -> None:
        self._zone = zone
        self._path = path
        self.name = path
        self._opened = self._look()
        super().__init__(client, zone.key(path), self._opened.size_bytes)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill the whole buffer, unless the object ends."""
        with self._zone.translated(self._path):
            count = super().readinto(buffer)
        if count < memoryview(buffer).nbytes and self._look() != self._opened:
            raise SourceChangedError(self._path)
        return count

    def _fetch(self, start: int, stop: int) -> bytes:
        try:
            return super()._fetch(start, stop)
        except StorageUnavailableError:
            self._look()  # raises if it was deleted
            raise

    def _look(self) -> Sighting:
        with self._zone.translated(self._path):
            seen = self._zone.look(self._path)
        if seen is None:
            raise SourceVanishedError(self._path)
        return seen


def _sighting(path: str, facts: Mapping[str, Any] | None) -> Sighting:
    text = to_text(path.rstrip("/"))
    if len(text.encode()) > MOST_PATH_BYTES:
        return Sighting(shortened(text), 0, 0, f"its path is longer than {MOST_PATH_BYTES:,} bytes")
    if facts is None:
        return Sighting(text, 0, 0, "it is a folder, not a regular file")
    # The time has whole seconds; the rest tells versions of one second apart.
    second = int(facts["LastModified"].timestamp())
    return Sighting(text, int(facts["Size"]), second * 10**9 + zlib.crc32(facts["ETag"].encode()) % 10**9)
