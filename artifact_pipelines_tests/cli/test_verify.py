"""The command verify."""

import io
import json

import pytest

from artifact_pipelines.catalog.engine import make_engine
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.core.types import FileInfo
from artifact_pipelines.store import Store
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.storage.back_door import BackDoor


@pytest.fixture
def file(store: Store) -> FileInfo:
    return store.info(store.create_artifact(io.BytesIO(b"data"), "txt"))


def test_intact_store_exits_with_0(file: FileInfo) -> None:
    assert run("verify").startswith("1 file, 4 bytes: all bytes are intact")
    assert run_json("verify") == {
        "is_clean": True,
        "files": 1,
        "size_bytes": 4,
        "noted": True,
        "findings": [],
    }


def test_damage_is_listed_with_a_remedy_and_exits_with_4(file: FileInfo, back_door: BackDoor) -> None:
    back_door.put(file.storage_path, b"Data")
    text = run("verify", code=4)
    for expected in ("corrupt bytes", file.content_hash[:12], "caller", str(file.storage_path), "restore the object"):
        assert expected in text
    assert "1 finding, 0 repaired" in text


def test_json_lists_findings(file: FileInfo, back_door: BackDoor) -> None:
    back_door.delete(file.storage_path)
    report = json.loads(run("verify", "--json", code=4))
    assert report["is_clean"] is False
    [finding] = report["findings"]
    assert (finding["kind"], finding["file_id"], finding["holders"]) == ("missing bytes", 1, ["caller"])
    assert (finding["repaired"], finding["found"]) == (False, "nothing")
    assert "restore" in finding["remedy"]


def test_repaired_findings_exit_with_0(file: FileInfo, settings: Settings) -> None:
    with make_engine(settings.catalog_url).begin() as connection:
        connection.exec_driver_sql("UPDATE files SET reference_count = 9")
    assert "verify --repair" in run("verify", code=4)
    text = run("verify", "--repair")
    assert "1 finding, 1 repaired" in text
    assert "verify --repair" not in text
    assert "all bytes are intact" in run("verify")


@pytest.mark.parametrize(("share", "files"), [("5%", 1), ("0.05", 1), ("100%", 20), ("1", 20), ("12.5 %", 3)])
def test_sample_is_a_share_of_the_files(store: Store, share: str, files: int) -> None:
    for number in range(20):
        store.create_artifact(io.BytesIO(b"%02d" % number), "txt")
    assert run_json("verify", "--sample", share)["files"] == files


@pytest.mark.parametrize("share", ["0", "0%", "101%", "5", "x", "-5%", "nan"])
def test_invalid_share_is_wrong_usage(share: str) -> None:
    assert "not a share" in run("verify", "--sample", share, code=2)


@pytest.mark.usefixtures("towns")
def test_verify_of_a_name_reads_only_its_files() -> None:
    assert run("verify", "towns/table", "towns/table@v1").startswith("2 files, ")
    assert "leave out the names" in run("verify", "towns/table", "--repair", code=2)
