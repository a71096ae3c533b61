"""A landing zone in an S3 bucket."""

import functools
import io
from collections.abc import Callable

import pytest

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import S3Settings
from artifact_pipelines.datasets.landing import bucket as landing_bucket
from artifact_pipelines.datasets.landing.bucket import LandingBucket
from artifact_pipelines.storage.backends.s3 import PART_BYTES, S3Storage
from artifact_pipelines.storage.exceptions import SourceChangedError
from artifact_pipelines.storage.staging import StagedFile
from artifact_pipelines_tests.contracts.landing_zone import LandingPlace, LandingZoneContract, listed, read
from artifact_pipelines_tests.faulty_proxy import Fault, Proxy, Request
from artifact_pipelines_tests.storage.back_door import S3BackDoor


class BucketDoor:
    """Puts objects below the prefix of the landing zone."""

    def __init__(self, back_door: S3BackDoor) -> None:
        self._back_door = back_door

    def drop(self, path: str, data: bytes) -> None:
        key = f"a/landing/{path}"
        self._back_door.client.put_object(Bucket=self._back_door.bucket, Key=key, Body=data)

    def delete(self, path: str) -> None:
        self._back_door.client.delete_object(Bucket=self._back_door.bucket, Key=f"a/landing/{path}")


class TestLandingBucket(LandingZoneContract):
    @pytest.fixture
    def place(self, s3_back_door: S3BackDoor) -> LandingPlace:
        url = f"s3://{s3_back_door.bucket}/a/landing/"
        return LandingPlace(LandingBucket(url, S3Settings()), BucketDoor(s3_back_door))

    def test_object_that_stands_for_a_folder_is_no_file(self, place: LandingPlace) -> None:
        place.door.drop("sub/", b"")
        place.door.drop("sub/a.csv", b"1")
        assert list(listed(place.zone, "sub/*")) == ["sub/a.csv"]


@pytest.mark.parametrize("part_bytes", [PART_BYTES, 5 << 20], ids=["whole", "in parts"])
def test_object_that_comes_during_an_upload_is_not_replaced(
    s3_back_door: S3BackDoor, monkeypatch: pytest.MonkeyPatch, part_bytes: int
) -> None:
    zone = LandingBucket(f"s3://{s3_back_door.bucket}/a/landing", S3Settings())
    monkeypatch.setattr(landing_bucket, "S3Storage", functools.partial(S3Storage, part_bytes=part_bytes))
    zone.put(io.BytesIO(b"2"), "a.csv")
    with monkeypatch.context() as earlier, pytest.raises(SourceChangedError):
        earlier.setattr(LandingBucket, "look", lambda *_: None)
        zone.put(io.BytesIO(b"1" * (6 << 20)), "a.csv")
    assert read(zone, "a.csv") == b"2"


@pytest.fixture
def during_upload(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Lets something happen when the next upload begins."""
    upload, waiting = S3Storage.upload, list[Callable[[], None]]()

    def late(storage: S3Storage, content: StagedFile, key: str, **conditions: str) -> None:
        while waiting:
            waiting.pop()()
        upload(storage, content, key, **conditions)

    monkeypatch.setattr(S3Storage, "upload", late)
    return waiting.append


def test_object_that_replaces_the_seen_one_during_an_upload_is_kept(
    s3_back_door: S3BackDoor, during_upload: Callable[[Callable[[], None]], None]
) -> None:
    zone, door = LandingBucket(f"s3://{s3_back_door.bucket}/a/landing", S3Settings()), BucketDoor(s3_back_door)
    door.drop("a.csv", b"old")
    during_upload(lambda: door.drop("a.csv", b"another's"))
    with pytest.raises(SourceChangedError):
        zone.put(io.BytesIO(b"mine"), "a.csv", zone.look("a.csv"))
    assert read(zone, "a.csv") == b"another's"


def test_object_that_goes_during_an_upload_leaves_its_place(
    s3_back_door: S3BackDoor, during_upload: Callable[[Callable[[], None]], None]
) -> None:
    zone, door = LandingBucket(f"s3://{s3_back_door.bucket}/a/landing", S3Settings()), BucketDoor(s3_back_door)
    door.drop("a.csv", b"old")
    during_upload(lambda: door.delete("a.csv"))
    zone.put(io.BytesIO(b"mine"), "a.csv", zone.look("a.csv"))
    assert read(zone, "a.csv") == b"mine"


def test_object_that_goes_during_an_upload_in_parts_leaves_its_place(
    s3_back_door: S3BackDoor, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing_bucket, "S3Storage", functools.partial(S3Storage, part_bytes=100))
    url, door = f"s3://{s3_back_door.bucket}/a/landing", BucketDoor(s3_back_door)
    zone, conditions = LandingBucket(url, S3Settings(endpoint_url=proxy.endpoint_url)), []
    door.drop("a.csv", b"old")

    def refuse(request: Request) -> Fault | None:  # as AWS does; the server of the tests does not look at `If-Match`
        if not request.line.startswith("POST") or "uploadId" not in request.line:
            return None
        conditions.append([name for name in request.headers if name in ("If-Match", "If-None-Match")])
        door.delete("a.csv")
        return Fault("NoSuchKey") if "If-Match" in request.headers else None

    proxy.reset(refuse)
    zone.put(io.BytesIO(b"1" * 250), "a.csv", zone.look("a.csv"))
    assert read(zone, "a.csv") == b"1" * 250
    assert conditions == [["If-Match"], ["If-None-Match"]]
    assert s3_back_door.uploads() == []


def test_missing_bucket_names_the_setting(s3_back_door: S3BackDoor) -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_LANDING_URL"):
        listed(LandingBucket("s3://no-such-bucket/x", S3Settings()), "*")


def test_malformed_url_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_LANDING_URL"):
        LandingBucket("s3://x/../y", S3Settings())
