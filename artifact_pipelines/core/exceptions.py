"""Every error that this package raises, grouped by what its reader does next.

    ArtifactError
    ├── NotFoundError      materialize it first, or correct the name
    │   ├── UnknownFileError
    │   ├── UnknownVersionError
    │   ├── NeverMaterializedError
    │   ├── MissingPartitionsError
    │   ├── NeverPublishedError
    │   ├── UnknownTagError
    │   ├── NothingSelectedError
    │   ├── NothingToRestoreError
    │   ├── CollectedVersionsError
    │   ├── NoCatalogError
    │   └── NoBackupError
    ├── IntegrityError     call the operator: stored data are missing or damaged
    │   ├── MissingBytesError
    │   ├── DamagedBytesError
    │   ├── DamagedBackupError
    │   ├── CatalogOlderThanStoreError
    │   ├── ForeignStoreError
    │   ├── NoCommonFileError
    │   ├── UnreadableBackupError
    │   ├── RefusedRowsError
    │   └── UnequalCopyError
    ├── UsageError         mend the code or the configuration
    │   ├── InvalidFileIdError
    │   ├── InvalidArgumentError
    │   ├── NoBlockingChecksError
    │   ├── NotHeldError
    │   ├── UnsupportedTypeError
    │   ├── UnstorableValueError
    │   ├── WrongFileTypeError
    │   ├── ContentMismatchError
    │   ├── UnknownColumnError
    │   ├── UnsupportedColumnError
    │   ├── ColumnValueError
    │   ├── DuplicateColumnsError
    │   ├── PartitionsAnnotationError
    │   ├── PartitionSchemaError
    │   ├── PartitionColumnError
    │   ├── PartitionedOutputError
    │   ├── ConfigurationError
    │   ├── OutdatedCatalogError
    │   ├── TooMuchToDeleteError
    │   ├── OutdatedBackupError
    │   ├── CatalogNotEmptyError
    │   ├── InvalidQueryError
    │   └── UnsafeQueryError
    ├── SourceError        mend or replace the input
    │   ├── LandingZoneMissingError
    │   ├── NothingLandedError
    │   ├── SourceUnreadableError
    │   ├── SourceVanishedError
    │   ├── SourceChangedError
    │   ├── SourceStreamError
    │   ├── EmptySourceError
    │   ├── UnparsableSourceError
    │   └── SchemaMismatchError
    └── BackendError       wait and try again
        ├── StorageFullError
        ├── StorageUnavailableError
        ├── LocalCopyError
        ├── CatalogUnavailableError
        ├── DagsterNotToldError
        └── LeaseExpiredError

An error is a dataclass: its fields are what a program may ask, its text says what, where, expected, got and what to
do. Standard library only.
"""

import dataclasses
import reprlib
from collections.abc import Sequence

_MOST_NAMES = 50
_MOST_BITS = 2_000  # sys.set_int_max_str_digits allows no less than 640 digits


class _Short(reprlib.Repr):
    """Shows the value of an argument, which may be huge, nested without end, or of more digits than Python writes."""

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < _MOST_BITS else f"a number of {x.bit_length():,} bits"


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


class ArtifactError(Exception):
    """Root of all errors of this package."""


class NotFoundError(ArtifactError):
    """What was asked for is not there."""


class IntegrityError(ArtifactError):
    """Stored data are missing or damaged."""


class UsageError(ArtifactError):
    """The call or the configuration is wrong."""


class SourceError(ArtifactError):
    """The data handed in cannot be used."""


class BackendError(ArtifactError):
    """Storage or catalog failed in a way that may pass."""


def _older_backups(file_ids: Sequence[int]) -> str:
    return f"Name another backup: --file-id N. Older ones that were found: {_known(file_ids)}."


def _known(values: Sequence[object]) -> str:
    return ", ".join(str(value) for value in values) or "none"


