"""`POST /upload`: the body streams into the store, or into a dataset's landing zone."""

import io
import logging
from collections.abc import AsyncIterator
from typing import Annotated

import pydantic
from anyio import from_thread, to_thread
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.requests import ClientDisconnect

from artifact_pipelines.api.access import ApiSettingsOf, LandingZoneOf, StoreOf
from artifact_pipelines.api.exceptions import RefusedRequestError, UploadBrokenOffError, UploadTooLargeError
from artifact_pipelines.api.problems import responses
from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.datasets.landing.dropping import drop
from artifact_pipelines.datasets.landing.entry_names import to_text
from artifact_pipelines.storage.file_types import describe_by_name

router = APIRouter()
_logger = logging.getLogger(__name__)
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"


class Uploaded(pydantic.BaseModel):
    """The outcome of an upload: a stored file, or a file in the landing zone."""

    file_id: int | None = pydantic.Field(
        default=None, description="ID of the stored file. It stays until it is released."
    )
    content_hash: str | None = pydantic.Field(default=None, description="Hash of its content.")
    size_bytes: int | None = pydantic.Field(default=None, description="Size in bytes.")
    dataset: str | None = pydantic.Field(default=None, description="The dataset whose sensor ingests the file.")
    path: str | None = pydantic.Field(default=None, description="Where the file lies in the landing zone.")


class Body(io.RawIOBase):
    """The body of a request as a stream for the threads that store it. At most one chunk is in memory.

    Attributes:
        received: Bytes so far.
    """

    def __init__(self, chunks: AsyncIterator[bytes], max_bytes: int) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self.received = 0
        self._left = b""

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """See `io.RawIOBase`."""
        while not self._left:
            try:
                self._left = from_thread.run(_next_of, self._chunks)
            except StopAsyncIteration:
                return 0
            except ClientDisconnect as error:
                raise UploadBrokenOffError(self.received) from error
            self.received += len(self._left)
            if self.received > self._max_bytes:
                raise UploadTooLargeError(self._max_bytes)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


async def _next_of(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks)


def body_of(request: Request, settings: ApiSettingsOf) -> Body:
    """Return the body of a request, unless its header already says that it is too large."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise RefusedRequestError("The file must be the body itself, and no form: curl --data-binary @FILE")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > settings.max_bytes:
        raise UploadTooLargeError(settings.max_bytes)
    return Body(aiter(request.stream()), settings.max_bytes)


_FILE = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


@router.post(
    "/upload",
    status_code=201,
    responses={**responses(404, 409, 413, 422, 500), 202: {"model": Uploaded, "description": "Dropped for a dataset"}},
    openapi_extra=_FILE,
)
async def upload(
    name: Annotated[
        str, Query(max_length=255, pattern=_PRINTABLE, description="File name; its extension says the type.")
    ],
    body: Annotated[Body, Depends(body_of)],
    store: StoreOf,
    zone: LandingZoneOf,
    response: Response,
    dataset: Annotated[
        str | None,
        Query(max_length=255, pattern=_PRINTABLE, description="Drop it for this dataset instead of storing it."),
    ] = None,
) -> Uploaded:
    """Store the body of the request as a file, or drop it for a dataset, under its name."""
    started_s = now_s()
    stream = io.BufferedReader(body, 1 << 20)
    if dataset is not None:
        dropped = await to_thread.run_sync(drop, zone, store.catalog, dataset, to_text(name), stream, "name")
        log_done(_logger.info, "dropped", started_s, dataset=dataset, file=dropped.path, bytes=body.received)
        response.status_code = 202
        return Uploaded(dataset=dataset, path=dropped.path)
    kind = describe_by_name(name)
    file_id = await to_thread.run_sync(
        store.create_artifact, stream, kind.file_type, kind.mime_type, kind.compression_type
    )
    response.headers["Location"] = f"/files/{file_id}"
    info = await to_thread.run_sync(store.info, file_id)
    log_done(_logger.info, "uploaded", started_s, file_id=file_id, bytes=info.size_bytes)
    return Uploaded(file_id=file_id, content_hash=info.content_hash, size_bytes=info.size_bytes)
