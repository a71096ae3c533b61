"""Errors of the catalog: rows that do not exist, or cannot be read or written."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import (
    BackendError,
    IntegrityError,
    NotFoundError,
    UsageError,
    listed,
)


@dataclasses.dataclass(eq=False)
class NeverMaterializedError(NotFoundError):
    """An asset (or one partition of it) has nothing stored yet.

    Attributes:
        meant: Names of what is stored, one of which may have been meant.
    """

    asset: str
    partition: str | None = None
    meant: Sequence[str] = ()

    def __str__(self) -> str:
        what = f"Asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        hint = " If it has partitions, name one." if self.partition is None else ""
        hint = f" Did you mean {' or '.join(self.meant)}?" if self.meant else hint
        return f"{what} has nothing stored in this catalog. Materialize it first, or check the name: `artifact-pipelines ls`.{hint}"


@dataclasses.dataclass(eq=False)
class NeverPublishedError(NotFoundError):
    """Nothing that an asset (or one partition of it) holds has passed its checks."""

    asset: str
    version: int
    reason: str
    partition: str | None = None

    def __str__(self) -> str:
        what = f"Asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        option = f" --partition {self.partition}" if self.partition is not None else ""
        return (
            f"{what} has no published version; its newest version {self.version} is not published: {self.reason}. "
            f"Run its checks, and once they have passed a step that loads it; or publish it unchecked: `artifact-pipelines publish {self.asset} --version {self.version}{option}`."
        )


@dataclasses.dataclass(eq=False)
class NoCatalogError(NotFoundError):
    """There is no catalog to read."""

    where: str

    def __str__(self) -> str:
        return (
            f"There is no catalog at {self.where}, and none was created. Correct the URL: ARTIFACT_CATALOG_URL, or the argument of `catalog migrate`. "
            "If it is right, `make demo`, Dagster, `artifact-pipelines put` and `artifact-pipelines db upgrade` create one; "
            "`artifact-pipelines catalog restore` brings back a lost one."
        )


@dataclasses.dataclass(eq=False)
class UnknownDatasetError(NotFoundError):
    """The catalog has no dataset of this name."""

    dataset: str
    known: Sequence[str]

    def __str__(self) -> str:
        known = f"Known datasets: {listed(self.known)}." if self.known else "No dataset has a version yet: drop a file."
        return f"There is no dataset {self.dataset!r} in this catalog. {known}"


@dataclasses.dataclass(eq=False)
class UnknownDatasetVersionError(NotFoundError):
    """A dataset has no such version, or no longer has it."""

    dataset: str
    selector: str
    known: Sequence[str]
    partition: str | None = None

    def __str__(self) -> str:
        where = "" if self.partition is None else f" of partition {self.partition!r}"
        found = f"has no version {self.selector!r}{where}. Its newest versions: {listed(self.known)}"
        return (
            f"Dataset {self.dataset} {found if self.known else f'has no version{where}'}. "
            f"Write {self.dataset}@v3 or {self.dataset}@TAG; list all: `artifact-pipelines datasets log {self.dataset}`."
        )


@dataclasses.dataclass(eq=False)
class PartitionNeededError(UsageError):
    """A version of a partitioned dataset is named without its partition."""

    dataset: str
    known: Sequence[str]

    def __str__(self) -> str:
        return (
            f"Dataset {self.dataset} has partitions, each with versions of its own. Name one with `--partition`; the last "
            f"that changed: {listed(self.known)}."
        )


@dataclasses.dataclass(eq=False)
class VersionWithoutTableError(NotFoundError):
    """A version of a dataset has no table: none was made, it waits for checks, was rejected, or was released."""

    version: str

    def __str__(self) -> str:
        return (
            f"{self.version} has no table: its file could not be read as one, the table waits for its checks, a check "
            "rejected it, or it was released. "
            f"`artifact-pipelines datasets export {self.version} --raw -o FILE` writes the dropped file."
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
class NotPinnedError(NotFoundError):
    """No version of an asset (or one partition of it) is pinned."""

    asset: str
    partition: str | None = None

    def __str__(self) -> str:
        what = f"asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        return f"No version of {what} is pinned. List: `artifact-pipelines history {self.asset}`."


@dataclasses.dataclass(eq=False)
class UnknownTagError(NotFoundError):
    """No version of an asset has this tag."""

    asset: str
    tag: str
    tags: Sequence[str]
    partition: str | None = None

    def __str__(self) -> str:
        what = f"asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        return f"No version of {what} has tag {self.tag!r}; there are: {listed(self.tags)}."


@dataclasses.dataclass(eq=False)
class NothingSelectedError(NotFoundError):
    """A selection matches no kept materialization of an asset."""

    asset: str
    selection: str
    kept: Sequence[str]
    partition: str | None = None

    def __str__(self) -> str:
        what = f"Asset {self.asset}" + (f", partition {self.partition!r}," if self.partition is not None else "")
        return (
            f"{what} has nothing that is {self.selection}; there are: {listed(self.kept)}. Select one of these; a released "
            f"version comes back with `artifact-pipelines restore {self.asset} --version N`."
        )


@dataclasses.dataclass(eq=False)
class NothingToRestoreError(NotFoundError):
    """Nothing was wiped or released, so nothing can be restored."""

    asset: str
    partition: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        what = f"asset {self.asset}" + (f", partition {self.partition!r}" if self.partition is not None else "")
        what += f", version {self.version}" if self.version is not None else ""
        return (
            f"Nothing of {what} was wiped or released, so there is nothing to restore. "
            f"Restore a version that retention released by its number: `artifact-pipelines restore {self.asset} --version N`."
        )


@dataclasses.dataclass(eq=False)
class CollectedVersionsError(NotFoundError):
    """The versions to restore were collected already."""

    asset: str
    versions: Sequence[str]
    still_there: Sequence[str]

    def __str__(self) -> str:
        text = (
            f"Asset {self.asset}: the files of version {listed(self.versions)} are collected and cannot come back. "
            "Nothing was restored. Materialize the asset again."
        )
        if self.still_there:
            text += f" Still there: {listed(self.still_there)}; restore each with `artifact-pipelines restore {self.asset} --version N`."
        return text


@dataclasses.dataclass(eq=False)
class RefusedRowsError(IntegrityError):
    """Rows that a catalog's database refuses."""

    table: str
    reason: str

    def __str__(self) -> str:
        return f"The catalog refuses the rows of table {self.table}: {self.reason}. Nothing was changed. Fix them at their source, or take another backup."


