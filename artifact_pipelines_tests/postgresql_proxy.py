"""A proxy between a client and a PostgreSQL server that cuts the connection at a chosen message.

It knows just enough of the protocol to find the end of a message and of its answer. Clients must use simple queries
without encryption, as psycopg2 does with the proxy's URL.
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Literal, Self

import sqlalchemy as sa

Cut = Literal["before the server has it", "before the server answers", "before the client has the answer"]
CUTS: tuple[Cut, ...] = ("before the server has it", "before the server answers", "before the client has the answer")
_TERMINATE, _READY = b"X", b"Z"


class PostgresqlProxy:
    """A proxy on a loopback port.

    Args:
        url: URL of the server, as `postgresql_url` returns it.

    Attributes:
        url: URL for clients.
        messages: Number of messages that clients have sent.
    """

    def __init__(self, url: str) -> None:
        parsed = sa.make_url(url)
        host = str(parsed.query.get("host") or parsed.host)
        port = parsed.port or 5432
        self._server = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut: tuple[int, Cut] | None = None
        self._then_down = False
        self.messages = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        query = {"sslmode": "disable", "gssencmode": "disable"}
        self.url = parsed.set(host="127.0.0.1", port=self._port, query=query).render_as_string(hide_password=False)
        self._accept()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_down()

    def cut(self, message: int, how: Cut, then_down: bool = False) -> None:
        """Cut the connection once, at the n-th message from now on.

        Args:
            message: Number of the message, from 1.
            how: The moment of the cut.
            then_down: Refuse new connections from then on.
        """
        self._then_down = then_down
        self._cut = (self.messages + message, how)

    @property
    def is_cut(self) -> bool:
        """True if the requested cut has happened."""
        return self._cut is None

    def go_down(self) -> None:
        """Cut every connection and refuse new ones."""
        self._refuse()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def come_up(self) -> None:
        """Accept connections again."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._accept()

    def _refuse(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # or the thread in accept() takes one more
        self._listener.close()

    def _accept(self) -> None:
        listener = self._listener

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=self._serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        family = socket.AF_UNIX if isinstance(self._server, str) else socket.AF_INET
        with client, socket.socket(family) as server, contextlib.suppress(OSError):
            self._open |= {client, server}
            try:
                server.connect(self._server)
                self._relay(client, server)
            finally:
                self._open -= {client, server}

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        message = _read(client, typed=False)
        while message and message[:1] != _TERMINATE:
            how = self._next_cut()
            if how and self._then_down:
                self._refuse()
            if how == "before the server has it":
                return
            server.sendall(message)
            if how == "before the server answers":
                return
            answer = _read_answer(server)
            if how or not answer:
                return
            client.sendall(answer)
            message = _read(client)

    def _next_cut(self) -> Cut | None:
        with self._lock:
            self.messages += 1
            if self._cut is None or self._cut[0] != self.messages:
                return None
            how, self._cut = self._cut[1], None
            return how


def _read_answer(server: socket.socket) -> bytes:
    answer = b""
    while message := _read(server):
        answer += message
        if message[:1] == _READY:
            return answer
    return answer


def _read(connection: socket.socket, typed: bool = True) -> bytes:
    """Read one message: its type (missing in a client's first one), its length, and the rest."""
    head = _exactly(connection, 5 if typed else 4)
    return head and head + _exactly(connection, int.from_bytes(head[-4:]) - 4)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        received = connection.recv(count - len(data))
        if not received:
            return b""
        data += received
    return data
