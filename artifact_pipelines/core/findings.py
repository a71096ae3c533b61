"""What verification finds wrong with a store or its catalog. Standard library only."""

import dataclasses
import enum
import re
from collections.abc import Sequence

from artifact_pipelines.core.types import FileId


class FindingKind(enum.StrEnum):
    """What can be wrong, named as people read it."""

    MISSING = "missing bytes"
    WRONG_SIZE = "wrong size"
    CORRUPT = "corrupt bytes"
    UNREADABLE = "unreadable bytes"
    WRONG_COUNT = "wrong count"
    HELD_BY_NOTHING = "reference of nothing"
    UNHELD = "kept but not held"
    LOST = "kept but collected"
    ORPHAN = "bytes without a row"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self]


_RESTORE = "restore the object from a backup, or make the content again: creating it puts the bytes back"
_REPAIR = "run `artifact-pipelines verify --repair`"
_REMEDIES = {
    FindingKind.MISSING: f"check that this is the catalog's store; {_RESTORE}",
    FindingKind.WRONG_SIZE: _RESTORE,
    FindingKind.CORRUPT: _RESTORE,
    FindingKind.UNREADABLE: f"check the disk and permissions; if it stays so, remove the object and {_RESTORE}",
    FindingKind.WRONG_COUNT: _REPAIR,
    FindingKind.HELD_BY_NOTHING: _REPAIR,
    FindingKind.UNHELD: _REPAIR,
    FindingKind.LOST: "materialize it again; bytes of it that are still in the store stay there until then",
    FindingKind.ORPHAN: "run `artifact-pipelines gc`, which removes what no row knows",
}


_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def shorten_hashes(text: str) -> str:
    """Return a text with each content hash cut to its first 12 digits, for tables."""
    return _HASH.sub(r"\1", text)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        where: URI of the bytes, or the holder of a reference.
        expected: What the catalog says.
        found: What is there instead.
        holders: Whom it hits: assets with partition and version, or other holders of the file.
        is_repaired: Whether it is in order again.
    """

    kind: FindingKind
    file_id: FileId
    where: str
    expected: str
    found: str
    holders: Sequence[str] = ()
    is_repaired: bool = False
