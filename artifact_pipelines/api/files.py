"""`GET /files/{id}`: the bytes of a stored file, or a range of them."""

import logging
import re
from collections.abc import Iterator
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from artifact_pipelines.api.access import StoreOf
from artifact_pipelines.api.problems import responses
from artifact_pipelines.core.log_lines import log_done, now_s
from artifact_pipelines.core.types import FileInfo

router = APIRouter()
_logger = logging.getLogger(__name__)
_PIECE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_BYTES = {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
_RESPONSES = {
    **responses(404, 500),
    200: _BYTES,
    206: _BYTES,
    304: {"description": "Not changed"},
    416: {"description": "No such range"},
}

FileNumber = Annotated[int, Path(ge=1, lt=1 << 63, description="ID of the file.")]


@router.head("/files/{file_id}", responses=_RESPONSES, response_class=Response)
@router.get("/files/{file_id}", responses=_RESPONSES, response_class=Response)
def get_file(file_id: FileNumber, request: Request, store: StoreOf) -> Response:
    """Return the bytes of a file. The ETag is the hash of the content; one range of bytes may be asked for.

    A whole file is checked against its hash as it is sent: if it is damaged, the connection breaks before the end.
    """
    info = store.info(file_id)
    headers = _headers(info)
    if request.headers.get("if-none-match") in (headers["ETag"], "*"):
        return Response(status_code=304, headers=headers)
    asked = request.headers.get("range") if request.headers.get("if-range") in (None, headers["ETag"]) else None
    wanted = _range(asked, info.size_bytes)
    if wanted is None:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{info.size_bytes}"})
    is_whole = asked is None or not _RANGE.fullmatch(asked)
    headers["Content-Length"] = str(len(wanted))
    if not is_whole:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{info.size_bytes}"
    stream = store.open(file_id, None if is_whole else False)
    status, media = (200 if is_whole else 206), info.mime_type or "application/octet-stream"
    if request.method == "HEAD":
        stream.close()
        return Response(status_code=status, headers=headers, media_type=media)
    return StreamingResponse(_pieces(stream, wanted, file_id), status, headers, media)


def _headers(info: FileInfo) -> dict[str, str]:
    """Return headers that also keep a stored page from running in the name of this server."""
    extension = ".".join(filter(None, (info.file_type, info.compression_type)))
    return {
        "ETag": f'"{info.content_hash}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{info.file_id}.{extension}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }


def _range(header: str | None, size_bytes: int) -> range | None:
    """Return the asked positions; all of them if none or several ranges are asked for; None: it has none of them."""
    match = _RANGE.fullmatch(header or "")
    if not match or match[0] == "bytes=-":
        return range(size_bytes)
    first, last = match[1], match[2]
    if not first:
        wanted = range(max(0, size_bytes - int(last)), size_bytes)
    else:
        wanted = range(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)
    return wanted or None


def _pieces(stream: BinaryIO, wanted: range, file_id: int) -> Iterator[bytes]:
    """Yield the bytes. The last piece of a whole file is held back until the end has proved its hash."""
    started_s = now_s()
    with stream:
        if wanted.start:
            stream.seek(wanted.start)
        left, held = len(wanted), b""
        while left and (piece := stream.read(min(_PIECE_BYTES, left))):
            left -= len(piece)
            yield held
            held = piece
        stream.read(1)
        yield held
    log_done(_logger.info, "sent", started_s, file_id=file_id, bytes=len(wanted))