def first_names(names: Sequence[str], most: int = 10) -> str:
    """Return names as text, the first of them only where they are many, and each cut where it is long."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(f"{name!r:.200}" for name in names[:most]) + more or "none"


def _is_type(type_name: str | None) -> str:
    return "is missing" if type_name is None else f"is {type_name}"


@dataclasses.dataclass(eq=False)
class UnknownFileError(NotFoundError):
    """No file has this ID."""

    file_id: int

    def __str__(self) -> str:
        return f"No file has ID {self.file_id}. It was never created, or it was released and collected. List: `artifact-pipelines ls`."


@dataclasses.dataclass(eq=False)
class NeverMaterializedError(NotFoundError):
    """An asset (or one partition of it) has nothing stored yet."""

    asset: str
    partition: str | None = None

    def __str__(self) -> str:
        if self.partition is None:
            what, else_ = f"Asset {self.asset} has nothing stored in this catalog", " If it has partitions, name one."
        else:
            what, else_ = f"Asset {self.asset}, partition {self.partition!r}, has nothing stored in this catalog", ""
        return f"{what}. Materialize it first, or check the name: `artifact-pipelines ls`.{else_}"


@dataclasses.dataclass(eq=False)
class MissingPartitionsError(NotFoundError):
    """Some of the partitions that an input covers have nothing stored yet, or all of them where that is allowed.

    Attributes:
        type_name: What the input is annotated with, where all are missing and it does not allow None.
        selection: What was asked for, where that is not what is current.
    """

    asset: str
    missing: Sequence[str]
    wanted: int
    type_name: str | None = None
    selection: str | None = None

    @property
    def what(self) -> str:
        """What is missing, in words."""
        if not self.wanted:
            return f"Asset {self.asset} has no partition that the input covers"
        nothing = f"nothing that is {self.selection}" if self.selection else "nothing stored"
        return f"Asset {self.asset} has {nothing} for {len(self.missing)} of {self.wanted} partitions: {first_names(self.missing)}"

    def __str__(self) -> str:
        if self.selection:
            return f"{self.what}. What there is says `artifact-pipelines history {self.asset}`."
        if self.type_name:
            one = "Materialize one of them, or annotate" if self.wanted else "Annotate"
            return f"{self.what}. {one} the input Optional[{self.type_name}], which is None then."
        return f"{self.what}. Materialize them first, or set allow_missing_partitions to True in the input's metadata."


@dataclasses.dataclass(eq=False)
class NeverPublishedError(NotFoundError):
    """What an asset (or one partition of it) holds has not passed its checks."""

    asset: str
    version: int
    reason: str
    partition: str | None = None

    def __str__(self) -> str:
        what = f"Asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        option = f" --partition {self.partition}" if self.partition is not None else ""
        return (
            f"{what} has nothing that is published; its newest version {self.version} is not: {self.reason}. "
            f"Run its checks, and once they have passed a step that loads it; or publish it as it is: `artifact-pipelines publish {self.asset} --version {self.version}{option}`."
        )


@dataclasses.dataclass(eq=False)
class NoCatalogError(NotFoundError):
    """There is no catalog where one is to be read."""

    where: str

    def __str__(self) -> str:
        return (
            f"There is no catalog at {self.where}, and none was made. Correct the URL: ARTIFACT_CATALOG_URL, or the argument of `catalog migrate`. "
            "Where it is right, `make demo`, Dagster, `artifact-pipelines put` and `artifact-pipelines db upgrade` make one; "
            "`artifact-pipelines catalog restore` brings back one that was lost."
        )


@dataclasses.dataclass(eq=False)
class NoBackupError(NotFoundError):
    """No file in the store is a backup of a catalog, or the one that was named is not there."""

    where: str
    file_id: int | None = None
    unreadable: Sequence[int] = ()

    def __str__(self) -> str:
        unreadable = f" One may be among the files that cannot be read (check the disk): {_known(self.unreadable)}."
        rest = unreadable if self.unreadable else ""
        if self.file_id is not None:
            return f"File {self.file_id} is not in the store {self.where}. Leave out --file-id to take the newest backup there.{rest}"
        return (
            f"The store {self.where} holds no backup of a catalog. Check ARTIFACT_STORAGE_URL; without a backup, "
            f"`artifact-pipelines catalog rebuild` makes a catalog of the files alone.{rest}"
        )


@dataclasses.dataclass(eq=False)
class UnknownVersionError(NotFoundError):
    """An asset has no version of this number."""

    asset: str
    version: int
    newest: int
    partition: str | None = None

    def __str__(self) -> str:
        what = f"Asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        return f"{what} has no version {self.version}; the newest is {self.newest}. List: `artifact-pipelines history {self.asset}`."


@dataclasses.dataclass(eq=False)
class UnknownTagError(NotFoundError):
    """No version of an asset has this tag."""

    asset: str
    tag: str
    tags: Sequence[str]
    partition: str | None = None

    def __str__(self) -> str:
        what = f"asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        return f"No version of {what} has tag {self.tag!r}; there are: {_known(self.tags)}."


@dataclasses.dataclass(eq=False)
class NothingSelectedError(NotFoundError):
    """No kept materialization of an asset is the one that was selected."""

    asset: str
    selection: str
    kept: Sequence[str]
    partition: str | None = None

    def __str__(self) -> str:
        what = f"Asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        return (
            f"{what} has nothing that is {self.selection}; there are: {_known(self.kept)}. Select one of these; what "
            f"retention released comes back with `artifact-pipelines restore {self.asset} --version N`."
        )


@dataclasses.dataclass(eq=False)
class NothingToRestoreError(NotFoundError):
    """Nothing was wiped or released that could be taken back."""

    asset: str
    partition: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        what = f"asset {self.asset}" + (f", partition {self.partition!r}" if self.partition is not None else "")
        what += f", version {self.version}" if self.version is not None else ""
        return (
            f"Of {what} nothing was wiped or released, so there is nothing to restore. "
            f"A version that retention released is restored by its number: `artifact-pipelines restore {self.asset} --version N`."
        )


@dataclasses.dataclass(eq=False)
class CollectedVersionsError(NotFoundError):
    """What is to be restored was collected already."""

    asset: str
    versions: Sequence[str]
    still_there: Sequence[str]

    def __str__(self) -> str:
        text = (
            f"Asset {self.asset}: the files of version {_known(self.versions)} are collected and cannot come back. "
            "Nothing was restored. Materialize the asset again."
        )
        if self.still_there:
            text += f" Still there: {_known(self.still_there)}; restore each with `artifact-pipelines restore {self.asset} --version N`."
        return text


@dataclasses.dataclass(eq=False)
class MissingBytesError(IntegrityError):
    """The catalog knows a file whose bytes are not in the store."""

    file_id: int
    uri: str

    def __str__(self) -> str:
        return (
            f"File {self.file_id} is in the catalog but its bytes are missing at {self.uri}. "
            "Check that the store is the one this catalog belongs to; creating the same content again heals it."
        )


@dataclasses.dataclass(eq=False)
class DamagedBytesError(IntegrityError):
    """A stored file does not have the size or hash that the catalog has for it."""

    file_id: int
    uri: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"File {self.file_id} at {self.uri} is damaged: expected {self.expected}, found {self.found}. "
            "Keep the evidence, restore it from a backup, or create the same content again."
        )


@dataclasses.dataclass(eq=False)
class DamagedBackupError(IntegrityError):
    """A backup of a catalog does not have the hash in its key."""

    file_id: int
    uri: str
    expected: str
    found: str
    older: Sequence[int] = ()

    def __str__(self) -> str:
        return (
            f"Backup {self.file_id} at {self.uri} is damaged: expected {self.expected}, found {self.found}. "
            f"Nothing was restored. {_older_backups(self.older)}"
        )


@dataclasses.dataclass(eq=False)
class CatalogOlderThanStoreError(IntegrityError):
    """The store holds a file whose ID the catalog has not given yet, so the catalog is older than the store."""

    key: str
    where: str
    highest_file_id: int

    def __str__(self) -> str:
        return (
            f"{self.where} holds {self.key}, but the highest file ID that this catalog ever gave is "
            f"{self.highest_file_id}: the catalog is older than this store, or a new one in its place. Nothing was stored. "
            "If ARTIFACT_CATALOG_URL names another catalog than the one of this store, correct it. If that is lost, bring the newest backup back with `artifact-pipelines catalog restore`, or make its files known with "
            "`artifact-pipelines catalog rebuild`."
        )


@dataclasses.dataclass(eq=False)
class ForeignStoreError(IntegrityError):
    """A key of the store and the catalog's row of the same file ID have different content hashes."""

    key: str
    where: str
    expected_hash: str

    def __str__(self) -> str:
        return (
            f"{self.where} holds {self.key}, but in this catalog the file of that ID has content hash "
            f"{self.expected_hash}: this is the catalog of another store, or an old backup of it. Nothing was deleted. "
            "Check ARTIFACT_CATALOG_URL and ARTIFACT_STORAGE_URL, or bring the right catalog back with "
            "`artifact-pipelines catalog restore`."
        )


