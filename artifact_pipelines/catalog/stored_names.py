"""Names of stored things, as people write them: `flights/table@v3`, `sales/table[2024-01]`, `flights@v3`, or a file ID.

`@` comes before the version (`v3`) or a tag of it, brackets hold the partition. The name of a dataset stands for its
table, and its versions are those of the dataset. A number is a file ID, unless an asset has this name.
"""

import dataclasses
import re
from collections.abc import Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.dataset_versions import number_in
from artifact_pipelines.catalog.exceptions import VersionWithoutTableError
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import CONTAINER, FileId, FileInfo, Materialization, Selection

_MOST = 100_000
_MOST_HOLDERS = 20
_NUMBER = re.compile("-?[0-9]+", re.ASCII)
_FORM = re.compile(r"(?P<asset>[^@\[\]]+)(?:@(?P<which>[^@\[\]]+))?(?:\[(?P<partition>.+)\])?")
_EXPECTED = (
    "an asset such as flights/table, flights/table@v3 or sales/table[2024-01], a dataset such as flights@v3, "
    "or the ID of a file"
)


@dataclasses.dataclass(frozen=True, slots=True)
class StoredName:
    """The asset, partition and version that a name stands for.

    Attributes:
        version: Number of the version; None: the current one.
    """

    asset: str
    partition: str | None = None
    version: int | None = None


def resolve_name(
    catalog: Catalog, text: str, partition: str | None = None, version: int | None = None, with_candidates: bool = False
) -> StoredName:
    """Return what a name stands for. Whether that partition and version are kept is not looked at.

    Args:
        catalog: The catalog.
        text: The name.
        partition: Partition, if the name has none.
        version: Number of the version, if the name has none; for a dataset, of its version.
        with_candidates: True: a version of a dataset means its newest table, even a candidate or a rejected one.

    Raises:
        InvalidArgumentError: It is no name, or it names a partition or version and another is given.
        NotFoundError: There is no such asset, dataset, tag or file.
    """
    if catalog.asset_names.exists(text):  # whatever characters it has
        return StoredName(text, partition, version)
    if _NUMBER.fullmatch(text):
        return _holder(catalog, text, partition, version)
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise InvalidArgumentError("name", text, _EXPECTED)
    asset, which = found["asset"], found["which"]
    partition = _one_of("partition", found["partition"], partition, text)
    which = _one_of("version", which, None if version is None else f"v{version}", text)
    if catalog.asset_names.exists(asset):
        return StoredName(asset, partition, _number(catalog, asset, partition, which))
    if asset in catalog.datasets.names():
        return _table_of(catalog, asset, partition, which, with_candidates)
    raise catalog.materializations.nothing_found(asset, partition)


def is_file_id(catalog: Catalog, text: str) -> bool:
    """True if a text is a number, and no asset has this name."""
    return bool(_NUMBER.fullmatch(text)) and not catalog.asset_names.exists(text)


def find_materialization(
    catalog: Catalog, text: str, partition: str | None = None, version: int | None = None
) -> Materialization:
    """Return the materialization that a name stands for. Arguments and errors: see `resolve_name`.

    Raises:
        NotFoundError: Nothing of that name is kept.
    """
    return _kept(catalog, resolve_name(catalog, text, partition, version))


def find_file(catalog: Catalog, text: str) -> tuple[FileInfo, Materialization | None]:
    """Return the one file that a name stands for, and whose it is; None for a file ID.

    Raises:
        InvalidArgumentError: It is no name, or stands for several files.
        NotFoundError: Nothing of that name is kept.
    """
    if is_file_id(catalog, text):
        return catalog.files.get_file(FileId(int(text))), None
    made = find_materialization(catalog, text)
    if len(made.files) > 1:
        names = [str(name) for name, _ in made.metadata[CONTAINER]["members"]]
        files = [f"{name} is file {file.file_id}" for name, file in zip(names, made.files, strict=True)]
        raise InvalidArgumentError("name", text, f"one file, and it has several: {', '.join(files)}")
    return made.file, made


def find_materializations(catalog: Catalog, text: str) -> Sequence[Materialization]:
    """Return what a name stands for; of a partitioned asset without a partition and version, all its partitions.

    Raises:
        InvalidArgumentError: It is no name.
        NotFoundError: Nothing of that name is stored.
    """
    name = resolve_name(catalog, text)
    if name.partition is None and name.version is None:
        current = catalog.materializations.list_current(_MOST, asset=name.asset, with_ops=True)
        if current:
            return current
    return [_kept(catalog, name)]


def _kept(catalog: Catalog, name: StoredName) -> Materialization:
    if name.version is None:
        return catalog.materializations.current(name.asset, name.partition)
    return catalog.materializations.version(name.asset, name.version, name.partition)


def _one_of(what: str, in_name: str | None, given: str | None, text: str) -> str | None:
    if in_name is not None and given is not None and in_name != given:
        raise InvalidArgumentError(what, given, f"left out, because {text} names one")
    return given if in_name is None else in_name


def _number(catalog: Catalog, asset: str, partition: str | None, which: str | None) -> int | None:
    if which is None or (number := number_in(which)) is not None:
        return None if which is None else number
    selection = Selection(tag=which)
    found = catalog.materializations.find(asset, [partition], selection).get(partition)
    if found is None:
        raise catalog.materializations.nothing_found(asset, partition, selection)
    return found.version


def _table_of(
    catalog: Catalog, dataset: str, partition: str | None, which: str | None, with_candidates: bool
) -> StoredName:
    if which is None:
        table = f"{dataset}/table"
        if not catalog.asset_names.exists(table):
            raise VersionWithoutTableError(dataset)
        return StoredName(table, partition)
    found = catalog.datasets.find(f"{dataset}@{which}", partition)
    made = catalog.datasets.newest_table(found) if with_candidates else found.table
    if made is None:
        raise VersionWithoutTableError(str(found))
    return StoredName(made.asset, found.partition, made.version)


def _holder(catalog: Catalog, text: str, partition: str | None, version: int | None) -> StoredName:
    """Return the one asset that has a file; the error names all of them if there are several."""
    if partition is not None or version is not None:
        raise InvalidArgumentError("name", text, "an asset: a file has neither partitions nor versions")
    file = catalog.files.get_file(FileId(int(text)))
    made = catalog.lineage.holders(file.file_id, _MOST_HOLDERS)
    if len(made) == 1:
        return StoredName(made[0].asset, made[0].partition, made[0].version)
    names = [f"{m.asset}@v{m.version}{'' if m.partition is None else f'[{m.partition}]'}" for m in made]
    expected = f"one of the assets that have this file: {', '.join(names)}" if names else "a file of an asset"
    raise InvalidArgumentError("name", text, expected)