@dataclasses.dataclass(eq=False)
class UnequalCopyError(IntegrityError):
    """A copy of a catalog differs from its original."""

    differences: Sequence[str]

    def __str__(self) -> str:
        return f"The copy differs from the original: {listed(self.differences)}. Nothing was copied. Make sure that nothing else writes to either, and run again."


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
class ClockJumpedError(UsageError):
    """The clock of a SQLite catalog's host has jumped, so leases and grace periods cannot be trusted."""

    where: str
    shown: str
    expected: str

    def __str__(self) -> str:
        return (
            f"The clock of the host of {self.where} shows {self.shown}, but should show about {self.expected}: it has jumped. "
            "Nothing was deleted, because leases and grace periods would end at the wrong time. Fix the clock. If it is right "
            "now, run `artifact-pipelines gc --accept-clock` once."
        )


@dataclasses.dataclass(eq=False)
class CatalogNotEmptyError(UsageError):
    """A catalog to fill already holds rows."""

    where: str
    table: str

    def __str__(self) -> str:
        return f"The catalog {self.where} is not empty: table {self.table} has rows. Nothing was changed. Name an empty database, or move this one away first."


@dataclasses.dataclass(eq=False)
class ReadOnlyCatalogError(BackendError):
    """The catalog can be read but not written."""

    where: str
    reason: str

    def __str__(self) -> str:
        return (
            f"The catalog {self.where} can be read but not written: {self.reason}. Nothing was changed. Free space on its "
            "disk, or give this user the right to write the file and its folder; a standby server takes no writes."
        )


@dataclasses.dataclass(eq=False)
class OvertakenError(BackendError):
    """Another run changed an asset while a new version of it was made from the one before."""

    asset: str
    partition: str | None

    def __str__(self) -> str:
        name = self.asset if self.partition is None else f"{self.asset}[{self.partition}]"
        return f"Another run changed {name} while this one was made from its last version. Nothing was recorded; run it again."
