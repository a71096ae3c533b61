"""The commands db upgrade and db current."""

from artifact_pipelines.catalog.schema import HEAD_REVISION
from artifact_pipelines_tests.cli.commands import run


def test_upgrade_reports_revisions_before_and_after() -> None:
    assert run("db", "upgrade") == f"Schema: none -> {HEAD_REVISION}\n"
    assert run("db", "upgrade") == f"Schema: {HEAD_REVISION} -> {HEAD_REVISION}\n"
