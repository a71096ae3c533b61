"""A proxy in front of an S3 server that makes chosen requests fail, before or after the server handles them."""

import dataclasses
import http.client
import http.server
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

_PASSING = {"500": (500, "InternalError"), "503": (503, "ServiceUnavailable"), "SlowDown": (503, "SlowDown")}
_LASTING = {
    "AccessDenied": (403, "AccessDenied"),
    "InvalidAccessKeyId": (403, "InvalidAccessKeyId"),
    "SignatureDoesNotMatch": (403, "SignatureDoesNotMatch"),
    "ExpiredToken": (400, "ExpiredToken"),
    "NoSuchBucket": (404, "NoSuchBucket"),
    "NoSuchKey": (404, "NoSuchKey"),
    "NoSuchUpload": (404, "NoSuchUpload"),
    "PreconditionFailed": (412, "PreconditionFailed"),
    "EntityTooSmall": (400, "EntityTooSmall"),
    "BadDigest": (400, "BadDigest"),
    "NotImplemented": (501, "NotImplemented"),
    "MethodNotAllowed": (405, "MethodNotAllowed"),
}
_ERRORS = {**_PASSING, **_LASTING}
_HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "keep-alive", "expect")


@dataclasses.dataclass(frozen=True)
class Request:
    """A received request, numbered from 0."""

    number: int
    line: str
    headers: Mapping[str, str]
    body: bytes


@dataclasses.dataclass(frozen=True)
class Fault:
    """One way for a request to fail.

    Attributes:
        kind: An error code, `reset`, `truncated`, `whole` or `hook`. As rclone does, `whole` answers a range that
            covers all of an object with 200 instead of 206; other requests succeed.
        is_done: True if the server handles the request before it fails.
        hook: Called for the kind `hook`; then the connection is closed.
    """

    kind: str
    is_done: bool = False
    hook: Callable[[], None] = lambda: None

    def __str__(self) -> str:
        return f"{self.kind} {'after' if self.is_done else 'before'}"


FAULTS = [Fault(kind, is_done) for kind in (*_PASSING, "reset") for is_done in (False, True)] + [
    Fault("truncated", is_done=True)
]
Plan = Callable[[Request], Fault | None]


class Proxy:
    """The requests that the proxy received, and its plan for the next ones.

    Attributes:
        endpoint_url: Where it listens.
        requests: All requests so far.
        plan: Chooses the fault of a request, or None.
    """

    def __init__(self, server_url: str, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self.requests: list[Request] = []
        self.plan: Plan = lambda request: None
        self._server = urlsplit(server_url)
        self._lock = threading.Lock()

    def reset(self, plan: Plan | None = None) -> None:
        """Count from 0 again and follow another plan."""
        self.requests.clear()
        self.plan = plan or (lambda request: None)

    def fault_for(self, line: str, headers: Mapping[str, str], body: bytes) -> Fault | None:
        with self._lock:
            request = Request(len(self.requests), line, headers, body)
            self.requests.append(request)
            return self.plan(request)

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._server.hostname or "", self._server.port, timeout=30)
        connection.request(method, path, body, {**headers, "Connection": "close"})
        return connection.getresponse()


@contextmanager
def faulty_proxy(server_url: str) -> Iterator[Proxy]:
    """Start a proxy on the loopback interface."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    proxy = Proxy(server_url, f"http://127.0.0.1:{server.server_address[1]}")
    server.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fail_at(number: int, fault: Fault, times: int | None = None) -> Plan:
    """Return a plan in which the request of this number and its repetitions fail, a number of times or always."""
    failing: list[str] = []

    def plan(request: Request) -> Fault | None:
        if request.number == number:
            failing.append(request.line)
        elif request.number < number or request.line != failing[0] or len(failing) == times:
            return None
        else:
            failing.append(request.line)
        return fault

    return plan


def fail_from(number: int, fault: Fault) -> Plan:
    """Return a plan in which all requests from this number on fail."""
    return lambda request: fault if request.number >= number else None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    disable_nagle_algorithm = True  # or the body waits 40 ms for the client to acknowledge the head

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):  # the client was killed
            self.close_connection = True

    def _serve(self) -> None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = proxy.fault_for(f"{self.command} {self.path}", dict(self.headers), body)
        if fault is not None and not fault.is_done:
            return self._fail(fault)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        answer = proxy.forward(self.command, self.path, headers, body)
        data = answer.read()
        return self._answer(answer, data) if fault is None else self._fail(fault, answer, data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815

    def _answer(
        self, answer: http.client.HTTPResponse, data: bytes, sent: int | None = None, is_whole: bool = False
    ) -> None:
        self.send_response(200 if is_whole else answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*_HOP_BY_HOP, "date", "server", *(["content-range"] if is_whole else [])):
                self.send_header(name, value)
        is_head = self.command == "HEAD"
        self.send_header("Content-Length", answer.getheader("Content-Length", "0") if is_head else str(len(data)))
        self.end_headers()
        self.wfile.write(data[:sent])

    def _fail(self, fault: Fault, answer: http.client.HTTPResponse | None = None, data: bytes = b"") -> None:
        if fault.kind == "hook":
            fault.hook()
            self.close_connection = True
            return
        if fault.kind == "whole" and answer is not None:
            covered = f"bytes 0-{len(data) - 1}/{len(data)}"
            self._answer(answer, data, is_whole=answer.getheader("Content-Range") == covered)
            return
        if fault.kind in _ERRORS:
            status, code = _ERRORS[fault.kind]
            text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a test</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else text)
            return
        if fault.kind == "truncated" and answer is not None and len(data) > 1:
            self._answer(answer, data, len(data) // 2)
        self.wfile.flush()
        # Lingering for no time at all makes a close a reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fault.kind == "reset":
            self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Log nothing."""
