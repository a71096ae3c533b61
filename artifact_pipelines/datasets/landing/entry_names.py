r"""Names in the landing zone as text, and the globs that choose them.

One idea: a name is bytes, and the catalog, run configurations and people need text. A byte that is not UTF-8 or not
printable is written `\xHH`, and a backslash `\\`, so every name has one text and every text at most one name.
"""

import fnmatch
import os
import pathlib
import re
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.storage.exceptions import SourceUnreadableError

MOST_PATH_BYTES = 1_024  # as on S3; the indexes of databases have limits too
_ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2})")


def to_text(path: str) -> str:
    """Return a path below the landing zone, as `os` functions give it, as readable text."""
    name = os.fsencode(path).decode(errors="surrogateescape")
    return "".join(
        character if character.isprintable() and character != "\\" else _escaped(character) for character in name
    )


def from_text(text: str) -> str:
    """Return the path, as `os` functions take it, that a text names."""
    parts = _ESCAPED.split(text)  # text and escapes alternate
    raw = b"".join(_unescaped(part) if at % 2 else part.encode(errors="surrogatepass") for at, part in enumerate(parts))
    return os.fsdecode(raw)


def shortened(text: str) -> str:
    """Return the text of a path that is too long, cut off where no path ends."""
    return text.encode()[: MOST_PATH_BYTES - 4].decode(errors="ignore") + "…"


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))


def _unescaped(escape: str) -> bytes:
    return b"\\" if escape == "\\" else bytes.fromhex(escape[1:])


def check_inside(path: str) -> None:
    """Check that a path, as `os` functions take it, leads to a file below the landing zone.

    Raises:
        SourceUnreadableError: It does not.
    """
    if path.startswith("/") or {"..", ".", ""} & set(path.split("/")) or "\0" in path:
        raise SourceUnreadableError(to_text(path), "it is not the path of a file below the landing zone")


def check_source(source: str) -> None:
    """Check that a dataset's source is a glob below the landing zone.

    Raises:
        InvalidArgumentError: It is absolute, empty, or leaves the landing zone.
    """
    parts = pathlib.PurePosixPath(source)
    if not parts.parts or parts.is_absolute() or ".." in parts.parts:
        raise InvalidArgumentError("source", source, "a glob below the landing zone, such as 'flights*.csv'")


def find_ignoring(names: Sequence[str], ignored: Sequence[str]) -> tuple[str, str] | None:
    """Return the first of some names that is ignored, and the glob that matches it; None: none is."""
    pairs = ((name, pattern) for name in names for pattern in ignored if fnmatch.fnmatchcase(name, pattern))
    return next(pairs, None)


class SourceGlob:
    """A dataset's source, matched one component at a time, so that only folders that may hold a match are listed.

    A state is the set of components of the glob that may match next. `**` matches any number of folders.

    Args:
        source: The glob.
        ignored: Globs of names, of files and folders, that nothing matches.
    """

    def __init__(self, source: str, ignored: Sequence[str] = (".*",)) -> None:
        check_source(source)
        self._source = source
        self._parts = pathlib.PurePosixPath(source).parts
        self._ignored = ignored
        self.start = self._closed({0})

    def __str__(self) -> str:
        return self._source

    def step(self, state: frozenset[int], name: str) -> frozenset[int]:
        """Return the state below an entry of this name."""
        if find_ignoring([name], self._ignored):
            return frozenset()
        stays = {at for at in state if at < len(self._parts) and self._parts[at] == "**"}
        goes = {at + 1 for at in state - stays if at < len(self._parts) and fnmatch.fnmatchcase(name, self._parts[at])}
        return self._closed(stays | goes)

    def is_match(self, state: frozenset[int]) -> bool:
        """True if the entry that led to this state matches."""
        return len(self._parts) in state

    def may_match_below(self, state: frozenset[int]) -> bool:
        """True if an entry below may match."""
        return any(at < len(self._parts) for at in state)

    def _closed(self, state: set[int]) -> frozenset[int]:
        for at, part in enumerate(self._parts):
            if part == "**" and at in state:
                state.add(at + 1)
        return frozenset(state)
