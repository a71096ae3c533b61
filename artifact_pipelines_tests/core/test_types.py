import hypothesis
import hypothesis.strategies as st
import pytest

from artifact_pipelines.core.types import FileId, StoragePath

HASH = "0123456789abcdef" * 4
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)


@hypothesis.given(hashes, st.integers(1, 2**63 - 1))
def test_storage_path_is_parsed_from_its_text(content_hash: str, file_id: int) -> None:
    path = StoragePath(content_hash, FileId(file_id))
    assert StoragePath.parse(str(path)) == path


def test_storage_path_contains_content_hash_and_file_id() -> None:
    assert str(StoragePath(HASH, FileId(7))) == f"01/{HASH}.7"


@pytest.mark.parametrize(
    "key",
    [
        "",
        HASH,
        f"01/{HASH}",
        f"01/{HASH}.",
        f"01/{HASH}.0",
        f"01/{HASH}.-1",
        f"01/{HASH}.07",
        f"01/{HASH}.7\n",
        f"/01/{HASH}.7",
        f"02/{HASH}.7",
        f"01/{HASH.upper()}.7",
        f"01/../01/{HASH}.7",
        f"01/23/{HASH}.7",
        f"01/{HASH}.٧",
        f"01/{HASH}.99999999999999999999",
    ],
)
def test_malformed_key_is_not_a_storage_path(key: str) -> None:
    assert StoragePath.parse(key) is None


@hypothesis.given(st.text())
def test_parsed_storage_path_has_the_same_text(key: str) -> None:
    path = StoragePath.parse(key)
    assert path is None or str(path) == key
