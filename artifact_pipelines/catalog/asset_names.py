"""The names of assets in a catalog: which there are, which match a pattern, and which someone may have meant."""

import difflib
import re
from collections.abc import Sequence

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection
from artifact_pipelines.catalog.exceptions import NeverMaterializedError
from artifact_pipelines.catalog.tables import materializations

_ASSET, _PARTITION = materializations.c.asset_key, materializations.c.partition_key
_MOST_MEANT = 3
_MOST_COMPARED = 20_000


class AssetNameCatalog(CatalogSection):
    """Names of assets, on SQLite and PostgreSQL. Every method is one query."""

    def exists(self, asset: str) -> bool:
        """True if something was ever recorded for an asset."""
        return bool(self._rows(sa.select(_ASSET).where(materializations.c.asset_key == asset).limit(1)))

    def matching(self, pattern: str = "*", limit: int = _MOST_COMPARED) -> Sequence[str]:
        """Return the names of assets with a kept version that match a pattern, in order; see `matches`."""
        which = [matches(pattern), materializations.c.released_at.is_(None)]
        names = sa.select(_ASSET).where(*which).distinct().order_by(_ASSET).limit(limit)
        return [row.asset_key for row in self._rows(names)]

    def beginning_with(self, prefix: str, limit: int = 1000) -> Sequence[str]:
        """Return the names of assets with a current version that begin with a text, in order."""
        which = [_ASSET.startswith(prefix, autoescape=True), materializations.c.is_current]
        names = sa.select(_ASSET).where(*which, ~materializations.c.is_op_output).distinct()
        return [row.asset_key for row in self._rows(names.order_by(_ASSET).limit(limit))]


def matches(pattern: str) -> sa.ColumnElement[bool]:
    """True if the name of an asset matches: `*` stands for any characters, `?` for one.

    Without these, the pattern is an asset or the beginning of the names of several: `flights` matches `flights/table`.
    """
    parts = ("." if part == "?" else ".*" if part == "*" else re.escape(part) for part in re.split(r"([*?])", pattern))
    below = "" if re.search(r"[*?]", pattern) else "(/.*)?"
    return _ASSET.regexp_match(f"^{''.join(parts)}{below}$")


def never_materialized(connection: sa.Connection, asset: str, partition: str | None) -> NeverMaterializedError:
    """Return the error for an asset or partition that holds nothing, with the names that may have been meant."""
    is_current = (materializations.c.asset_key == asset, materializations.c.is_current, _PARTITION.is_not(None))
    current = sa.select(_PARTITION).where(*is_current)
    partitions = connection.scalars(current.distinct().order_by(_PARTITION.desc()).limit(_MOST_COMPARED)).all()
    if partitions:
        meant = difflib.get_close_matches(partition, partitions, _MOST_MEANT) if partition else partitions[:_MOST_MEANT]
        return NeverMaterializedError(asset, partition, [f"{asset}[{each}]" for each in meant])
    known = sa.select(_ASSET).where(materializations.c.is_current, ~materializations.c.is_op_output).distinct()
    names = connection.scalars(known.limit(_MOST_COMPARED)).all()
    if asset in names and partition is not None:
        return NeverMaterializedError(asset, partition, [asset])  # it has no partitions
    others = [name for name in names if name != asset]
    related = sorted(name for name in others if asset in (name.partition("/")[0], name.rpartition("/")[2]))
    near = [*related[:_MOST_MEANT], *difflib.get_close_matches(asset, others, _MOST_MEANT)]
    return NeverMaterializedError(asset, partition, list(dict.fromkeys(near)))
