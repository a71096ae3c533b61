"""`GET /datasets`, `/datasets/{name}/versions` and `/reports/{name}`."""

import datetime
from collections.abc import Sequence
from typing import Annotated, Any

import pydantic
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse

from artifact_pipelines.api.access import StoreOf
from artifact_pipelines.api.problems import responses
from artifact_pipelines.core.types import DatasetVersion
from artifact_pipelines.report.finding import find_report

router = APIRouter()
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups"
_PAGE: dict[str, Any] = {"content": {"text/html": {"schema": {"type": "string"}}}}
Name = Annotated[str, Path(min_length=1, max_length=255, description="Name of the dataset.")]
_CONTROL = r"\x00-\x1f\x7f"  # cannot stand in a path
_CHARACTER = rf"[^@\[\]{_CONTROL}]"
_BLANK = r"\s\x85\ufeff"  # `\s` of JSON Schema lacks the first, that of the server the second
_NO_NUMBER = rf"([^{_BLANK}@\[\]{_CONTROL}0-9-]|[0-9-][0-9]*[^@\[\]{_CONTROL}0-9])"  # numbers are file IDs
_WHICH = rf"[^{_BLANK}@\[\]{_CONTROL}]{_CHARACTER}*"  # v3, or a tag
TableName = Annotated[
    str,
    Path(
        pattern=rf"^{_NO_NUMBER}{_CHARACTER}*(@{_WHICH})?(\[[^{_CONTROL}]+\])?$",  # as in catalog/stored_names.py
        max_length=255,
        description="A dataset or a table, or a version of it: flights, flights@v3, sales@v3[2024-01] or Sales/table.",
    ),
]


class Version(pydantic.BaseModel):
    """One content of a dataset, and the table that was made from it."""

    dataset: str
    version: int = pydantic.Field(description="Counts the contents of the dataset, or of its partition, from 1.")
    partition: str | None = pydantic.Field(description="The partition; null: the dataset has none.")
    is_current: bool = pydantic.Field(description="Whether the current table was made from it.")
    tags: Sequence[str]
    created_at: datetime.datetime
    source_name: str | None = pydantic.Field(description="Name of the dropped file.")
    raw_file_id: int = pydantic.Field(description="The dropped file, byte for byte.")
    table_file_id: int | None = pydantic.Field(description="The table, as Parquet; null: there is none.")
    rows: int | None = pydantic.Field(description="Rows of the table.")


class Dataset(pydantic.BaseModel):
    """A dataset with its current versions, one for each partition."""

    name: str
    current: Sequence[Version]


@router.get("/datasets", responses=responses(500))
def list_datasets(store: StoreOf) -> list[Dataset]:
    """List all datasets with their current versions."""
    datasets = store.catalog.datasets
    return [Dataset(name=name, current=list(map(_version, datasets.current(name)))) for name in datasets.names()]


@router.get("/datasets/{name}/versions", responses=responses(404, 500))
def list_versions(
    name: Name,
    store: StoreOf,
    limit: Annotated[int, Query(ge=1, le=1000, description="Versions at most.")] = 100,
    partition: Annotated[str | None, Query(max_length=255, description="Only this partition.")] = None,
) -> list[Version]:
    """List the versions of a dataset, newest first."""
    return list(map(_version, store.catalog.datasets.versions(name, limit, partition)))


@router.get("/reports/{name:path}", responses={**responses(404, 500), 200: _PAGE}, response_class=Response)
def get_report(name: TableName, store: StoreOf) -> Response:
    """Return the report of a version of a dataset, `flights@v3`, or of the current one, `flights`: one HTML page."""
    found = find_report(store, name)
    return HTMLResponse(found.page, headers={"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"})


def _version(version: DatasetVersion) -> Version:
    return Version(
        dataset=version.dataset,
        version=version.number,
        partition=version.partition,
        is_current=version.is_current,
        tags=version.tags,
        created_at=version.raw.created_at,
        source_name=version.raw.source.get("file"),
        raw_file_id=version.raw.file.file_id,
        table_file_id=version.table.file.file_id if version.table else None,
        rows=version.table.row_count if version.table else None,
    )
