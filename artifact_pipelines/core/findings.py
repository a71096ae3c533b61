"""The kinds of damage that verification finds, with their remedies. Standard library only."""

import dataclasses
import enum
import re
from collections.abc import Sequence

from artifact_pipelines.core.types import FileId


class FindingKind(enum.StrEnum):
    """A kind of damage, under the name that people read."""

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
        """The next step for the reader."""
        return _REMEDIES[self]


_RESTORE = "restore the object from a backup, or create the same content again, which puts the bytes back"
_REPAIR = "run `artifact-pipelines verify --repair`"
_REMEDIES = {
    FindingKind.MISSING: f"check that the catalog and the store belong together; {_RESTORE}",
    FindingKind.WRONG_SIZE: _RESTORE,
    FindingKind.CORRUPT: _RESTORE,
    FindingKind.UNREADABLE: f"check the disk and permissions; if the error stays, remove the object and {_RESTORE}",
    FindingKind.WRONG_COUNT: _REPAIR,
    FindingKind.HELD_BY_NOTHING: _REPAIR,
    FindingKind.UNHELD: _REPAIR,
    FindingKind.LOST: "materialize it again; until then, its remaining bytes stay in the store",
    FindingKind.ORPHAN: "run `artifact-pipelines gc`, which deletes them",
}


_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One piece of damage.

    Attributes:
        where: URI of the bytes, or holder of the reference.
        expected: State in the catalog.
        found: Actual state.
        holders: Affected assets, with partition and version, and other holders of the file.
        is_repaired: True if the damage is repaired.
    """

    kind: FindingKind
    file_id: FileId
    where: str
    expected: str
    found: str
    holders: Sequence[str] = ()
    is_repaired: bool = False

    def row(self) -> dict[str, object]:
        """Return the columns of a table for people, with each content hash cut to its first 12 digits."""
        expected, found = _HASH.sub(r"\1", self.expected), _HASH.sub(r"\1", self.found)
        facts = {"finding": self.kind.value, "file_id": self.file_id, "hits": ", ".join(self.holders)}
        remedy = "repaired" if self.is_repaired else self.kind.remedy
        return {**facts, "what_to_do": remedy, "expected": expected, "found": found, "where": self.where}
