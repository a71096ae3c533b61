"""A landing zone in an S3 bucket."""

import functools
import io

import pytest

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import S3Settings
from artifact_pipelines.datasets import landing_bucket
from artifact_pipelines.datasets.landing_bucket import LandingBucket
from artifact_pipelines.storage.backends.s3 import PART_BYTES, S3Storage
from artifact_pipelines.storage.exceptions import SourceChangedError
from artifact_pipelines_tests.contracts.landing_zone import LandingPlace, LandingZoneContract, listed, read
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


def test_missing_bucket_names_the_setting(s3_back_door: S3BackDoor) -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_LANDING_URL"):
        listed(LandingBucket("s3://no-such-bucket/x", S3Settings()), "*")


def test_malformed_url_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_LANDING_URL"):
        LandingBucket("s3://x/../y", S3Settings())
