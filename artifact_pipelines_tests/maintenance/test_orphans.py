"""Finds bytes without a row, and never anything else."""

import io
import pathlib
import string
import tempfile
from collections.abc import Iterator

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import strategies as st

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.tables import files
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Amount, FileId, StoragePath
from artifact_pipelines.maintenance import orphans
from artifact_pipelines.maintenance.exceptions import ForeignStoreError, TooMuchToDeleteError
from artifact_pipelines.maintenance.orphans import check_share, find_orphans
from artifact_pipelines.storage.artifact_producer import ArtifactProducer
from artifact_pipelines.storage.backends.local import LocalStorage
from artifact_pipelines.storage.exceptions import CatalogOlderThanStoreError
from artifact_pipelines.storage.interfaces import IStorageBackend
from artifact_pipelines_tests.contracts.storage_backend import put


def create(producer: ArtifactProducer, *texts: str) -> list[FileId]:
    return [producer.create_artifact(io.BytesIO(text.encode()), "txt") for text in texts]


def forget(engine: sa.Engine, *file_ids: FileId) -> None:
    """Lose rows, like a collector that is killed before it deletes the bytes."""
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM file_references WHERE file_id IN :ids").bindparams(_ids(file_ids)))
        connection.execute(sa.delete(files).where(files.c.file_id.in_(file_ids)))


def _ids(file_ids: tuple[FileId, ...]) -> "sa.BindParameter[object]":
    return sa.bindparam("ids", value=list(file_ids), expanding=True)


@pytest.mark.everywhere
def test_bytes_without_a_row_are_orphans(
    catalog: Catalog, engine: sa.Engine, backend: IStorageBackend, producer: ArtifactProducer
) -> None:
    create(producer, "kept", "also kept")
    [lost] = create(producer, "lost")
    path = catalog.files.get_file(lost).storage_path
    assert find_orphans(catalog, backend) == {}
    forget(engine, lost)
    assert find_orphans(catalog, backend) == {path: 4}


def test_store_without_a_common_file_is_refused(
    catalog: Catalog,
    engine: sa.Engine,
    backend: IStorageBackend,
    producer: ArtifactProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orphans, "FEW_FILES", 0)
    first, second = create(producer, "of another catalog", "of this one")
    forget(engine, first)
    backend.delete_file(catalog.files.get_file(second).storage_path)
    with pytest.raises(ForeignStoreError, match="holds 1 file, but the catalog knows none of them and 1 other"):
        find_orphans(catalog, backend)


def test_file_written_during_the_listing_is_not_an_orphan(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(producer, "before")
    list_files = backend.list_files

    def listed_late() -> object:
        create(producer, "just now")
        yield from list_files()

    monkeypatch.setattr(backend, "list_files", listed_late)
    assert find_orphans(catalog, backend) == {}


def test_catalog_older_than_the_store_is_refused(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer
) -> None:
    create(producer, "known")
    put(backend, b"from the future", StoragePath("f" * 64, FileId(2)))
    with pytest.raises(CatalogOlderThanStoreError, match="catalog restore") as caught:
        find_orphans(catalog, backend)
    assert caught.value.highest_file_id == 1


def test_catalog_of_another_store_is_refused(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer
) -> None:
    create(producer, "known")
    put(backend, b"another", StoragePath("f" * 64, FileId(1)))
    with pytest.raises(ForeignStoreError, match="another store"):
        find_orphans(catalog, backend)


def test_empty_catalog_with_a_full_store_is_refused(
    catalog: Catalog, backend: IStorageBackend, producer: ArtifactProducer, tmp_path: pathlib.Path
) -> None:
    create(producer, "known")
    with Catalog(f"sqlite:///{tmp_path / 'empty.db'}") as empty, pytest.raises(CatalogOlderThanStoreError):
        find_orphans(empty, backend)


def test_large_share_of_orphans_is_refused(
    catalog: Catalog,
    engine: sa.Engine,
    backend: IStorageBackend,
    producer: ArtifactProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("artifact_pipelines.maintenance.orphans.FREE_FILES", 2)
    ids = create(producer, *"abcdefghij")
    forget(engine, *ids[:3])
    with pytest.raises(TooMuchToDeleteError, match=r"3 of 10 files .*--max-share"):
        find_orphans(catalog, backend)
    assert len(find_orphans(catalog, backend, max_share=0.3)) == 3


def test_large_store_is_compared_in_batches(
    catalog: Catalog,
    engine: sa.Engine,
    backend: IStorageBackend,
    producer: ArtifactProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orphans, "BATCH_FILES", 3)
    ids = create(producer, *"abcdefgh")
    paths = {catalog.files.get_file(file_id).storage_path for file_id in ids[1::3]}
    forget(engine, *ids[1::3])
    assert set(find_orphans(catalog, backend)) == paths


@pytest.mark.parametrize(
    ("deleted", "total", "is_refused"),
    [
        (Amount(100, 1000), Amount(100, 1000), False),  # few files may always be deleted
        (Amount(101, 101), Amount(1010, 1010), False),  # exactly the share
        (Amount(101, 101), Amount(1009, 10_000), True),  # too many files
        (Amount(101, 101), Amount(10_000, 1009), True),  # too many bytes
        (Amount(0, 0), Amount(0, 0), False),
    ],
)
def test_share_limits_both_files_and_bytes(deleted: Amount, total: Amount, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(TooMuchToDeleteError, match=r"share of 10%\."):
            check_share("garbage", deleted, total)
    else:
        check_share("garbage", deleted, total)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(InvalidArgumentError):
        check_share("garbage", Amount(0, 0), Amount(0, 0), share)


_NAME = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]) | st.sampled_from("0123456789abcdef."),
    min_size=1,
    max_size=40,
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)
_HEX = st.text("0123456789abcdef", min_size=64, max_size=64)


