"""Storing and reading a file of any size takes little memory."""

import shutil
import subprocess
import sys

import pytest

from artifact_pipelines.core.settings import Settings
from artifact_pipelines_tests.stress import large_file

LIMIT_BYTES = 200_000_000


@pytest.mark.timeout(1800)
def test_large_file_on_local_disk_takes_less_than_200_mb(settings: Settings, is_stress: bool) -> None:
    size_bytes = 10_000_000_000 if is_stress else 300_000_000
    command = [sys.executable, "-m", large_file.__name__, settings.catalog_url, settings.storage_url, str(size_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    shutil.rmtree(settings.storage_url)  # pytest would keep it for a while
    assert done.returncode == 0, done.stderr
    read_bytes, peak_bytes = map(int, done.stdout.split())
    assert read_bytes == size_bytes
    assert peak_bytes < LIMIT_BYTES