@dataclasses.dataclass(eq=False)
class NoCommonFileError(IntegrityError):
    """A store none of whose files is in the catalog, and a catalog none of whose files is in the store."""

    where: str
    stored_files: int
    known_files: int

    def __str__(self) -> str:
        return (
            f"{self.where} holds {self.stored_files} files, the catalog knows {self.known_files}, and none of them is "
            "the same: this is the catalog of another store. Nothing was deleted. Check ARTIFACT_CATALOG_URL and "
            "ARTIFACT_STORAGE_URL."
        )


@dataclasses.dataclass(eq=False)
class UnreadableBackupError(IntegrityError):
    """A file is no backup of a catalog, or an incomplete one."""

    uri: str
    problem: str
    older: Sequence[int] = ()

    def __str__(self) -> str:
        return f"{self.uri} cannot be restored: {self.problem}. Nothing was restored. {_older_backups(self.older)}"


@dataclasses.dataclass(eq=False)
class RefusedRowsError(IntegrityError):
    """Rows that a catalog's database does not take."""

    table: str
    reason: str

    def __str__(self) -> str:
        return f"The catalog does not take the rows of table {self.table}: {self.reason}. Nothing was changed. Mend them where they come from, or take another backup."


@dataclasses.dataclass(eq=False)
class UnequalCopyError(IntegrityError):
    """A copy of a catalog is not as its original."""

    differences: Sequence[str]

    def __str__(self) -> str:
        return f"The copy is not as the original: {_known(self.differences)}. Nothing was copied. Make sure that nobody else writes to either, and run again."


