"""Storing and reading a file of any size on S3 takes bounded memory."""

import pathlib
import subprocess
import sys

import pytest

_CHILD = """
import pathlib, sys
from artifact_pipelines import open_store

size_bytes = int(sys.argv[3])

class Numbers:
    # Each MiB is filled with its number, so that a part sent twice is noticed.
    offset = 0
    def readinto(self, buffer):
        number, start = divmod(self.offset, 1 << 20)
        count = min(size_bytes - self.offset, memoryview(buffer).nbytes, (1 << 20) - start)
        memoryview(buffer)[:count] = bytes([number % 251]) * count
        self.offset += count
        return count
    def seekable(self):
        return False

def peak_kib():
    # Not ru_maxrss, which includes the memory of the parent process.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

with open_store(sys.argv[1], sys.argv[2]) as store:
    file_id = store.create_artifact(Numbers(), "bin")
    written_kib = peak_kib()
    piece, again, expected = bytearray(1 << 20), bytearray(1 << 20), Numbers()
    # Only in three places: for every range, the tests' server reads the whole object.
    with store.open(file_id) as stream:
        for start in (0, size_bytes // 2, size_bytes - (32 << 20)):
            expected.offset = stream.seek(start)
            for _ in range(32):
                counts = stream.readinto(piece), expected.readinto(again)
                assert counts == (len(piece), len(piece)) and piece == again, (start, expected.offset, counts)
    print(written_kib, peak_kib())
"""


@pytest.mark.long
def test_large_file_on_s3_takes_less_than_200_mb(s3_url: str, tmp_path: pathlib.Path) -> None:
    size_bytes = 2 << 30
    command = [sys.executable, "-c", _CHILD, f"sqlite:///{tmp_path / 'large.db'}", s3_url, str(size_bytes)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    written_kib, read_kib = map(int, result.stdout.split())
    print(f"{size_bytes >> 20} MiB: peak {written_kib >> 10} MiB after writing, {read_kib >> 10} MiB after reading")
    assert read_kib < 200_000
