"""Requests to an S3 server. Only this module retries them, and translates the answers.

s3fs provides the session, the event loop and the credentials. Its retries, those of botocore, and all caches are off.
"""

import asyncio
import functools
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import Any, TypeVar

import aiobotocore.session
import aiohttp
import botocore.exceptions
import botocore.loaders
import botocore.parsers
import s3fs

from artifact_pipelines.core.exceptions import ArtifactError, ConfigurationError
from artifact_pipelines.core.settings import STORAGE_URL, S3Settings
from artifact_pipelines.core.wording import counted
from artifact_pipelines.storage.exceptions import StorageUnavailableError, UnsupportedRequestError
from artifact_pipelines.storage.interfaces import S3Access, S3Credentials

ATTEMPTS = 6
FIRST_DELAY_S = 0.1
"""Doubled with each attempt and jittered: a request sleeps for 3.1 s at most in total."""
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
"""Longest wait for the next byte; a server that takes long may send a sign of life only every ten seconds."""
PATIENCE_S = 25.0
"""No attempt begins later than this after the first one, so a server that hangs fails in about 30 s."""
ASSEMBLY_TIMEOUT_S = 60.0
ASSEMBLY_PATIENCE_S = 70.0
"""The same two for completing an upload: a server may be silent while it assembles a large file."""
_ASSEMBLY = "complete_multipart_upload"
_CLEANING_UP_S = 30.0

_TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
_TRANSIENT_CODES = (
    "BadDigest",  # damaged in transit
    "IncompleteBody",
    "InternalError",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "XAmzContentSHA256Mismatch",
)
_LOST = (
    botocore.exceptions.ConnectionError,
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.IncompleteReadError,
    botocore.parsers.ResponseParserError,
    aiohttp.ClientError,
    OSError,  # a reset, a timeout
)
_UNSUPPORTED = (405, 501)
_REMEDIES = {
    "NoSuchBucket": "Create the bucket, or correct the URL and AWS_ENDPOINT_URL.",
    "InvalidAccessKeyId": "Correct AWS_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": "Correct AWS_SECRET_ACCESS_KEY and AWS_REGION.",
    "ExpiredToken": "Get new credentials: AWS_SESSION_TOKEN has expired.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "NoCredentialsError": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.",
    "PartialCredentialsError": "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
}
_ELSEWHERE = ("400", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException")  # 400: the answer to HEAD
_DENIED_REMEDY = (
    "Allow these credentials s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket, "
    "s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts there."
)
_REGION_REMEDY = "Set AWS_REGION and AWS_ENDPOINT_URL to where the bucket is."
_SERVER_REMEDY = "Check that the server runs and can be reached (AWS_ENDPOINT_URL), and run again."

Result = TypeVar("Result")


class NoSuchThingError(Exception):
    """The server has no such key or upload. The caller knows what that means."""


class ConditionFailedError(Exception):
    """An object is not, or no longer, as the request says. The caller knows what that means."""


class OutOfRangeError(Exception):
    """The object ends before the requested range."""


class TruncatedBodyError(OSError):
    """A body was cut off."""


class S3Client:
    """Sends requests about one bucket. Safe to share between threads.

    Args:
        bucket: Its name.
        settings: How to reach the server.
        named_by: The setting that names the bucket, for errors.
    """

    def __init__(self, bucket: str, settings: S3Settings, named_by: str = STORAGE_URL) -> None:
        self._bucket = bucket
        self._named_by = named_by
        self._bucket_was_seen = False
        self._settings = settings = settings.completed()
        _keep_secrets_out_of_logs()
        self._fs = _connection(settings, READ_TIMEOUT_S)
        self._patient_fs = _connection(settings, ASSEMBLY_TIMEOUT_S)

    def __repr__(self) -> str:
        return f"S3Client({self._bucket!r}, {self._settings!r})"

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the event loop and wait for it. An interrupt cancels it and waits for its clean-up."""
        ended = threading.Event()

        async def watched() -> Result:
            try:
                return await coroutine
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(watched(), self._fs.loop)
        try:
            return future.result()
        except BaseException:
            if future.cancel() or future.cancelled():
                ended.wait(_CLEANING_UP_S)
            raise

    def call(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Send a request as `send` does, and wait for its answer."""
        return self.run(self.send(method, **parameters))

    def pages(self, method: str, **parameters: str) -> Iterator[Mapping[str, Any]]:
        """Yield the answers of a listing. Each page names the parameters of the next one."""
        page: dict[str, Any] = {}
        while True:
            answer = self.call(method, **parameters, **page)
            yield answer
            page = {name.removeprefix("Next"): answer[name] for name in answer if name.startswith("Next")}
            if not answer.get("IsTruncated") or not page:
                return

    async def send(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        """Call a method of botocore's client, such as `put_object`, retry errors that may pass, and return the answer.

        The bucket is added. `Body` is a function that returns a new stream for each attempt.

        Raises:
            NoSuchThingError: The server has no such key or upload.
            ConditionFailedError: A condition of the request does not hold.
            ConfigurationError: Bucket, credentials or permissions are wrong.
            UnsupportedRequestError: The server does not know the request.
            StorageUnavailableError: Every attempt failed.
        """
        return await self._retried(functools.partial(self._send_once, method, **parameters), method, parameters)

    async def receive(self, key: str, start: int, stop: int) -> tuple[bytes, int]:
        """Return a range of an object's bytes, shorter only if the object ends in it, and the size of the object.

        Raises as `send` does, and `OutOfRangeError` if the object ends before the range.
        """
        wanted = {"Key": key, "Range": f"bytes={start}-{stop - 1}"}

        async def once() -> tuple[bytes, int]:
            answer = await self._send_once("get_object", **wanted)
            async with answer["Body"] as body:
                data = await body.read()
            size_bytes = int(answer["ContentRange"].rpartition("/")[2]) if "ContentRange" in answer else stop
            expected = min(stop, size_bytes) - start
            if len(data) != expected:
                raise TruncatedBodyError(f"{len(data):,} of {expected:,} bytes came")
            return bytes(data), size_bytes

        return await self._retried(once, "get_object", wanted)

    async def answers_with_range(self, key: str, size_bytes: int) -> bool:
        """True if the server answers a range that covers a whole object with a range. Raises as `send` does."""
        wanted = {"Key": key, "Range": f"bytes=0-{size_bytes - 1}"}
        answer = await self.send("get_object", **wanted)
        answer["Body"].close()
        return "ContentRange" in answer

    def access(self) -> S3Access:
        """Return how another engine sends its own requests to the same server."""
        meta = self.run(self._fs.set_session()).meta
        region = "us-east-1" if meta.region_name in (None, "aws-global") else meta.region_name
        return S3Access(meta.endpoint_url, region, self.credentials)

    def credentials(self) -> S3Credentials:
        """Return the current credentials, renewed if they expire soon. Raises as `send` does."""
        return self.run(self._retried(self._credentials_once, "get_credentials", {}))

    async def _credentials_once(self) -> S3Credentials:
        given = self._settings
        if given.access_key_id and given.secret_access_key:
            return S3Credentials(given.access_key_id, given.secret_access_key, given.session_token)
        found = await self._fs.session.get_credentials()
        if found is None:
            raise botocore.exceptions.NoCredentialsError
        keys = await found.get_frozen_credentials()
        return S3Credentials(keys.access_key, keys.secret_key, keys.token)

    async def _send_once(self, method: str, **parameters: Any) -> Mapping[str, Any]:
        client = await (self._patient_fs if method == _ASSEMBLY else self._fs).set_session()
        if "Body" in parameters:
            parameters["Body"] = parameters["Body"]()
        answer: Mapping[str, Any] = await getattr(client, method)(Bucket=self._bucket, **parameters)
        return answer

    async def _retried(
        self, once: Callable[[], Awaitable[Result]], method: str, parameters: Mapping[str, Any]
    ) -> Result:
        where = f"s3://{self._bucket}/{parameters.get('Key', parameters.get('Prefix', ''))}"
        patience_s = ASSEMBLY_PATIENCE_S if method == _ASSEMBLY else PATIENCE_S
        started = time.monotonic()
        for attempt in range(ATTEMPTS):
            try:
                return await once()
            except botocore.exceptions.ClientError as error:
                if not _may_pass(error):
                    raise await self._explained(error, method, where) from error
                failure: Exception = error
            except _LOST as error:
                failure = error
            except botocore.exceptions.BotoCoreError as error:
                raise self._misconfigured(where, type(error).__name__) from error
            if attempt == ATTEMPTS - 1 or time.monotonic() - started > patience_s:
                break
            await asyncio.sleep(FIRST_DELAY_S * 2**attempt * random.uniform(0.5, 1))  # noqa: S311 - spreads load
        reason = f"{method} failed {counted(attempt + 1, 'time')}, the last time with {_reason(failure)}"
        raise StorageUnavailableError(where, reason, _SERVER_REMEDY) from failure

    async def _explained(self, error: botocore.exceptions.ClientError, method: str, where: str) -> Exception:
        status, code = _answer(error)
        if status in _UNSUPPORTED:
            return UnsupportedRequestError(where, method, _said(status, code))
        if status == 404 and code != "NoSuchBucket":
            return await self._missing(where)
        if status == 412 or code == "ConditionalRequestConflict":
            return ConditionFailedError(where)
        if status == 416:
            return OutOfRangeError(where)
        if status in (301, 307, 401, 403) or code in (*_REMEDIES, *_ELSEWHERE):
            return self._misconfigured(where, code, status)
        return StorageUnavailableError(where, _reason(error), _SERVER_REMEDY)

    async def _missing(self, where: str) -> Exception:
        """Return whether a key or its bucket is missing, which an answer to HEAD hides: a wrong URL is no lost file."""
        if not self._bucket_was_seen:
            client = await self._fs.set_session()
            try:
                await client.head_bucket(Bucket=self._bucket)
            except botocore.exceptions.ClientError as error:
                status, _ = _answer(error)
                if status == 404:
                    return self._misconfigured(where, "NoSuchBucket", status)
                if status not in (400, 403, 405, 501):  # it may exist without permission to look at it
                    return StorageUnavailableError(where, _reason(error), _SERVER_REMEDY)
            except _LOST as error:
                return StorageUnavailableError(where, _reason(error), _SERVER_REMEDY)
            self._bucket_was_seen = True
        return NoSuchThingError(where)

    def _misconfigured(self, where: str, code: str, status: int | None = None) -> ArtifactError:
        remedy = _REMEDIES.get(code) or (_DENIED_REMEDY if status in (401, 403) else _REGION_REMEDY)
        return ConfigurationError(self._named_by, f"{where} was refused ({_said(status, code)})", remedy)


def _connection(settings: S3Settings, read_timeout_s: float) -> s3fs.S3FileSystem:
    session = aiobotocore.session.AioSession()
    session.register_component("data_loader", _descriptions_of_services())
    return s3fs.S3FileSystem(
        session=session,
        key=settings.access_key_id or None,
        secret=settings.secret_access_key or None,
        token=settings.session_token or None,
        endpoint_url=settings.endpoint_url,
        client_kwargs={"region_name": settings.region} if settings.region else {},
        config_kwargs={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": read_timeout_s,
            "retries": {"total_max_attempts": 1},
            # Other servers than AWS do not know the newer checksums; Content-MD5 is sent instead.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        },
        skip_instance_cache=True,
        use_listings_cache=False,
    )


@functools.cache
def _descriptions_of_services() -> botocore.loaders.Loader:
    """Return the loader of botocore's data files, which caches them: loading takes most of the time of a new client."""
    return aiobotocore.session.AioSession().get_component("data_loader")


def _answer(error: botocore.exceptions.ClientError) -> tuple[int, str]:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status, str(error.response.get("Error", {}).get("Code", status))


def _may_pass(error: botocore.exceptions.ClientError) -> bool:
    status, code = _answer(error)
    return status in _TRANSIENT_STATUSES or code in _TRANSIENT_CODES


def _reason(error: Exception) -> str:
    """Describe an error without text from a server, which might contain a secret."""
    if isinstance(error, botocore.exceptions.ClientError):
        return _said(*_answer(error))
    return str(error) if isinstance(error, TruncatedBodyError) else type(error).__name__


def _said(status: int | None, code: str) -> str:
    return f"{status} {code}" if status and code != str(status) else code  # an answer to HEAD has no code


def _keep_secrets_out_of_logs() -> None:
    """Silence the debug logs of the libraries: they contain headers, and with them session tokens."""
    for name in ("aiobotocore", "botocore", "s3fs"):
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)