@dataclasses.dataclass(eq=False)
class InvalidFileIdError(UsageError):
    """Not something that could be a file ID."""

    value: object

    def __str__(self) -> str:
        return (
            f"A file ID is a positive whole number below 2**63, not {self.value!r}. List them: `artifact-pipelines ls`."
        )


@dataclasses.dataclass(eq=False)
class InvalidArgumentError(UsageError):
    """An argument is not of the form its parameter takes."""

    parameter: str
    value: object
    expected: str

    def __str__(self) -> str:
        return f"{self.parameter} must be {self.expected}, not {_SHORT.repr(self.value):.200}."


@dataclasses.dataclass(eq=False)
class NoBlockingChecksError(UsageError):
    """An asset is to be published after its checks, and has none that block: nothing would ever publish it."""

    asset: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset} is to be published after its checks (`artifact/publish: after_checks`), but in the code location "
            "that runs it no check of it is declared with blocking=True, so nothing would ever publish it. "
            "Declare one, or remove `artifact/publish`."
        )


@dataclasses.dataclass(eq=False)
class NotHeldError(UsageError):
    """A release without a reference to drop."""

    file_id: int
    holder: str
    holders: Sequence[str]

    def __str__(self) -> str:
        return (
            f"File {self.file_id} has no reference of holder {self.holder!r} to release; it is held by: "
            f"{_known(self.holders)}. Each create_artifact gives one reference, and each can be released once."
        )


@dataclasses.dataclass(eq=False)
class UnsupportedTypeError(UsageError):
    """No handler reads or writes values of this type."""

    action: str
    type_name: str
    supported: Sequence[str]
    reason: str = ""

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return (
            f"Cannot {self.action} a value of type {self.type_name}{reason}. Supported: {'; '.join(self.supported)}. "
            "Use one of these, or register a handler for your type: artifact_pipelines.register_type_handler(...)."
        )


@dataclasses.dataclass(eq=False)
class UnstorableValueError(UsageError):
    """A part of a value cannot be stored. It is told by its place and type, for it may be nobody else's business.

    Attributes:
        stored_as: The form that it cannot be given.
        place: Names and numbers that lead to the part; empty: it is the value itself.
        type_name: The type of the part.
        problem: What is wrong with it.
    """

    stored_as: str
    place: Sequence[str]
    type_name: str
    problem: str

    def __str__(self) -> str:
        where = f"{'.'.join(self.place):.200}" or "the value"
        return (
            f"Cannot store as {self.stored_as}: {where}, of type {self.type_name}, {self.problem}. Nothing was stored."
        )


