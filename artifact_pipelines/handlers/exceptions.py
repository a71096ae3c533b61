"""Errors of handlers: values that cannot be stored, and files that cannot be read as the type asked for."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import MOST_NAMES, NotFoundError, UsageError, first_names


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
            f"File {self.file_id} has no column {first_names(self.columns, MOST_NAMES)}. It has: {first_names(self.available, MOST_NAMES)}. "
            "Mend `columns` in the input's metadata."
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
