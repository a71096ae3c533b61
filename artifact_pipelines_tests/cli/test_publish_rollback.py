"""The commands publish and rollback. More on rollback: tests of the IO manager."""

import json
import pathlib
from typing import Any

import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines_tests.cli.commands import run, run_json
from artifact_pipelines_tests.project import NO_LOGS


def test_publish_makes_a_rejected_version_current_and_reports_it(
    store: Store, io_manager: ArtifactIOManager, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(
        metadata={"artifact/publish": "after_checks"},
        check_specs=[dg.AssetCheckSpec("small", asset="price", blocking=True)],
    )
    def price(context: dg.AssetExecutionContext) -> Any:
        yield dg.Output(len(context.run.tags["value"]))
        yield dg.AssetCheckResult(passed=context.run.tags["value"] == "x")

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(json.dumps(NO_LOGS))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        for value in ("x", "xx"):
            options: Any = {"tags": {"value": value}, "instance": instance, "raise_on_error": False}
            dg.materialize([price], resources={"io_manager": io_manager}, **options)
            publish_candidates(instance, store.catalog)
        assert "becomes current" not in run("history", "price")
        resources = {"io_manager": io_manager}
        dg.materialize([price], resources=resources, tags={"value": "xxx"}, instance=instance, raise_on_error=False)
        assert "A candidate becomes current once its checks have passed" in run("history", "price")
        publish_candidates(instance, store.catalog)
    _, newest, oldest = run_json("history", "price")
    assert (newest["state"], oldest["state"]) == ("rejected: failed check small", None)
    report = run("publish", "price", "--version", 2)
    assert "version 2 is current" in report
    assert "Reported to Dagster" in report
    assert "Dagster already knows" in run("publish", "price@v2")
    assert "--version N, or price@v3" in run("publish", "price", code=2)
    assert run_json("history", "price")[1]["state"] == "published by command"
    assert "rollback price --to 1" in run("publish", "price", "--version", 1, code=2)
    run("publish", "price", "--version", 4, code=3)


def test_publish_takes_a_version_of_a_dataset_whose_table_waits_for_its_checks_or_was_rejected(
    store: Store, io_manager: ArtifactIOManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(key=["flights", "raw"], metadata={"artifact/dataset": "flights"})
    def raw(context: dg.AssetExecutionContext) -> str:
        return context.run.tags["value"]

    table = dg.AssetKey(["flights", "table"])

    @dg.asset(
        key=table,
        ins={"raw": dg.AssetIn(raw.key)},
        metadata={"artifact/publish": "after_checks"},
        check_specs=[dg.AssetCheckSpec("small", asset=table, blocking=True)],
    )
    def rows(raw: str) -> Any:
        yield dg.Output(len(raw))
        yield dg.AssetCheckResult(passed=raw == "x")

    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        for value in ("x", "xx", "xxx"):
            options: Any = {"tags": {"value": value}, "instance": instance, "raise_on_error": False}
            dg.materialize([raw, rows], resources={"io_manager": io_manager}, **options)
            if value != "xxx":
                publish_candidates(instance, store.catalog)
    states = [made["state"] for made in run_json("history", "flights/table")]
    assert states[1:] == ["rejected: failed check small", None]
    assert "waits for its checks" in run("pin", "flights@v2", code=3), "elsewhere it means a published table"
    for version in (2, 3):
        assert f"flights/table version {version} is current" in run("publish", f"flights@v{version}")
        assert store.load("flights/table") == version
    assert "flights/table version 3 is current" in run("publish", "flights", "--version", 3)


def test_publish_and_restore_of_a_wrong_name_say_what_is_wrong(towns: Store) -> None:
    assert "Did you mean towns/table" in run("publish", "towns/tabel", "--version", 1, code=3)
    assert "Did you mean towns/table" in run("restore", "towns/tabel", code=3)
    assert "nothing to restore" in run("restore", "towns/table", code=3)