@st.composite
def _odd_keys(draw: st.DrawFn) -> str:
    """A path that resembles a key of the store, but is not one."""
    digest, number = draw(_HEX), draw(st.integers(1, 2**63 - 1))
    key = str(StoragePath(digest, FileId(number)))
    change = draw(st.sampled_from(["upper", "zero", "suffix", "prefix", "folder", "name", "digits"]))
    odd = {
        "upper": key.upper(),
        "zero": f"{key.rpartition('.')[0]}.0{number}",
        "suffix": f"{key}{draw(st.sampled_from(['.tmp', '~', ' ', chr(10), '.1']))}",
        "prefix": f"{key[:6]}x{key[6:]}",
        "folder": f"{'00' if digest[:2] != '00' else '11'}/{key[3:]}",
        "name": f"{key[:6]}{draw(_NAME)}",
        "digits": f"{key.rpartition('.')[0]}.{chr(0x661)}",  # a digit, but not an ASCII one
    }[change]
    hypothesis.assume(StoragePath.parse(odd) is None)
    return odd


@pytest.fixture(scope="module")
def shared_catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """One catalog for all examples: creating one takes a hundred times as long as an example."""
    with Catalog(f"sqlite:///{tmp_path_factory.mktemp('catalog') / 'catalog.db'}") as catalog:
        yield catalog


@hypothesis.given(keys=st.lists(_odd_keys(), max_size=6), root=_NAME)
def test_only_well_formed_keys_are_orphans(shared_catalog: Catalog, keys: list[str], root: str) -> None:
    catalog = shared_catalog
    with tempfile.TemporaryDirectory() as folder:
        backend = LocalStorage(pathlib.Path(folder) / root / root)
        producer = ArtifactProducer(catalog.files, backend)
        [gone, kept] = create(producer, "gone", "kept")
        catalog.files.release(gone, "caller")
        catalog.collection.collect(0, 1)  # its bytes stay
        odd = [pathlib.Path(folder) / root / root / key for key in dict.fromkeys(keys)]
        for path in odd:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("not ours")
        [found] = find_orphans(catalog, backend)
        assert found.file_id == gone
        backend.delete_file(found)
        assert all(path.read_text() == "not ours" for path in odd)
        with producer.open(kept) as stream:
            assert stream.read() == b"kept"


@hypothesis.given(st.text(string.printable) | _odd_keys())
def test_key_must_round_trip(text: str) -> None:
    path = StoragePath.parse(text)
    assert path is None or str(path) == text