@dataclasses.dataclass(eq=False)
class WrongFileTypeError(UsageError):
    """The stored file is of a format that cannot be read as the type asked for."""

    file_id: int
    file_type: str
    type_name: str
    readable: Sequence[str]
    annotations: Sequence[str]

    def __str__(self) -> str:
        return (
            f"File {self.file_id} is {self.file_type!r} and cannot be read as {self.type_name}, which reads: "
            f"{first_names(self.readable, 6)}. Annotate the input with a type that reads {self.file_type!r}: {'; '.join(self.annotations)}."
        )


@dataclasses.dataclass(eq=False)
class ContentMismatchError(UsageError):
    """What is in a stored file, sound as it is, does not fit the type asked for."""

    file_id: int
    type_name: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"File {self.file_id} cannot be read as {self.type_name}: {self.problem}. {self.remedy}"


@dataclasses.dataclass(eq=False)
class UnknownColumnError(UsageError):
    """Columns were asked for that the stored table does not have."""

    file_id: int
    columns: Sequence[str]
    available: Sequence[str]

    def __str__(self) -> str:
        return (
            f"File {self.file_id} has no column {first_names(self.columns, _MOST_NAMES)}. It has: {first_names(self.available, _MOST_NAMES)}. "
            "Mend `columns` in the input's metadata."
        )


@dataclasses.dataclass(eq=False)
class UnsupportedColumnError(UsageError):
    """A column is of a type that Parquet, or one of its readers, cannot hold."""

    column: str
    type_name: str
    remedy: str

    def __str__(self) -> str:
        return f"Column {self.column!r} of type {self.type_name:.200} cannot be stored as Parquet. Nothing was stored. {self.remedy}"


@dataclasses.dataclass(eq=False)
class ColumnValueError(UsageError):
    """A column holds a value that its type can say, and what is stored of it cannot."""

    column: str
    type_name: str
    problem: str

    def __str__(self) -> str:
        return (
            f"Column {self.column!r:.200} of type {self.type_name:.200} holds a value that cannot be stored: {self.problem:.200}. "
            f"Nothing was stored. {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        if "a key twice" in self.problem:
            return "Keep one of them, or use a list of structs with a key and a value."
        if "within a day" in self.problem:
            return "Mend the value, or cast the column to a duration or to int64."
        if "precision" in self.problem:
            return "A decimal has 38 digits at the most, where DuckDB's HUGEINT has 39: cast the column to text, in DuckDB to VARCHAR."
        if any(kind in self.type_name for kind in ("date", "duration", "time")):
            return "Times in seconds are stored as milliseconds, dates as whole days: mend the value, or cast the column to int64."
        return "A text or a list is stored with a length of 31 bits: split the value over several rows."


@dataclasses.dataclass(eq=False)
class DuplicateColumnsError(UsageError):
    """Several columns of a table have the same name."""

    columns: Sequence[str]

    def __str__(self) -> str:
        return (
            f"More than one column is called {first_names(self.columns, _MOST_NAMES)}. Nothing was stored. "
            "Rename them, for what is stored is read by name."
        )


@dataclasses.dataclass(eq=False)
class PartitionsAnnotationError(UsageError):
    """An input covers many partitions and is annotated with the type of one value."""

    input_name: str
    asset: str
    partitions: int
    type_name: str

    def __str__(self) -> str:
        return (
            f"Input {self.input_name!r} covers {self.partitions} partitions of asset {self.asset}, which are no single "
            f"{self.type_name}. Annotate it dict[str, {self.type_name}], or Iterator[{self.type_name}] beside "
            "AssetIn(dagster_type=dg.Any); tables become one as polars.LazyFrame, polars.DataFrame or pyarrow.Table."
        )


@dataclasses.dataclass(eq=False)
class PartitionSchemaError(UsageError):
    """Partitions that are to become one table do not have the same columns and types."""

    asset: str
    partition: str
    column: str
    found: str | None
    expected: str | None
    expected_of: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset}: column {self.column!r} {_is_type(self.found)} in partition {self.partition!r:.200} and "
            f"{_is_type(self.expected)} in partition {self.expected_of!r:.200}, so they are not one table. Annotate the input "
            "dict[str, polars.LazyFrame] and bring them together yourself, name shared columns in the input's metadata "
            "(`columns`), or materialize the partitions anew."
        )


