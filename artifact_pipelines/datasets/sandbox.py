"""Reads hostile files in a child process, so that a library that aborts, hangs or asks for all memory is one bad file.

One idea: only the child sees the bytes of the file. It has limits and none of the environment's secrets. It answers
through two pipes: the table as an Arrow stream, batch by batch, and notes as lines of JSON. However it ends, the parent
raises an error about the file.
"""

import contextlib
import dataclasses
import functools
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import pyarrow as pa
import pydantic

from artifact_pipelines.core.exceptions import ArtifactError
from artifact_pipelines.core.scratch import scratch_folder
from artifact_pipelines.datasets.exceptions import ReaderDiedError, UnparsableSourceError
from artifact_pipelines.datasets.interfaces import IFileFormat, OpenTable, RawFile, Written
from artifact_pipelines.datasets.reading.bad_rows import SCHEMA, BadRows
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.limits import Limits, limited

_START = "import sys; sys.path[:] = sys.argv[2:]; from artifact_pipelines.datasets.sandbox import main; main()"
_ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TZ")
_PIECE_BYTES = 1 << 20
_MOST_NOTE_BYTES = 256 << 20  # an error may hold a long value
_LINES = pa.field("line", pa.int64())
"""The last column of the stream, if rows have lines."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    """The task of a child, as JSON can say it."""

    module: str
    format_class: str
    options: Mapping[str, Any]
    file: RawFile
    contract: Contract
    memory_bytes: int
    cpu_s: int


_JOB = pydantic.TypeAdapter(_Job)


@contextlib.contextmanager
def open_in_child(
    file_format: IFileFormat, file: RawFile, contract: Contract, limits: Limits | None = None
) -> Iterator[OpenTable]:
    """Open a file as `file_format.open` does, in a child process.

    Raises:
        ReaderDiedError: The child died, or went beyond a limit; also when the table is read.
        ArtifactError: Whatever the format raises.
    """
    limits = limits or contract.limits
    limits = limits.model_copy(update={"cpu_s": limits.cpu_s + file.path.stat().st_size // 1_000_000})
    options = file_format.model_dump(mode="json", exclude_defaults=True)
    kind = type(file_format)
    job = _Job(kind.__module__, kind.__qualname__, options, file, contract, limits.memory_bytes, limits.cpu_s)
    with _started() as (child, notes):
        reading = _Reading(child, notes, file.label, kind.tag(), limits)
        reading.ask(_JOB.dump_json(job))
        yield reading.open()


@contextlib.contextmanager
def _started() -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start a child; at the end it is killed."""
    ours, theirs = os.pipe()
    passed = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder, os.fdopen(ours, "rb", buffering=0) as notes:
        try:
            child = subprocess.Popen(  # noqa: S603  # this module
                [sys.executable, "-c", _START, str(theirs), *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                pass_fds=[theirs],
                env={**passed, "TMPDIR": folder},  # it cannot clean up after it was killed
            )
        finally:
            os.close(theirs)
        with child:
            try:
                yield child, notes
            finally:
                child.kill()


class _Reading:
    """The parent's side."""

    def __init__(
        self, child: subprocess.Popen[bytes], notes: IO[bytes], label: str, file_format: str, limits: Limits
    ) -> None:
        assert child.stdout is not None
        self._child, self._label, self._format, self._limits = child, label, file_format, limits
        self._notes = _Pipe(notes, limits, self._error)
        self._table = _Pipe(child.stdout, limits, self._error)

    def ask(self, job: bytes) -> None:
        """Send the child its task."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died, and its first note will be missing
            self._child.stdin.write(job + b"\n")

    def open(self) -> OpenTable:
        """Return the table as soon as the child has opened it."""
        note = self._next_note()
        bad = BadRows(self._label) if note["leaves_out"] else None
        with self._end_explained():
            reader = pa.ipc.open_stream(self._table)
        schema = pa.schema(list(reader.schema)[:-1]) if note["has_lines"] else reader.schema
        batches = pa.RecordBatchReader.from_batches(schema, self._batches(reader, schema, bad))
        return OpenTable(batches, note["read_as"], self._written if note["has_lines"] else None, bad=bad)

    def _batches(
        self, reader: pa.RecordBatchReader, schema: pa.Schema, bad: BadRows | None
    ) -> Iterator[pa.RecordBatch]:
        with self._end_explained():
            for batch in reader:
                self._check(batch)
                self._lines = batch.columns[-1]
                yield pa.RecordBatch.from_arrays(batch.columns[: len(schema)], schema=schema)
            if bad is not None:
                for batch in pa.ipc.open_stream(self._table):
                    self._check(batch)
                    bad.add_batch(batch)
        self._next_note()  # or the child has not read the whole table

    def _check(self, batch: pa.RecordBatch) -> None:
        """Refuse arrays that are not what they claim: a child that a file has led astray is not trusted."""
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as error:
            raise UnparsableSourceError(self._label, self._format, "its data are damaged") from error

    def _written(self, places: Sequence[int]) -> Sequence[Written]:
        return [(int(self._lines[place].as_py()), None) for place in places]

    @contextlib.contextmanager
    def _end_explained(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, EOFError) as error:
            self._next_note()
            raise self._error("gave no table") from error

    def _next_note(self) -> Mapping[str, Any]:
        line = self._notes.line(_MOST_NOTE_BYTES)
        if not line.endswith(b"\n"):
            raise self._error(self._end() if len(line) < _MOST_NOTE_BYTES else "sent a note without an end")
        try:
            note: Mapping[str, Any] = json.loads(line)
            error = _error_of(note) if "error" in note else None
        except (ValueError, TypeError, KeyError, StopIteration) as fault:  # a child is not trusted
            raise self._error("sent a note that cannot be read") from fault
        if error is not None:
            raise error
        if "memory" in note:
            raise self._error(f"needed more than {self._limits.memory_bytes >> 20:,} MiB of memory")
        return note

    def _end(self) -> str:
        """Return in words how a child ended that had not done its task."""
        code = self._child.wait()
        if code == -signal.SIGXCPU:
            return f"used more than {self._limits.cpu_s:,} s of processor time"
        if code < 0:
            return f"was ended by signal {signal.Signals(-code).name}"
        return "failed unexpectedly, as the output of the step shows"

    def _error(self, end: str) -> ReaderDiedError:
        return ReaderDiedError(self._label, self._format, end)


class _Pipe:
    """A pipe from a child, read by the parent with a limit of time.

    Args:
        error: Returns the error for the end of the child, in words.
    """

    closed = False

    def __init__(self, stream: IO[bytes], limits: Limits, error: Callable[[str], Exception]) -> None:
        self._descriptor, self._limits, self._error = stream.fileno(), limits, error
        self._rest = b""
        self._poll = select.poll()
        self._poll.register(stream, select.POLLIN)

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer at the end.

        Raises:
            ReaderDiedError: They are more than the child may have in memory, or do not come in time.
        """
        if size > self._limits.memory_bytes:
            raise self._error("sent more at once than it may have in memory")
        found = bytearray()
        while len(found) < size and (piece := self._piece(size - len(found))):
            found += piece
        return bytes(found)

    def line(self, most: int) -> bytes:
        """Return the bytes up to the next line end, or fewer at the end or beyond a number."""
        found = bytearray(self._rest)
        while b"\n" not in found and len(found) < most and (piece := self._piece(_PIECE_BYTES)):
            found += piece
        end = found.find(b"\n") + 1 or len(found)
        self._rest = bytes(found[end:])
        return bytes(found[:end])

    def _piece(self, size: int) -> bytes:
        if not self._poll.poll(self._limits.silence_s * 1_000):
            raise self._error(f"gave no answer for {self._limits.silence_s:g} seconds")
        return os.read(self._descriptor, min(size, _PIECE_BYTES))


def _error_of(note: Mapping[str, Any]) -> ArtifactError:
    """Return an error that a child has noted: one of those that the parent knows, for a child is not trusted."""
    return next(kind for kind in _below(ArtifactError) if _name(kind) == note["error"])(**note["fields"])


def _below(kind: type[ArtifactError]) -> Iterator[type[ArtifactError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def main() -> None:
    """Do the task that comes as a line of standard input. Runs in the child."""
    with os.fdopen(os.dup(1), "wb") as table, os.fdopen(int(sys.argv[1]), "w") as notes:
        os.dup2(2, 1)  # a library may print
        job = _JOB.validate_json(sys.stdin.buffer.readline())
        threading.Thread(target=_end_with_parent, daemon=True).start()
        _limit(job)
        try:
            _send(job, table, notes)
            note: Mapping[str, Any] = {"done": True}
        except ArtifactError as error:
            fields = {field.name: getattr(error, field.name) for field in dataclasses.fields(error)}  # type: ignore[arg-type]
            note = {"error": _name(type(error)), "fields": fields}
        except MemoryError:
            note = {"memory": True}
        _write(notes, note)
        table.flush()
    os._exit(0)  # a library may hang while it is taken down


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def _limit(job: _Job) -> None:
    for what, most in ((resource.RLIMIT_DATA, job.memory_bytes), (resource.RLIMIT_CPU, job.cpu_s)):
        resource.setrlimit(what, (most, resource.getrlimit(what)[1]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _send(job: _Job, table: IO[bytes], notes: IO[str]) -> None:
    kind = functools.reduce(getattr, job.format_class.split("."), importlib.import_module(job.module))
    file_format = kind.model_validate(job.options)
    with limited(job.file.path, job.contract.limits), file_format.open(job.file, job.contract) as opened:
        leaves_out, has_lines = opened.bad is not None, opened.written is not None
        _write(notes, {"read_as": dict(opened.read_as), "leaves_out": leaves_out, "has_lines": has_lines})
        schema = opened.batches.schema
        with pa.ipc.new_stream(table, schema.append(_LINES) if has_lines else schema) as writer:
            table.flush()
            for batch in opened.batches:
                writer.write_batch(_with_lines(batch, opened.written) if opened.written else batch)
                table.flush()
        if opened.bad is not None:
            with pa.ipc.new_stream(table, SCHEMA) as writer:
                for batch in opened.bad.batches():
                    writer.write_batch(batch)
        table.flush()


def _with_lines(batch: pa.RecordBatch, written: Callable[[Sequence[int]], Sequence[Written]]) -> pa.RecordBatch:
    lines = [line for line, _ in written(range(batch.num_rows))]
    return pa.RecordBatch.from_arrays(
        [*batch.columns, pa.array(lines, _LINES.type)], schema=batch.schema.append(_LINES)
    )


def _write(notes: IO[str], note: Mapping[str, Any]) -> None:
    notes.write(json.dumps(note) + "\n")
    notes.flush()
