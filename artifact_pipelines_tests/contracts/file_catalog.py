"""The contract of `IFileCatalog`. A subclass with a fixture `files` shows that another catalog fulfils it."""

import concurrent.futures
from typing import Any

import pytest

from artifact_pipelines.core.exceptions import InvalidFileIdError, LeaseExpiredError, NotHeldError, UnknownFileError
from artifact_pipelines.core.interfaces import IFileCatalog
from artifact_pipelines.core.types import Content, FileDescription, FileId, FileState, Lease, StoragePath

CSV = FileDescription("csv", "text/csv", "gzip", {"from": "a test"})
A = Content("a" * 64, 10)
B = Content("b" * 64, 20)


def acquire(files: IFileCatalog, content: Content = A, description: FileDescription = CSV) -> Lease:
    return files.acquire_all([(content, description)], "blake3")[0]


def stored(files: IFileCatalog, content: Content = A, holder: str = "me") -> FileId:
    lease = acquire(files, content)
    files.settle_all([lease], holder)
    return lease.file.file_id


class FileCatalogContract:
    """Subclasses define a fixture `files`: an `IFileCatalog` without a file."""

    def test_new_content_gets_a_pending_file_and_a_lease(self, files: IFileCatalog) -> None:
        file = acquire(files).file
        assert file.state == FileState.PENDING
        assert file.reference_count == 1
        assert file.storage_path == StoragePath(A.content_hash, file.file_id)
        types = (file.size_bytes, file.file_type, file.mime_type, file.compression_type)
        assert types == (10, "csv", "text/csv", "gzip")
        assert file.metadata == {"from": "a test"}

    def test_settling_makes_the_file_stored(self, files: IFileCatalog) -> None:
        file = files.get_file(stored(files))
        assert (file.state, file.reference_count) == (FileState.STORED, 1)
        assert file.stored_at is not None
        assert file.stored_at >= file.created_at

    def test_same_content_gets_the_same_file_and_one_more_reference(self, files: IFileCatalog) -> None:
        first, second = stored(files), stored(files, holder="you")
        assert first == second
        assert files.get_file(first).reference_count == 2

    def test_content_wanted_twice_is_leased_twice(self, files: IFileCatalog) -> None:
        first, second, other = files.acquire_all([(A, CSV), (A, CSV), (B, CSV)], "blake3")
        assert first.file.file_id == second.file.file_id != other.file.file_id
        files.settle_all([first, second], "me")
        assert files.get_file(first.file.file_id).reference_count == 2

    def test_first_writers_description_is_kept(self, files: IFileCatalog) -> None:
        file_id = stored(files)
        files.settle_all([acquire(files, description=FileDescription("parquet"))], "you")
        assert files.get_file(file_id).file_type == "csv"

    def test_file_is_pending_for_a_second_writer_until_the_first_settles(self, files: IFileCatalog) -> None:
        first, second = acquire(files), acquire(files)
        assert second.file.state == FileState.PENDING
        files.settle_all([first], "me")
        assert acquire(files).file.state == FileState.STORED

    def test_abandoning_the_only_lease_deletes_the_row_and_returns_the_path(self, files: IFileCatalog) -> None:
        lease = acquire(files)
        assert files.abandon_all([lease]) == [lease.file.storage_path]
        with pytest.raises(UnknownFileError):
            files.get_file(lease.file.file_id)

    def test_abandoning_both_leases_on_a_file_deletes_the_row(self, files: IFileCatalog) -> None:
        first, second = files.acquire_all([(A, CSV), (A, CSV)], "blake3")
        assert files.abandon_all([first, second]) == [first.file.storage_path]

    def test_abandoning_one_of_two_leases_keeps_the_row(self, files: IFileCatalog) -> None:
        first, second = acquire(files), acquire(files)
        assert files.abandon_all([first]) == []
        files.settle_all([second], "me")
        assert files.get_file(second.file.file_id).reference_count == 1

    def test_abandoning_a_lease_on_a_stored_file_keeps_its_bytes(self, files: IFileCatalog) -> None:
        file_id = stored(files)
        files.release(file_id, "me")
        assert files.abandon_all([acquire(files)]) == []
        assert files.get_file(file_id).state == FileState.STORED

    def test_abandoning_twice_counts_down_once(self, files: IFileCatalog) -> None:
        file_id, lease = stored(files), acquire(files)
        files.abandon_all([lease])
        assert files.abandon_all([lease]) == []
        assert files.get_file(file_id).reference_count == 1

    def test_settled_lease_can_not_be_abandoned(self, files: IFileCatalog) -> None:
        lease = acquire(files)
        files.settle_all([lease], "me")
        assert files.abandon_all([lease]) == []
        assert files.get_file(lease.file.file_id).reference_count == 1

    def test_abandoned_lease_can_not_be_settled_nor_those_beside_it(self, files: IFileCatalog) -> None:
        gone, lease = acquire(files), acquire(files, B)
        files.abandon_all([gone])
        with pytest.raises(LeaseExpiredError):
            files.settle_all([lease, gone], "me")
        assert files.get_file(lease.file.file_id).state == FileState.PENDING

    def test_file_id_is_never_used_again(self, files: IFileCatalog) -> None:
        lease = acquire(files)
        files.abandon_all([lease])
        assert acquire(files).file.file_id > lease.file.file_id
        assert files.highest_file_id() > lease.file.file_id

    def test_release_counts_down_and_keeps_the_row(self, files: IFileCatalog) -> None:
        file_id = stored(files)
        files.release(file_id, "me")
        assert files.get_file(file_id).reference_count == 0

    def test_error_of_releasing_an_unheld_file_names_its_holders(self, files: IFileCatalog) -> None:
        file_id = stored(files, holder="you")
        with pytest.raises(NotHeldError, match="held by: you"):
            files.release(file_id, "me")
        assert files.get_file(file_id).reference_count == 1

    def test_lease_can_not_be_released_by_a_caller(self, files: IFileCatalog) -> None:
        lease = acquire(files)
        with pytest.raises(NotHeldError):
            files.release(lease.file.file_id, "me")

    @pytest.mark.parametrize("file_id", [0, -1, 2**63, True, "1", 1.0, None])
    def test_invalid_file_id_is_refused(self, files: IFileCatalog, file_id: Any) -> None:
        for use in (files.get_file, lambda i: files.release(i, "me")):
            with pytest.raises(InvalidFileIdError, match="positive whole number"):
                use(file_id)

    def test_unknown_file_id_is_not_found(self, files: IFileCatalog) -> None:
        for use in (files.get_file, lambda i: files.release(i, "me")):
            with pytest.raises(UnknownFileError, match="12345"):
                use(FileId(12345))

    def test_has_size_finds_known_sizes(self, files: IFileCatalog) -> None:
        stored(files)
        assert files.has_size(10)
        assert not files.has_size(11)

    def test_damage_is_noted_unless_the_file_was_healed_since(self, files: IFileCatalog) -> None:
        file = files.get_file(stored(files))
        assert files.mark_damaged(file)
        assert files.get_file(file.file_id).state == FileState.DAMAGED
        stored(files)  # its writer puts the bytes again
        assert files.get_file(file.file_id).state == FileState.STORED
        assert not files.mark_damaged(file)

    def test_concurrent_writers_of_one_content_get_one_file(self, files: IFileCatalog) -> None:
        def write(number: int) -> FileId:
            lease = acquire(files)
            if number % 4 == 0:
                files.abandon_all([lease])
            else:
                files.settle_all([lease], f"writer {number}")
            return lease.file.file_id

        stored(files)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            [file_id] = set(pool.map(write, range(80)))
        assert files.get_file(file_id).reference_count == 61
