"""Names of stored things, as people write them: `flights/table@v3`, `sales/table[2024-01]`, or a dataset, `flights@v3`.

`@` comes before the version (`v3`) or a tag of it, brackets hold the partition. The name of a dataset alone stands for
its table.
"""

import dataclasses
import re
from collections.abc import Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.dataset_versions import number_in
from artifact_pipelines.catalog.exceptions import VersionWithoutTableError
from artifact_pipelines.core.exceptions import InvalidArgumentError, NotFoundError
from artifact_pipelines.core.types import Materialization, Selection

_MOST = 100_000
_FORM = re.compile(r"(?P<asset>[^@\[\]]+)(?:@(?P<which>[^@\[\]]+))?(?:\[(?P<partition>.+)\])?")


@dataclasses.dataclass(frozen=True, slots=True)
class StoredName:
    """A name in its components.

    Attributes:
        which: `v3`, or a tag; None: the current version.
    """

    asset: str
    which: str | None
    partition: str | None


def parse_stored_name(text: str) -> StoredName:
    """Return the components of a name.

    Raises:
        InvalidArgumentError: It has another form.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        expected = (
            "an asset such as flights/table, flights/table@v3 or sales/table[2024-01], or a dataset such as flights@v3"
        )
        raise InvalidArgumentError("name", text, expected)
    return StoredName(**found.groupdict())


def find_materialization(catalog: Catalog, text: str) -> Materialization:
    """Return what a name stands for.

    Raises:
        InvalidArgumentError: It is no name.
        NotFoundError: Nothing of that name is stored.
    """
    name = parse_stored_name(text)
    try:
        return _of_asset(catalog, name)
    except NotFoundError:
        if "/" in name.asset or name.asset not in catalog.datasets.names():
            raise
    found = catalog.datasets.find("@".join(filter(None, (name.asset, name.which))), name.partition)
    if found.table is None:
        raise VersionWithoutTableError(str(found))
    return found.table


def find_materializations(catalog: Catalog, text: str) -> Sequence[Materialization]:
    """Return what a name stands for; of a partitioned asset without a partition and version, all its partitions.

    Raises:
        InvalidArgumentError: It is no name.
        NotFoundError: Nothing of that name is stored.
    """
    try:
        return [find_materialization(catalog, text)]
    except NotFoundError:
        name = parse_stored_name(text)
        asset = name.asset if "/" in name.asset else f"{name.asset}/table"
        whole = [name.asset, asset] if name.which is None and name.partition is None else []
        current = [made for made in catalog.materializations.list_current(_MOST) if made.asset in whole]
        if not current:
            raise
        return current


def _of_asset(catalog: Catalog, name: StoredName) -> Materialization:
    made = catalog.materializations
    if name.which is None:
        return made.current(name.asset, name.partition)
    if (number := number_in(name.which)) is not None:
        return made.version(name.asset, number, name.partition)
    selection = Selection(tag=name.which)
    found = made.find(name.asset, [name.partition], selection).get(name.partition)
    if found is None:
        raise made.nothing_found(name.asset, name.partition, selection)
    return found
