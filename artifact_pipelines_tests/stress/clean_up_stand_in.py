import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.clock import utc_now
from artifact_pipelines.catalog.engine import writing
from artifact_pipelines.catalog.tables import file_references, files
from artifact_pipelines.core.types import StoragePath
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines.storage.staging import is_abandoned


def clean_up(catalog: Catalog, backend: IStorageBackend) -> None:
    with writing(catalog._engine) as c:
        gone = c.execute(
            sa.delete(file_references).where(file_references.c.expires_at < utc_now()).returning(file_references.c.file_id)
        ).scalars().all()
        for file_id in gone:
            c.execute(sa.update(files).where(files.c.file_id == file_id).values(reference_count=files.c.reference_count - 1))
    with writing(catalog._engine) as c:
        keys = c.execute(sa.delete(files).where(files.c.reference_count == 0).returning(files.c.storage_key)).scalars().all()
    for key in keys:
        path = StoragePath.parse(key)
        assert path
        backend.delete_file(path)
    listed = list(backend.list_files())
    with writing(catalog._engine) as c:
        known = set(c.execute(sa.select(files.c.file_id)).scalars())
    for path in listed:
        if path.file_id not in known:
            backend.delete_file(path)
    staging = backend._root / ".staging"  # type: ignore[attr-defined]
    for leftover in staging.iterdir() if staging.exists() else ():
        if is_abandoned(leftover):
            leftover.unlink()