@dataclasses.dataclass(eq=False)
class PartitionColumnError(UsageError):
    """Partitions that are to become one table have a column of the name that the partition key is to have."""

    asset: str
    partition: str
    column: str

    def __str__(self) -> str:
        return (
            f"Asset {self.asset}: partition {self.partition!r:.200} has a column {self.column!r} already, which is the name "
            "for the column with the partition key. Choose another name for that in the input's metadata: "
            "artifact/partition_column."
        )


@dataclasses.dataclass(eq=False)
class PartitionedOutputError(UsageError):
    """What a run over several partitions put out is not one value for each of them."""

    asset: str
    partitions: int
    problem: str

    def __str__(self) -> str:
        return (
            f"This run covers {self.partitions} partitions of asset {self.asset}, but {self.problem}. Nothing was stored. Return "
            "one value for each partition, as a mapping or a generator of pairs: "
            "{key: ... for key in context.partition_keys}; or let each partition have a run of its own: "
            "backfill_policy=dg.BackfillPolicy.multi_run()."
        )


@dataclasses.dataclass(eq=False)
class ConfigurationError(UsageError):
    """A setting has a value that cannot work."""

    setting: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.problem}. {self.remedy}"


@dataclasses.dataclass(eq=False)
class OutdatedCatalogError(UsageError):
    """The catalog's schema is not the one that this version of the package needs."""

    found: str
    expected: str

    def __str__(self) -> str:
        return (
            f"The catalog's schema is at revision {self.found}, this version of artifact_pipelines needs {self.expected}. "
            "Run `artifact-pipelines db upgrade`; if the catalog is the newer one, install the newer package instead."
        )


@dataclasses.dataclass(eq=False)
class TooMuchToDeleteError(UsageError):
    """A clean-up would delete more of the store than anyone expects."""

    what: str
    files: int
    of_files: int
    size_bytes: int
    of_bytes: int
    allowed: str

    def __str__(self) -> str:
        return (
            f"{self.files:,} of {self.of_files:,} files ({self.size_bytes:,} of {self.of_bytes:,} bytes) would go as "
            f"{self.what}: more than the share of {self.allowed} that may go at once. Nothing of them was deleted. Look at "
            "them with `artifact-pipelines gc --dry-run`; if they may go, allow a larger share with `--max-share`."
        )


@dataclasses.dataclass(eq=False)
class OutdatedBackupError(UsageError):
    """A backup was made with a schema whose rows this version of the package does not know."""

    uri: str
    found: str
    oldest: str
    newest: str

    def __str__(self) -> str:
        return (
            f"The backup {self.uri} was made at schema revision {self.found}, this version of artifact_pipelines restores {self.oldest} to {self.newest}. "
            "Nothing was restored. Install the version that made it and run `artifact-pipelines catalog restore` with that, on an empty catalog; "
            "then install this version again, if it is the newer one, and run `artifact-pipelines db upgrade`."
        )


@dataclasses.dataclass(eq=False)
class CatalogNotEmptyError(UsageError):
    """A catalog that is to be filled holds rows already."""

    where: str
    table: str

    def __str__(self) -> str:
        return f"The catalog {self.where} is not empty: table {self.table} has rows. Nothing was changed. Name an empty database, or move this one away first."


@dataclasses.dataclass(eq=False)
class UnsafeQueryError(UsageError):
    """A user's SQL is not exactly one SELECT, or asked for something it may not have."""

    problem: str

    def __str__(self) -> str:
        return f"The query was refused: {self.problem}. Write one SELECT over the dataset's table; files, settings and extensions are out of its reach."


@dataclasses.dataclass(eq=False)
class InvalidQueryError(UsageError):
    """A user's SQL that the database does not understand or cannot carry out."""

    sql: str
    reason: str
    tables: Sequence[str]

    def __str__(self) -> str:
        return f"The query cannot be answered: {self.reason.strip()}\nTables in reach: {_known(self.tables)}. Mend `query` in the dataset's YAML file:\n{self.sql.strip()}"


@dataclasses.dataclass(eq=False)
class LandingZoneMissingError(SourceError):
    """The landing zone is not a folder that can be read."""

    landing_url: str

    def __str__(self) -> str:
        return f"The landing zone {self.landing_url} is not a readable folder. Create it, or point ARTIFACT_LANDING_URL at the right one."


