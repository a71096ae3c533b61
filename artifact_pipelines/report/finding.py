"""Finds the stored report of a version, or makes one."""

import pathlib
from typing import NamedTuple

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.report.gathering import gather
from artifact_pipelines.report.page import render
from artifact_pipelines.store import Store

_MOST_REPORTS = 1000


class FoundReport(NamedTuple):
    """A report.

    Attributes:
        page: HTML, encoded.
        stem: Name of its file, without extension.
        is_stored: False: it was made now, without the results of checks that only Dagster knows.
    """

    page: bytes
    stem: str
    is_stored: bool


def find_report(store: Store, name: str) -> FoundReport:
    """Return the report of a dataset's version: `flights`, `flights@v3`, or `sales@v3[2024-01]`.

    Raises:
        InvalidArgumentError: The name is not that of a dataset.
        NotFoundError: There is no such version.
    """
    table = store.find(name)
    if table.schema is None:
        raise InvalidArgumentError("NAME", name, "a dataset, such as flights@v3")
    dataset = table.asset.split("/")[0]
    consumers = store.catalog.lineage.consumers([table.materialization_id], _MOST_REPORTS)
    reports = [made for _, made in consumers if made.asset == f"{dataset}/report" and made.partition == table.partition]
    if reports:
        newest = max(reports, key=lambda made: made.materialization_id)
        [stored] = store.catalog.materializations.with_ids([newest.materialization_id])
        with store.open(stored.file.file_id) as stream:
            return FoundReport(stream.read(), pathlib.PurePath(str(stored.metadata["file_name"])).stem, True)
    facts = gather(store.catalog, store.artifact, dataset, table)
    return FoundReport(render(facts), facts.file_stem, False)
