"""Tables whose rows have no order, as after a query without ORDER BY: their data version ignores the order of rows."""

from collections.abc import Mapping
from typing import Any

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import FileDescription
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.storage.hashing import OneThreadHasher

ROW_ORDER_METADATA_KEY = "artifact/row_order"
"""Asset metadata: `any` declares that the order of a table's rows means nothing."""


def is_unordered(asset_metadata: Mapping[str, Any], description: FileDescription) -> bool:
    """True if an asset's metadata declare that its rows have no order.

    Raises:
        InvalidArgumentError: The metadata hold another word, or the value to be stored is not a table.
    """
    declared = asset_metadata.get(ROW_ORDER_METADATA_KEY)
    if declared is None:
        return False
    if declared != "any":
        raise InvalidArgumentError(ROW_ORDER_METADATA_KEY, declared, "'any', or left out if the order counts")
    if description.file_type != "parquet":
        expected = f"left out of the metadata of an asset that is not a table (it is stored as {description.file_type})"
        raise InvalidArgumentError(ROW_ORDER_METADATA_KEY, declared, expected)
    return True


def unordered_version(stored: Artifact) -> str:
    """Return the data version of a stored table whose rows have no order.

    Raises:
        IntegrityError: The file is missing or damaged.
    """
    from artifact_pipelines.tabular.unordered_hash import unordered_hash

    stored.verify()  # the reads below seek, so they are not verified
    with stored.open(verify=False) as stream:
        return unordered_hash(stream, OneThreadHasher)
