"""Types that every layer shares: identities, states, and the records that pass between layers.

One idea: each identity has its own type, so a file ID is never mistaken for a version number. Standard library only.
"""

import dataclasses
import datetime
import enum
import re
from collections.abc import Mapping
from typing import Any, BinaryIO, NewType, Self

FileId = NewType("FileId", int)
"""Primary key of a stored file in the catalog; positive, never given twice."""

DatasetId = NewType("DatasetId", int)
"""Primary key of a dataset in the catalog."""

VersionId = NewType("VersionId", int)
"""Primary key of one version of a dataset in the catalog; its number counts within the dataset."""

_STORAGE_KEY = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{62})\.([1-9][0-9]{0,18})", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class StoragePath:
    """Key of a file inside a store: `<hash[:2]>/<hash>.<file_id>`.

    No ID is given twice, so a deleted key is never written again. No name that a user chose is part of it.
    """

    content_hash: str
    file_id: FileId

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """Return the path of a key, or None if the key does not have exactly this form."""
        match = _STORAGE_KEY.fullmatch(key)
        return cls(match[2], FileId(int(match[3]))) if match else None

    def __str__(self) -> str:
        return f"{self.content_hash[:2]}/{self.content_hash}.{self.file_id}"


class FileState(enum.StrEnum):
    """State of a file: its row exists first, its bytes second; verification finds damage."""

    PENDING = "pending"
    STORED = "stored"
    DAMAGED = "damaged"


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """Identity of a sequence of bytes."""

    content_hash: str
    size_bytes: int


UNDESCRIBED = "artifact_store/undescribed"
"""Key in the metadata of a file that was found in a store, until a writer describes it; users cannot set it."""


@dataclasses.dataclass(frozen=True, slots=True)
class FileDescription:
    """A writer's description of a file. That of the first writer of the content is kept.

    Attributes:
        file_name: Name of the file that the writer returned, kept with the materialization; it is no content.
    """

    file_type: str
    mime_type: str | None = None
    compression_type: str | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    file_name: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class NewArtifact:
    """One of many files to create; the fields are those of `IArtifactProducer.create_artifact`."""

    content_stream: BinaryIO
    file_type: str
    mime_type: str | None = None
    compression_type: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FileInfo:
    """One row of the catalog's `files`: everything known about a stored file except its bytes.

    Its types are those of its first writer. As a file of a materialization or lease it has the types given there:
    others may have stored the same bytes as something else.
    """

    file_id: FileId
    content_hash: str
    hash_algorithm: str
    size_bytes: int
    file_type: str
    mime_type: str | None
    compression_type: str | None
    storage_path: StoragePath
    state: FileState
    reference_count: int
    metadata: Mapping[str, Any]
    created_at: datetime.datetime
    stored_at: datetime.datetime | None
    verified_at: datetime.datetime | None


@dataclasses.dataclass(frozen=True, slots=True)
class FoundFile:
    """A file in a store that no catalog knows; its description is guessed from its first bytes."""

    path: StoragePath
    size_bytes: int
    description: FileDescription


@dataclasses.dataclass(frozen=True, slots=True)
class Lease:
    """A reference that expires: it holds a file, as it was then, while its bytes are on their way."""

    reference_id: int
    file: FileInfo


CONTAINER = "container"
"""Key in a materialization's metadata: how its files form one value, if it is a dict, list or tuple of several."""


class Publication(enum.StrEnum):
    """State of a materialization: published, a candidate for it, rejected by its checks, or withdrawn by a rollback."""

    PUBLISHED = "published"
    CANDIDATE = "candidate"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"

    @property
    def was_published(self) -> bool:
        """True if it is or was published."""
        return self in (Publication.PUBLISHED, Publication.WITHDRAWN)


SOURCE = "source"
"""Key in the metadata of a materialization: what its writer has noted about its source."""

CHANGES = "changes"
"""Key in the metadata of a table's materialization: how its rows differ from the version before."""

PINNED_INPUTS = "pinned_inputs"
"""Key in the metadata of a materialization: the inputs of which it always loads a chosen version."""

SUPERSEDED = "superseded"
"""First word of the reason if a candidate is rejected only because a newer version became current."""


def publication_word(publication: Publication, reason: str | None) -> str:
    """Return the word for a publication that people see."""
    is_superseded = publication == Publication.REJECTED and (reason or "").startswith(SUPERSEDED)
    return SUPERSEDED if is_superseded else publication.value


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedInput:
    """A materialization that a step loaded to make its output, with its first file, and the number of its files.

    Attributes:
        is_pinned: True if the metadata of the input choose its version, whichever is current.
    """

    materialization_id: int
    asset: str
    partition: str | None
    version: int
    file_id: FileId
    file_count: int = 1
    is_pinned: bool = False

    @classmethod
    def of(cls, made: "Materialization", is_pinned: bool = False) -> Self:
        """Return a materialization as an input."""
        name = (made.asset, made.partition, made.version)
        return cls(made.materialization_id, *name, made.file.file_id, len(made.files), is_pinned)


