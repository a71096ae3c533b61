"""Stores on S3: the contract of all backends, and the particulars of requests and multipart uploads."""

import asyncio
import base64
import functools
import hashlib
import io
import logging
import secrets
import signal
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any

import botocore.loaders
import pytest

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import ArtifactError, ConfigurationError
from artifact_pipelines.core.settings import S3Settings, Settings
from artifact_pipelines.core.types import FileId, StoragePath
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends import s3_client, s3_stream
from artifact_pipelines.storage.backends.s3 import MOST_PARTS, PART_BYTES, PARTS_IN_FLIGHT, S3Storage, part_size
from artifact_pipelines.storage.exceptions import StorageUnavailableError, UnsupportedRequestError
from artifact_pipelines.storage.factory import open_backend
from artifact_pipelines_tests.contracts.storage_backend import PATH, BackendPlace, StorageBackendContract, get, put
from artifact_pipelines_tests.faulty_proxy import Fault, Proxy, Request, fail_at, fail_from
from artifact_pipelines_tests.storage.back_door import S3BackDoor

SMALL_PART_BYTES = 10_000
IN_PARTS = secrets.token_bytes(10 * SMALL_PART_BYTES - 1)


class TestS3Storage(StorageBackendContract):
    @pytest.fixture
    def place(self, s3_url: str, s3_back_door: S3BackDoor) -> BackendPlace:
        return BackendPlace(open_backend(s3_url), s3_back_door)


@pytest.fixture
def backend(proxy: Proxy, s3_url: str) -> S3Storage:
    return S3Storage(s3_url, S3Settings(endpoint_url=proxy.endpoint_url), part_bytes=SMALL_PART_BYTES)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://bucket", "s3://bucket/"),
        ("s3://bucket/", "s3://bucket/"),
        ("s3://My_Bucket.1/a/b-c_d.e!(f)/", "s3://My_Bucket.1/a/b-c_d.e!(f)/"),
    ],
)
def test_a_url_names_a_bucket_and_optionally_a_prefix(url: str, name: str) -> None:
    backend = open_backend(url)
    assert backend.uri(PATH) == f"{name}{PATH}"
    assert repr(backend) == f"S3Storage('{name}')"


@pytest.mark.parametrize(
    "url",
    [
        *("s3://", "s3:///prefix", "s3://b", "s3://a:b/c", "s3://bucket/a//b", "s3://bucket/../a", "s3://bucket/a?b=c"),
        *(
            "s3://bucket/a b",
            "s3://bucket/%20",
            "s3://bucket/a#b",
            "s3:bucket",
            "s3://me:hunter2@bucket",
            "gs://bucket",
        ),
    ],
)
def test_a_malformed_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_STORAGE_URL") as caught:
        open_backend(url)
    assert "hunter2" not in str(caught.value)


def test_stores_in_one_bucket_never_see_each_others_files(s3_back_door: S3BackDoor) -> None:
    prefixes = ["", "/a", "/a/store", "/a/store2", "/ab", "/ab/ab"]
    backends = [open_backend(f"s3://{s3_back_door.bucket}{prefix}") for prefix in prefixes]
    for number, backend in enumerate(backends, start=1):
        put(backend, b"", StoragePath("ab" * 32, FileId(number)))
    assert [[path.file_id for path in backend.list_files()] for backend in backends] == [[n] for n in range(1, 7)]