@dataclasses.dataclass(eq=False)
class NothingLandedError(SourceError):
    """No file in the landing zone matches the dataset's source."""

    dataset: str
    source: str
    landing_url: str

    def __str__(self) -> str:
        return f"Dataset {self.dataset}: no file in {self.landing_url} matches {self.source!r}. Drop one there and materialize again."


@dataclasses.dataclass(eq=False)
class SourceUnreadableError(SourceError):
    """A file exists but may not be read."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be read: {self.reason}. Give the pipeline's user read permission, or drop the file again."


@dataclasses.dataclass(eq=False)
class SourceVanishedError(SourceError):
    """A file was gone when it was to be read, or while it was read."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is gone, or was never there. Check the path; what is dropped into a landing zone has to stay there until it is ingested."


@dataclasses.dataclass(eq=False)
class SourceChangedError(SourceError):
    """A file was written to while it was read."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} changed while it was read. Nothing was stored. It is picked up again once it rests; write elsewhere and move it in, in one step."


@dataclasses.dataclass(eq=False)
class SourceStreamError(SourceError):
    """A stream raised while it was read."""

    reason: str
    offset_bytes: int

    def __str__(self) -> str:
        return f"The content stream failed after {self.offset_bytes:,} bytes: {self.reason}. Nothing was stored. Mend the source and create it again."


@dataclasses.dataclass(eq=False)
class EmptySourceError(SourceError):
    """A file without a byte where data are expected."""

    path: str

    def __str__(self) -> str:
        return f"{self.path} is empty (0 bytes). Drop a file with data; the last good version stays current."


@dataclasses.dataclass(eq=False)
class UnparsableSourceError(SourceError):
    """A file that its format's reader does not understand."""

    path: str
    file_format: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be read as {self.file_format}: {self.reason}. Mend the file, or set `format` in the dataset's YAML file."


@dataclasses.dataclass(eq=False)
class SchemaMismatchError(SourceError):
    """A file whose columns are not those that its dataset declares."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path} does not fit the dataset's declared columns: {self.problem}. Mend the file, or change `columns` or `key` in the dataset's YAML file."


@dataclasses.dataclass(eq=False)
class StorageFullError(BackendError):
    """No space is left where files are stored."""

    where: str

    def __str__(self) -> str:
        return f"No space is left in {self.where}. Nothing was stored. Free space there, or move the store (ARTIFACT_STORAGE_URL), and run again."


@dataclasses.dataclass(eq=False)
class StorageUnavailableError(BackendError):
    """The store did not do what was asked."""

    where: str
    reason: str
    remedy: str = "Check the disk and its permissions, and run again."

    def __str__(self) -> str:
        return f"Storage failed at {self.where}: {self.reason}. Nothing new was stored. {self.remedy}"


@dataclasses.dataclass(eq=False)
class LocalCopyError(BackendError):
    """A stored file could not be copied to where programs read it by its path."""

    file_id: int
    where: str
    reason: str

    def __str__(self) -> str:
        return (
            f"File {self.file_id} could not be copied to {self.where}: {self.reason}. The stored file is as it was. "
            "Make room there, or name another folder for temporary files (TMPDIR), and run again."
        )


@dataclasses.dataclass(eq=False)
class CatalogUnavailableError(BackendError):
    """The catalog's database did not do what was asked.

    Attributes:
        may_pass: Whether nothing was changed and the same may work in a moment; what the catalog itself goes by.
    """

    where: str
    reason: str
    may_pass: bool = dataclasses.field(default=False, repr=False)

    def __str__(self) -> str:
        return f"The catalog {self.where} did not answer: {self.reason}. Check that it runs and can be reached, and run again."


@dataclasses.dataclass(eq=False)
class DagsterNotToldError(BackendError):
    """The catalog has changed, and Dagster could not be told."""

    home: str
    reason: str

    def __str__(self) -> str:
        return f"The catalog is changed, but Dagster's instance in {self.home} could not be told: {self.reason}. Mend that (DAGSTER_HOME), and run the same command again."


@dataclasses.dataclass(eq=False)
class LeaseExpiredError(BackendError):
    """A writer was so slow that its claim on a file ran out."""

    file_id: int

    def __str__(self) -> str:
        return f"The lease on file {self.file_id} ran out before its bytes were stored. Nothing is lost; run again."