@dataclasses.dataclass(frozen=True, slots=True)
class MaterializationFacts:
    """The facts that are recorded with a materialization's files.

    Attributes:
        asset: Asset key, its components joined by `/`.
        partition: Partition key, or None.
        dataset: Name of the dataset whose raw content this is: each change is a new dataset version.
        schema: Names and types of the columns, if the artifact is a table.
        inputs: The materializations that were loaded to make it.
        publish_after: Names of the checks that must pass before it becomes current; empty: it becomes current at once.
        is_op_output: True if it is the output of an op and of no asset; `asset` then names run, step and output.
        question: Digest of the question that it answers, by which others find it; None: it answers none.
        made_after: ID of the materialization that it was made from and that must still be current when it is recorded;
            0: none may be. None: whatever is current is replaced.
    """

    asset: str
    data_version: str
    partition: str | None = None
    run_id: str | None = None
    step_key: str | None = None
    code_version: str | None = None
    dataset: str | None = None
    row_count: int | None = None
    schema: Mapping[str, str] | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    inputs: tuple[LoadedInput, ...] = ()
    publish_after: tuple[str, ...] = ()
    is_op_output: bool = False
    made_after: int | None = None
    question: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Materialization:
    """One materialization in the catalog.

    Attributes:
        version: Number of the content within its asset and partition, from 1; recorded again, a content keeps it.
        bytes_added: Growth of the store; 0 for a duplicate.
        publication_reason: Why it is not published, or who published it against its checks; else None.
    """

    materialization_id: int
    asset: str
    partition: str | None
    version: int
    run_id: str | None
    step_key: str | None
    data_version: str
    code_version: str | None
    row_count: int | None
    bytes_added: int
    schema: Mapping[str, str] | None
    metadata: Mapping[str, Any]
    created_at: datetime.datetime
    files: tuple[FileInfo, ...]
    publication: Publication = Publication.PUBLISHED
    publication_reason: str | None = None
    is_op_output: bool = False

    @property
    def file(self) -> FileInfo:
        """The first stored file; all of it, unless the artifact is a container of several."""
        return self.files[0]

    @property
    def source(self) -> Mapping[str, Any]:
        """What its writer has noted about its source; see `artifact/source` of the IO manager."""
        return self.metadata.get(SOURCE, {})  # type: ignore[no-any-return]

    @property
    def publication_text(self) -> str | None:
        """The note on its publication that people see; None if its checks passed, or it has none."""
        word = publication_word(self.publication, self.publication_reason)
        is_enough = self.publication == Publication.PUBLISHED or word == SUPERSEDED
        return self.publication_reason if is_enough else f"{word}: {self.publication_reason}"


@dataclasses.dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One content of a dataset, and the table made from it.

    Attributes:
        number: Counts the changes of the raw content of the dataset, or of its partition, from 1.
        raw: The materialization that brought the content.
        table: The table made from it: the current one, or the newest published one. None: there is none, it waits for
            its checks or was rejected, or it was released.
        is_current: True if the current table, of the partition if there is one, was made from it.
    """

    dataset: str
    number: int
    raw: Materialization
    table: Materialization | None
    tags: tuple[str, ...] = ()
    is_current: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identified a row when the table was made."""
        return tuple(self.table.source.get("key", ())) if self.table else ()

    @property
    def is_in_table(self) -> bool:
        """True if the table has the rows of this content; a run that adds several files may have left it out."""
        files = self.table.source.get("files") if self.table else None
        return self.table is not None and (
            not files or any(file["content_hash"] == self.raw.file.content_hash for file in files)
        )

    @property
    def partition(self) -> str | None:
        """The partition whose content it is; None: the dataset has no partitions."""
        return self.raw.partition

    def __str__(self) -> str:
        partition = "" if self.partition is None else f"[{self.partition}]"
        return f"{self.dataset}{partition}@v{self.number}"


@dataclasses.dataclass(frozen=True, slots=True)
class Rollback:
    """Outcome of a rollback.

    Attributes:
        source: The newest materialization of that version that a run made.
        is_new: True if something changed; False if that version was current already.
        withdrawn: The version that was rolled back from, if it is the later one: runs do not make it current again.
    """

    now: Materialization
    source: Materialization
    is_new: bool
    withdrawn: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """Selects the newest materialization with a file, version, tag or run. Exactly one field is given.

    Attributes:
        as_of: Selects the one that was current at this time of the database's clock; in UTC.
    """

    file_id: FileId | None = None
    version: int | None = None
    tag: str | None = None
    as_of: datetime.datetime | None = None
    run_id: str | None = None

    def __str__(self) -> str:
        [given] = [(name, value) for name, value in dataclasses.asdict(self).items() if value is not None]
        return f"{given[0]} {given[1]}"


@dataclasses.dataclass(frozen=True, slots=True)
class Amount:
    """A number of files and their size."""

    files: int
    size_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class AssetSize:
    """How much the kept versions of an asset hold, each version counted whole although versions may share files."""

    asset: str
    versions: int
    size_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Garbage:
    """A stored file that nothing holds, and the reason.

    Attributes:
        age_s: Seconds since the last reference to it was dropped, by the database's clock.
        asset: The last asset that held it; None if no asset ever did. So are partition, run and version.
    """

    file_id: FileId
    storage_path: StoragePath
    size_bytes: int
    unreferenced_at: datetime.datetime
    age_s: float
    asset: str | None
    partition: str | None
    run_id: str | None
    version: int | None
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Leftover:
    """Bytes that a dead writer left in a store besides files, such as a staging file."""

    name: str
    size_bytes: int


class LandingState(enum.StrEnum):
    """State of a file in the landing zone. One in quarantine could not be ingested, and waits; its reason says why."""

    SEEN = "seen"
    REQUESTED = "requested"
    INGESTED = "ingested"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    DISCARDED = "discarded"


@dataclasses.dataclass(frozen=True, slots=True)
class LandingFile:
    """A file in the landing zone as it was last seen, and its state.

    Attributes:
        path: Path below the landing zone, its components joined by `/`.
        changed_ns: When its bytes, name or rights last changed, by the filesystem's clock.
        attempt: How many runs were requested for it.
        run_key: Key of the last requested run.
    """

    dataset: str
    path: str
    size_bytes: int
    changed_ns: int
    state: LandingState
    attempt: int = 0
    content_hash: str | None = None
    run_key: str | None = None
    reason: str | None = None
