"""Errors of handlers: values that cannot be stored, and files that cannot be read as the requested type."""

import dataclasses
from collections.abc import Sequence

from artifact_pipelines.core.exceptions import MOST_NAMES, NotFoundError, UsageError, first_names
from artifact_pipelines.tabular.exceptions import handler_example


@dataclasses.dataclass(eq=False)
class MissingPartitionsError(NotFoundError):
    """Partitions that an input covers have no stored value.

    Attributes:
        type_name: Annotation of the input, if all partitions are missing and it does not allow None.
        selection: Requested version, if it is not the current one.
    """

    asset: str
    missing: Sequence[str]
    wanted: int
    type_name: str | None = None
    selection: str | None = None

    @property
    def what(self) -> str:
        """The missing partitions, in words."""
        if not self.wanted:
            return f"The input covers no partition of asset {self.asset}"
        nothing = f"nothing that is {self.selection}" if self.selection else "no value"
        return f"Asset {self.asset} has {nothing} for {len(self.missing)} of {self.wanted} partitions: {first_names(self.missing)}"

    def __str__(self) -> str:
        if self.selection:
            return f"{self.what}. List its versions: `artifact-pipelines history {self.asset}`."
        if self.type_name:
            one = "Materialize one of them, or annotate" if self.wanted else "Annotate"
            return f"{self.what}. {one} the input Optional[{self.type_name}] to receive None."
        return f"{self.what}. Materialize them first, or set allow_missing_partitions to True in the input's metadata."


@dataclasses.dataclass(eq=False)
class UnstorableValueError(UsageError):
    """A value, or an element of it, cannot be stored. The message shows its path and type only: it may be confidential.

    Attributes:
        stored_as: Format that cannot hold it.
        path: Names and numbers that lead to the element; empty: the value itself.
        type_name: Type of the element.
        problem: The reason.
        needs_handler: True if a handler for the type would store it.
    """

    stored_as: str
    path: Sequence[str]
    type_name: str
    problem: str
    needs_handler: bool = dataclasses.field(default=False, repr=False)

    def __str__(self) -> str:
        where = f"{'.'.join(self.path):.200}" or "the value"
        example = handler_example(self.type_name) if self.needs_handler else ""
        return (
            f"Cannot store as {self.stored_as}: {where}, of type {self.type_name}, {self.problem}. Nothing was stored."
            f"{example}"
        )


@dataclasses.dataclass(eq=False)
class UnstorablePathError(UsageError):
    """A returned path does not lead to a file."""

    path: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"Cannot store {self.path}: {self.problem}. Nothing was stored. {self.remedy}, or return the path as text: str(path)."


@dataclasses.dataclass(eq=False)
class WrongFileTypeError(UsageError):
    """The stored file has a format that cannot be read as the requested type."""

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
class NestedContainerError(UsageError):
    """A table, array or other value with a file of its own lies deeper in a container than one level.

    Attributes:
        path: Names and positions that lead to the element.
    """

    path: Sequence[str]
    type_name: str

    def __str__(self) -> str:
        return (
            f"Cannot store {'.'.join(self.path):.200}, of type {self.type_name}: tables and arrays may be elements of a "
            "dict, list or tuple, but not of one inside another. Make each group an asset of its own, as an output of a "
            "multi_asset, or use one dict with names such as 'train.x'. Nothing was stored."
        )


@dataclasses.dataclass(eq=False)
class UnstorableOutputsError(UsageError):
    """Several annotated outputs cannot be stored.

    Attributes:
        refusals: The text of the error of each.
    """

    refusals: Sequence[str]

    def __str__(self) -> str:
        each = "\n".join(f"- {refusal.partition('. ')[0]}" for refusal in self.refusals)
        return f"{len(self.refusals)} outputs cannot be stored:\n{each}\n\nThe first in full: {self.refusals[0]}"


@dataclasses.dataclass(eq=False)
class ContainerAnnotationError(UsageError):
    """The stored value is a container of several files, and the annotation does not fit its kind or its members.

    Attributes:
        kind: `dict`, `list` or `tuple`.
        names: Names of the members, each of them a file.
    """

    file_ids: Sequence[int]
    kind: str
    names: Sequence[str]
    type_name: str

    def __str__(self) -> str:
        kind = self.kind.removeprefix("keyed_")
        form = {"dict": "dict[str, T]", "keyed_dict": "dict[K, T] with the type K of its keys,"}.get(
            self.kind, "list[T]"
        )
        return (
            f"The value is a {kind} of files (members: {first_names(self.names, 6)}; file IDs: "
            f"{first_names(list(map(str, self.file_ids)), 6)}) and cannot be read as {self.type_name}. Annotate "
            f"{form} with the type T of its members, {kind}, or nothing."
        )


@dataclasses.dataclass(eq=False)
class ContentMismatchError(UsageError):
    """The content of an undamaged stored file does not fit the requested type."""

    file_id: int
    type_name: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"File {self.file_id} cannot be read as {self.type_name}: {self.problem}. {self.remedy}"


@dataclasses.dataclass(eq=False)
class InvalidTableError(UsageError):
    """A table does not fit the model of the annotated class, which says why."""

    model: str
    reason: str

    def __str__(self) -> str:
        return (
            f"The table does not fit {self.model}: {self.reason}. Fix the table or the model, or annotate a class that "
            "does not validate, such as polars.DataFrame."
        )


@dataclasses.dataclass(eq=False)
class RoundedColumnError(UsageError):
    """A column of integers would be rounded in a pandas frame, which makes floats of integers beside nulls."""

    column: str

    def __str__(self) -> str:
        return (
            f"Column {self.column!r:.200} has integers of more than 53 bits beside nulls, and pandas would round them. Annotate "
            "polars.DataFrame or pyarrow.Table, fill the nulls, or store the column with the pandas dtype 'Int64'."
        )


@dataclasses.dataclass(eq=False)
class UnknownColumnError(UsageError):
    """The stored table lacks requested columns."""

    file_id: int
    columns: Sequence[str]
    available: Sequence[str]

    def __str__(self) -> str:
        return (
            f"File {self.file_id} has no column {first_names(self.columns, MOST_NAMES)}. It has: {first_names(self.available, MOST_NAMES)}. "
            "Fix `columns` in the input's metadata."
        )


@dataclasses.dataclass(eq=False)
class PartitionsAnnotationError(UsageError):
    """An input covers many partitions but is annotated with the type of one value."""

    input_name: str
    asset: str
    partitions: int
    type_name: str

    def __str__(self) -> str:
        return (
            f"Input {self.input_name!r} covers {self.partitions} partitions of asset {self.asset}, not a single "
            f"{self.type_name}. Annotate it dict[str, {self.type_name}], or Iterator[{self.type_name}] beside "
            "AssetIn(dagster_type=dg.Any); tables become one as polars.LazyFrame or another kind of table."
        )


@dataclasses.dataclass(eq=False)
class PartitionedOutputError(UsageError):
    """The output of a run over several partitions is not one value for each of them."""

    asset: str
    partitions: int
    problem: str

    def __str__(self) -> str:
        return (
            f"This run covers {self.partitions} partitions of asset {self.asset}, but {self.problem}. Nothing was stored. Return "
            "one value for each partition, as a mapping or a generator of pairs: "
            "{key: ... for key in context.partition_keys}; or a table whose rows name their partition in a text column, "
            'with metadata={"artifact/partition_column": ...}; or run each partition separately: '
            "backfill_policy=dg.BackfillPolicy.multi_run()."
        )