def test_a_second_store_reuses_the_data_files_of_botocore(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not open_backend(s3_url).exists(PATH)
    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", lambda *_: pytest.fail("it was loaded again"))
    assert not open_backend(s3_url).exists(PATH)


def test_a_small_file_is_one_request(backend: S3Storage, proxy: Proxy) -> None:
    put(backend, IN_PARTS[:SMALL_PART_BYTES])
    assert [request.line.split()[0] for request in proxy.requests] == ["PUT"]


def test_a_larger_file_is_uploaded_in_parts_several_at_a_time(backend: S3Storage, proxy: Proxy) -> None:
    sending, most = [0], [0]

    def count(request: object) -> None:
        sending[0] += 1
        most[0] = max(most[0], sending[0])
        time.sleep(0.02)
        sending[0] -= 1

    proxy.reset(count)
    put(backend, IN_PARTS)
    assert get(backend) == IN_PARTS
    assert sum("partNumber" in request.line for request in proxy.requests) == 10
    assert 1 <= most[0] <= PARTS_IN_FLIGHT


@pytest.mark.parametrize(
    ("size_bytes", "parts"), [(PART_BYTES + 1, 2), (PART_BYTES * MOST_PARTS, MOST_PARTS), (5 << 40, 9987)]
)
def test_parts_grow_when_there_would_be_too_many(size_bytes: int, parts: int) -> None:
    part_bytes = part_size(size_bytes, PART_BYTES)
    assert part_bytes % (1 << 20) == 0
    assert -(-size_bytes // part_bytes) == parts <= MOST_PARTS


def test_requests_use_only_checksums_and_headers_that_every_server_knows(backend: S3Storage, proxy: Proxy) -> None:
    put(backend, b"small")
    put(backend, IN_PARTS)
    get(backend)
    for request in proxy.requests:
        names = {name.lower() for name in request.headers}
        assert not any(name.startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-copy", "if-")) for name in names)
        if request.line.startswith("PUT"):
            expected = base64.b64encode(hashlib.md5(request.body).digest()).decode()
            assert request.headers["Content-MD5"] == expected


def test_bytes_damaged_in_transit_are_sent_again(
    backend: S3Storage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(s3_client), "FIRST_DELAY_S", 0)
    proxy.reset(fail_at(0, Fault("BadDigest"), times=2))
    put(backend, b"data")
    assert len(proxy.requests) == 3


def test_a_lasting_failure_sleeps_for_a_bounded_time(
    backend: S3Storage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    proxy.reset(fail_from(0, Fault("503")))
    with pytest.raises(StorageUnavailableError, match="failed 6 times, the last time with 503"):
        get(backend)
    assert len(proxy.requests) == s3_client.ATTEMPTS
    assert 1.5 < sum(slept) < 3.1
    assert len(set(slept)) == 5, "not jittered"


def test_retries_end_when_patience_is_over(backend: S3Storage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "PATIENCE_S", 0.0)
    proxy.reset(fail_from(0, Fault("reset")))
    with pytest.raises(StorageUnavailableError, match="failed 1 time, the last time with"):
        get(backend)


@pytest.fixture
def hasty_backend(proxy: Proxy, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    """A backend with a twentieth of the usual patience."""
    for name in ("READ_TIMEOUT_S", "PATIENCE_S", "ASSEMBLY_TIMEOUT_S", "ASSEMBLY_PATIENCE_S"):
        monkeypatch.setattr(s3_client, name, vars(s3_client)[name] / 20)
    backend = S3Storage(s3_url, S3Settings(endpoint_url=proxy.endpoint_url), part_bytes=SMALL_PART_BYTES)
    assert not backend.exists(PATH)  # the first request is slow
    return backend


@pytest.mark.parametrize("number", [3, 11], ids=["part", "completion"])
def test_a_request_whose_answer_hangs_is_sent_again(hasty_backend: S3Storage, proxy: Proxy, number: int) -> None:
    proxy.reset(fail_at(number, Fault("hook", hook=lambda: time.sleep(5)), times=1))
    put(hasty_backend, IN_PARTS)
    assert get(hasty_backend) == IN_PARTS


def test_a_server_silent_during_assembly_gets_more_time(hasty_backend: S3Storage, proxy: Proxy) -> None:
    proxy.reset(lambda request: time.sleep(1.5) if request.number == 11 else None)
    put(hasty_backend, IN_PARTS)
    assert len(proxy.requests) == 13, "the completion was sent twice"


def test_a_hanging_server_is_an_error_within_half_a_minute(hasty_backend: S3Storage, proxy: Proxy) -> None:
    proxy.reset(fail_from(0, Fault("hook", hook=lambda: time.sleep(5))))
    started = time.monotonic()
    with pytest.raises(StorageUnavailableError, match="failed 2 times, the last time with ReadTimeoutError"):
        get(hasty_backend)
    assert time.monotonic() - started < 10  # 1.5 s, and some for a busy machine


def test_an_absent_server_is_an_error_within_seconds(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "FIRST_DELAY_S", 0.01)
    started = time.monotonic()
    with pytest.raises(StorageUnavailableError, match="AWS_ENDPOINT_URL"):
        get(S3Storage(s3_url, S3Settings(endpoint_url="http://127.0.0.1:1")))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("AccessDenied", "Allow these credentials s3:GetObject"),
        ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        ("ExpiredToken", "AWS_SESSION_TOKEN"),
        ("NoSuchBucket", "Create the bucket"),
    ],
)
def test_lasting_problems_are_errors_at_once_with_a_remedy(
    backend: S3Storage, proxy: Proxy, kind: str, remedy: str
) -> None:
    proxy.reset(fail_from(0, Fault(kind)))
    for use in (lambda: put(backend, b"data"), lambda: put(backend, IN_PARTS), lambda: list(backend.list_files())):
        with pytest.raises(ConfigurationError, match=remedy):
            use()
    assert len(proxy.requests) == 3


def test_an_unexpected_answer_is_an_error_at_once(backend: S3Storage, proxy: Proxy) -> None:
    proxy.reset(fail_from(0, Fault("EntityTooSmall")))
    with pytest.raises(StorageUnavailableError, match="EntityTooSmall"):
        put(backend, b"data")
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("kind", ["NotImplemented", "MethodNotAllowed"])
def test_a_request_that_the_server_does_not_know_is_named_at_once(backend: S3Storage, proxy: Proxy, kind: str) -> None:
    proxy.reset(fail_from(0, Fault(kind)))
    with pytest.raises(UnsupportedRequestError, match=f"does not support put_object .*{kind}"):
        put(backend, b"data")
    assert len(proxy.requests) == 1


def test_a_missing_bucket_is_not_reported_as_a_missing_file(proxy: Proxy) -> None:
    backend = S3Storage("s3://no-such-bucket/prefix", S3Settings(endpoint_url=proxy.endpoint_url))
    for look in (backend.exists, backend.size_bytes, backend.read_stream):
        with pytest.raises(ConfigurationError, match="Create the bucket"):
            look(PATH)


@pytest.mark.parametrize("missing", [["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], ["AWS_SECRET_ACCESS_KEY"]])
def test_missing_credentials_are_an_error_that_names_them(
    backend: S3Storage, monkeypatch: pytest.MonkeyPatch, missing: list[str], tmp_path: object
) -> None:
    for name in missing:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    with pytest.raises(ConfigurationError, match="AWS_SECRET_ACCESS_KEY"):
        backend.exists(PATH)


@pytest.mark.parametrize("kind", ["503", "reset", "AccessDenied", "SignatureDoesNotMatch"])
def test_errors_logs_and_names_show_no_secret(
    proxy: Proxy, s3_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(s3_client, "FIRST_DELAY_S", 0)
    caplog.set_level(logging.DEBUG)
    settings = S3Settings(proxy.endpoint_url, "eu-central-1", "the-key", "the-secret", "the-token")
    backend = S3Storage(s3_url, settings)
    put(backend, b"data")
    assert "the-token" in proxy.requests[0].headers["X-Amz-Security-Token"], "the settings were not used"
    proxy.reset(fail_from(0, Fault(kind)))
    with pytest.raises(ArtifactError) as caught:
        get(backend)
    shown = caplog.text + repr(backend) + repr(backend.client) + repr(settings) + backend.uri(PATH)
    shown += "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert not any(secret in shown for secret in ("the-key", "the-secret", "the-token"))


def test_an_interrupted_upload_is_aborted(backend: S3Storage, proxy: Proxy, s3_back_door: S3BackDoor) -> None:
    # A query of polars installs its own handler, which lets the waiting call end first.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt(request: Any) -> Fault | None:
        if request.number == 3:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # as Ctrl-C does
            time.sleep(2)  # all other requests wait, even on a busy machine
        return None

    proxy.reset(interrupt)
    with pytest.raises(KeyboardInterrupt):
        put(backend, IN_PARTS)
    assert s3_back_door.everything() == []
    proxy.reset()
    put(backend, IN_PARTS)
    assert get(backend) == IN_PARTS


def test_an_upload_aborted_by_someone_is_an_error_even_if_old_bytes_exist(
    backend: S3Storage, proxy: Proxy, s3_back_door: S3BackDoor
) -> None:
    s3_back_door.put(PATH, b"?" * len(IN_PARTS))  # damaged bytes of the right size exist already
    proxy.reset(lambda request: Fault("NoSuchUpload") if request.number == 11 else None)
    with pytest.raises(StorageUnavailableError, match="aborted by someone else"):
        put(backend, IN_PARTS)
    assert s3_back_door.uploads() == []


def test_an_upload_aborted_by_someone_is_an_error(backend: S3Storage, proxy: Proxy, s3_back_door: S3BackDoor) -> None:
    proxy.reset(lambda request: Fault("NoSuchUpload") if request.number == 11 else None)
    with pytest.raises(StorageUnavailableError, match="aborted by someone else"):
        put(backend, IN_PARTS)
    assert s3_back_door.everything() == []


def upload(backend: S3Storage, data: bytes, key: str, **conditions: str) -> None:
    with backend.stage() as sink:
        sink.copy_from(io.BytesIO(data))
        with sink.finish() as staged:
            backend.upload(staged, key, **conditions)


@pytest.mark.parametrize("data", [b"mine", IN_PARTS], ids=["whole", "in parts"])
def test_a_conditional_upload_whose_answer_is_lost_has_succeeded(
    backend: S3Storage, proxy: Proxy, s3_back_door: S3BackDoor, data: bytes
) -> None:
    last = "PUT" if data == b"mine" else "POST"
    faults = iter([Fault("reset", is_done=True), Fault("PreconditionFailed")])

    def plan(request: Request) -> Fault | None:
        return next(faults) if request.line.startswith(last) and not request.line.endswith("?uploads") else None

    proxy.reset(plan)
    upload(backend, data, "a/x", IfNoneMatch="*")
    assert s3_back_door.client.get_object(Bucket=s3_back_door.bucket, Key="a/x")["Body"].read() == data
    assert next(faults, None) is None


@pytest.mark.parametrize("data", [b"mine", IN_PARTS], ids=["whole", "in parts"])
def test_a_conditional_upload_over_another_object_fails(
    backend: S3Storage, s3_back_door: S3BackDoor, data: bytes
) -> None:
    upload(backend, b"another's", "a/x", IfNoneMatch="*")
    with pytest.raises(s3_client.ConditionFailedError):
        upload(backend, data, "a/x", IfNoneMatch="*")
    assert s3_back_door.client.get_object(Bucket=s3_back_door.bucket, Key="a/x")["Body"].read() == b"another's"
    assert s3_back_door.uploads() == []


@pytest.mark.parametrize("first", [1, 5])
def test_an_upload_aborted_while_parts_are_sent_is_an_error(
    backend: S3Storage, proxy: Proxy, s3_back_door: S3BackDoor, first: int
) -> None:
    proxy.reset(fail_at(first, Fault("NoSuchUpload")))
    with pytest.raises(StorageUnavailableError, match="aborted by someone else"):
        put(backend, IN_PARTS)
    assert s3_back_door.everything() == []


@pytest.fixture
def last_part_is_lost(backend: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    send = backend.client.send

    async def one_part_short(method: str, **parameters: Any) -> Mapping[str, Any]:
        if method == "complete_multipart_upload":
            parameters["MultipartUpload"] = {"Parts": parameters["MultipartUpload"]["Parts"][:-1]}
        return await send(method, **parameters)

    monkeypatch.setattr(backend.client, "send", one_part_short)


@pytest.mark.usefixtures("last_part_is_lost")
def test_a_wrongly_assembled_object_is_found_and_removed(
    settings: Settings, backend: S3Storage, s3_back_door: S3BackDoor
) -> None:
    with Catalog(settings.catalog_url) as catalog:
        producer = ArtifactProducer(catalog.files, backend)
        with pytest.raises(StorageUnavailableError, match="the server stored 90,000 of 99,999 bytes"):
            producer.create_artifact(io.BytesIO(IN_PARTS), "bin")
    assert s3_back_door.everything() == [], "the writer did not clean up"


@pytest.mark.usefixtures("last_part_is_lost")
def test_a_wrong_object_that_another_writer_replaced_is_kept(
    backend: S3Storage, proxy: Proxy, s3_back_door: S3BackDoor
) -> None:
    def heal(request: Request) -> None:
        if proxy.requests[-2:-1] and proxy.requests[-2].line.startswith("HEAD"):  # right after the check of the size
            s3_back_door.put(PATH, IN_PARTS)

    proxy.reset(heal)
    with pytest.raises(StorageUnavailableError, match="the server stored"):
        put(backend, IN_PARTS)
    assert s3_back_door.get(PATH) == IN_PARTS


def test_a_file_deleted_while_read_is_an_error(backend: S3Storage) -> None:
    put(backend, IN_PARTS)
    with backend.read_stream(PATH) as stream:
        backend.delete_file(PATH)
        with pytest.raises(StorageUnavailableError, match="deleted while it was read"):
            stream.read()


@pytest.mark.parametrize("data", [b"", IN_PARTS[:-1], IN_PARTS + b"more", IN_PARTS[:60_000]])
def test_a_stream_ends_where_a_replaced_object_ends(
    backend: S3Storage, s3_back_door: S3BackDoor, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(s3_stream, "READ_BYTES", 50_000)
    monkeypatch.setattr(s3_stream, "FIRST_READ_BYTES", 50_000)
    put(backend, IN_PARTS)
    with backend.read_stream(PATH) as stream:
        s3_back_door.put(PATH, data)
        assert b"".join(iter(lambda: stream.read(70_000), b"")) == data


def test_long_listings_come_in_pages(backend: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [StoragePath("ab" * 32, FileId(number)) for number in range(1, 8)]
    for path in paths:
        put(backend, b"", path)
    call = backend.client.call
    short = {
        "list_objects_v2": {"MaxKeys": 2},
        "list_multipart_uploads": {"MaxUploads": 2},
        "list_parts": {"MaxParts": 2},
    }
    monkeypatch.setattr(backend.client, "call", lambda method, **given: call(method, **given, **short.get(method, {})))
    assert list(backend.list_files()) == paths
    for path in paths:
        begin_upload(backend, f"a/store/{path}", parts=5)
    cleared = backend.clear_leftovers(lambda file_id: False)
    assert [leftover.size_bytes for leftover in cleared] == [5] * 7


def begin_upload(backend: S3Storage, key: str, parts: int = 1) -> None:
    upload = {"Key": key, "UploadId": backend.client.call("create_multipart_upload", Key=key)["UploadId"]}
    for number in range(1, parts + 1):
        backend.client.call("upload_part", Body=lambda: io.BytesIO(b"x"), PartNumber=number, **upload)


def test_only_uploads_of_dead_writers_are_aborted(backend: S3Storage, s3_back_door: S3BackDoor) -> None:
    leased, dead = StoragePath("ab" * 32, FileId(1)), StoragePath("cd" * 32, FileId(2))
    others = ["a/store/notes.txt", f"a/store2/{dead}", str(dead)]
    for key in (f"a/store/{leased}", f"a/store/{dead}", *others):
        begin_upload(backend, key)
    clear = functools.partial(backend.clear_leftovers, lambda file_id: file_id == 1)
    found = clear(dry_run=True)
    assert [(str(dead) in leftover.name, leftover.size_bytes) for leftover in found] == [(True, 1)]
    assert len(s3_back_door.uploads()) == 5
    assert clear() == found
    assert sorted(s3_back_door.uploads()) == sorted([f"a/store/{leased}", *others])
    assert clear() == []


def test_uploads_are_found_on_servers_that_ignore_prefixes(
    backend: S3Storage, monkeypatch: pytest.MonkeyPatch, s3_back_door: S3BackDoor
) -> None:
    paths = [StoragePath("ab" * 32, FileId(number)) for number in range(1, 4)]
    keys = [f"a/store/{path}" for path in paths]
    others = ["a/another", "a/store2/another", "b"]
    for key in (*keys, *others):
        begin_upload(backend, key)
    call = backend.client.call

    def like_minio(method: str, **parameters: Any) -> Mapping[str, Any]:
        if method != "list_multipart_uploads":
            return call(method, **parameters)
        answer = {**call(method, **parameters, MaxUploads=2)}
        answer["Uploads"] = [
            upload for upload in answer.get("Uploads", []) if parameters.get("Prefix", "") in ("", upload["Key"])
        ]
        return answer

    monkeypatch.setattr(backend.client, "call", like_minio)
    assert len(backend.clear_leftovers(lambda file_id: False)) == len(paths)
    assert sorted(s3_back_door.uploads()) == others
