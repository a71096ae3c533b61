"""The commands put and get."""

import os
import pathlib
import subprocess
import sys

import pytest

from artifact_pipelines import Store
from artifact_pipelines_tests.cli.commands import run, run_json


def test_get_returns_what_put_stored(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    first = run("put", csv)
    assert first.startswith("1\t8 bytes")
    assert first.rstrip().endswith("new")
    assert "duplicate, nothing stored" in run("put", csv)
    assert "8 bytes" in run("get", 1, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == csv.read_text()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, "0o644"), (0o077, "0o600"), (0o002, "0o664")])
def test_written_file_follows_the_umask(csv: pathlib.Path, tmp_path: pathlib.Path, umask: int, mode: str) -> None:
    run("put", csv)
    before = os.umask(umask)
    try:
        run("get", 1, "-o", tmp_path / "out.csv")
    finally:
        os.umask(before)
    assert oct((tmp_path / "out.csv").stat().st_mode & 0o777) == mode


def test_get_writes_bytes_to_a_pipe(csv: pathlib.Path) -> None:
    run("put", csv)
    code = "from artifact_pipelines.cli.main import main; main(['get', '1'])"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, check=True).stdout == csv.read_bytes()


def test_get_of_missing_bytes_writes_nothing(csv: pathlib.Path, store: Store, tmp_path: pathlib.Path) -> None:
    run("put", csv)
    (tmp_path / "store" / str(store.info(1).storage_path)).unlink()
    assert "MissingBytesError" in run("get", 1, "-o", tmp_path / "out", code=4)
    assert not (tmp_path / "out").exists()


def test_put_says_that_it_healed_missing_bytes(csv: pathlib.Path, store: Store, tmp_path: pathlib.Path) -> None:
    run("put", csv)
    path = tmp_path / "store" / str(store.info(1).storage_path)
    path.unlink()
    assert "healed: its bytes were missing" in run("put", csv)
    path.unlink()
    put = run_json("put", csv)
    assert (put["file_id"], put["new"], put["healed"]) == (1, False, True)
    assert run_json("put", csv)["healed"] is False


def test_target_that_cannot_be_written_is_an_error(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run("put", csv)
    assert "UnwritableTargetError" in run("get", 1, "-o", tmp_path / ("x" * 300), code=6)


@pytest.mark.parametrize(("target", "code"), [("/dev/full", 6), ("/dev/null", 0)])
def test_full_standard_output_is_an_error(csv: pathlib.Path, target: str, code: int) -> None:
    run("put", csv)
    command = [sys.executable, "-c", "from artifact_pipelines.cli.main import main; main(['get', '1'])"]
    with pathlib.Path(target).open("wb") as sink:
        ended = subprocess.run(command, stdout=sink, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == code
    assert ("Free space" in ended.stderr) == (code == 6)
    assert "Traceback" not in ended.stderr


def test_get_writes_to_a_device_without_replacing_it(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run("put", csv)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run("get", 1, "-o", tmp_path / "pipe")
    assert os.read(reader, 100) == csv.read_bytes()
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    text = run("get", 1, "-o", "/dev/full", code=6)
    assert "/dev/full cannot be written: No space left on device. The stored file is intact." in text
    assert "ARTIFACT_STORAGE_URL" not in text


def test_full_disk_leaves_no_partial_target(
    csv: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("put", csv)
    (tmp_path / "out").mkdir()

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("shutil.copyfileobj", fail)
    assert "Free space" in run("get", 1, "-o", tmp_path / "out" / "x", code=6)
    assert list((tmp_path / "out").iterdir()) == []
