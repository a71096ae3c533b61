"""Retention: the pure decision, and its execution on each catalog."""

import datetime
from collections.abc import Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.exceptions import NeverMaterializedError, UnknownVersionError
from artifact_pipelines.catalog.tables import materializations, utc_now
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import RetentionPolicy, Use, Verdict, Version, VersionName
from artifact_pipelines.core.types import LoadedInput, Publication
from artifact_pipelines.maintenance.retention import decide, keep_inputs, plan_retention, release_versions
from artifact_pipelines_tests.catalog.test_file_catalog import counts_agree
from artifact_pipelines_tests.catalog.test_materialization_catalog import record

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
NOTHING: Mapping[str, Any] = {"is_current": False, "is_pinned": False, "is_wiped": False, "tags": ()}


def version(number: int, *days_ago: float, asset: str = "flights/table", **marks: Any) -> Version:
    made_at = tuple(NOW - datetime.timedelta(days=days) for days in days_ago or (0.0,))
    return Version(VersionName(asset, None, number), made_at, **{**NOTHING, **marks}, run_id=None, size_bytes=1)


def reasons(versions: list[Version], **policy: Any) -> dict[int, str]:
    """Return the reason of each kept version."""
    verdicts = decide(versions, RetentionPolicy(**policy) if policy else None, NOW)
    return {verdict.version.name.version: verdict.reason for verdict in verdicts if verdict.is_kept}


def test_asset_without_a_policy_keeps_everything() -> None:
    assert reasons([version(1, 9999), version(2, is_current=True)]) == {1: "no retention policy", 2: "current"}


def test_keep_last_keeps_the_newest_versions() -> None:
    found = reasons([version(number) for number in range(1, 6)], keep_last=2)
    assert found == {5: "one of the last 2", 4: "one of the last 2"}


def test_current_version_is_kept_even_if_it_is_old() -> None:
    assert reasons([version(1, is_current=True), version(2)], keep_last=1) == {1: "current", 2: "one of the last 1"}


def test_pinned_and_tagged_versions_are_kept() -> None:
    versions = [version(1, is_pinned=True), version(2, tags=("q3", "gold")), version(3), version(4)]
    found = reasons(versions, keep_last=1)
    assert found == {1: "pinned", 2: "tagged q3, tagged gold", 4: "one of the last 1"}


def test_keep_daily_counts_only_days_with_a_version() -> None:
    versions = [version(1, 9), version(2, 3.2), version(3, 3.1), version(4, 0.2), version(5, 0.1)]
    assert reasons(versions, keep_daily=2) == {5: "daily 2026-11-24 UTC", 3: "daily 2026-11-21 UTC"}
    assert set(reasons(versions, keep_daily=3)) == {5, 3, 1}


def test_version_counts_for_every_day_it_was_materialized() -> None:
    versions = [version(1, 3, 2, 1.4, 0.3), version(2, 0.2)]
    assert reasons(versions, keep_daily=2) == {1: "daily 2026-11-23 UTC", 2: "daily 2026-11-24 UTC"}


def test_weeks_and_months_follow_the_calendar() -> None:
    versions = [version(1, 40), version(2, 8), version(3, 2), version(4, 1)]
    assert reasons(versions, keep_weekly=2) == {4: "weekly 2026-W48 UTC", 3: "weekly 2026-W47 UTC"}
    assert reasons(versions, keep_monthly=2) == {4: "monthly 2026-11 UTC", 1: "monthly 2026-10 UTC"}


def test_keep_within_keeps_recent_versions() -> None:
    versions = [version(1, 31), version(2, 45, 29), version(3, 2)]
    assert reasons(versions, keep_within="30d") == {2: "within 30d", 3: "within 30d"}


def test_one_rule_is_enough_and_the_reason_names_all_that_apply() -> None:
    versions = [version(1, 40), version(2, 2), version(3, 1, is_current=True)]
    found = reasons(versions, keep_last=1, keep_monthly=2)
    assert found == {3: "current, one of the last 1, monthly 2026-11 UTC", 1: "monthly 2026-10 UTC"}


def test_released_versions_have_a_reason_too() -> None:
    policy = RetentionPolicy(keep_last=1, keep_daily=1, keep_within="1d")
    [_, gone] = decide([version(1, 30), version(2)], policy, NOW)
    expected = "retention: not among the last 1, nor the newest of one of the last 1 days, nor within 1d"
    assert (gone.is_kept, gone.reason) == (False, expected)


def test_wiped_versions_are_not_kept_and_count_for_no_rule() -> None:
    versions = [version(1), version(2), version(3, is_wiped=True), version(4, is_wiped=True, is_pinned=True)]
    assert reasons(versions, keep_last=1) == {2: "one of the last 1", 4: "pinned"}
    assert reasons(versions) == {1: "no retention policy", 2: "no retention policy", 4: "pinned"}
    [gone] = [v for v in decide(versions, None, NOW) if not v.is_kept]
    assert gone.reason == "wiped"


def verdict(asset: str, number: int, is_kept: bool) -> Verdict:
    return Verdict(version(number, asset=asset), is_kept, "one of the last 1" if is_kept else "retention: …")


def test_inputs_of_kept_versions_are_kept_transitively() -> None:
    verdicts = [verdict("raw", 1, False), verdict("raw", 2, False), verdict("table", 1, False)]
    names = {str(v.version.name): v.version.name for v in verdicts}
    uses = [
        Use(names["table version 1"], names["raw version 1"]),
        Use(VersionName("sample", None, 3), names["table version 1"]),  # an asset without a verdict counts as kept
    ]
    found = {str(v.version.name): v.reason for v in keep_inputs(verdicts, uses) if v.is_kept}
    assert found == {"table version 1": "input of sample version 3", "raw version 1": "input of table version 1"}


def test_inputs_of_released_versions_are_not_kept() -> None:
    verdicts = [verdict("raw", 1, False), verdict("table", 1, False)]
    uses = [Use(verdicts[1].version.name, verdicts[0].version.name)]
    assert not any(v.is_kept for v in keep_inputs(verdicts, uses))


def test_cycle_of_inputs_terminates() -> None:
    name = verdict("a", 1, False).version.name
    assert [v.is_kept for v in keep_inputs([verdict("a", 1, False)], [Use(name, name)])] == [False]
    assert [v.is_kept for v in keep_inputs([verdict("a", 1, True)], [Use(name, name)])] == [True]


class TestRelease:
    @pytest.mark.everywhere
    def test_released_versions_hold_no_files_and_leave_the_history(self, catalog: Catalog, engine: sa.Engine) -> None:
        made = [record(catalog, letter) for letter in "aabbc"]
        released = retain(catalog, "flights/table", keep_last=2)
        assert [(v.version.name.version, v.reason) for v in released] == [(1, "retention: not among the last 2")]
        assert catalog.files.holders(made[0].file.file_id) == []
        assert counts_agree(engine)
        assert [m.version for m in catalog.materializations.history("flights/table")] == [3, 2, 2]
        with pytest.raises(UnknownVersionError):
            catalog.materializations.version("flights/table", 1)
        [garbage] = catalog.collection.collect(0, 10)
        assert (garbage.file_id, garbage.version) == (made[0].file.file_id, 1)
        assert garbage.reason == "retention: not among the last 2"

    def test_version_number_of_a_released_version_is_not_used_again(self, catalog: Catalog) -> None:
        for letter in "ab":
            record(catalog, letter)
        retain(catalog, "flights/table", keep_last=1)
        assert record(catalog, "a").version == 3

    def test_file_shared_with_a_kept_version_stays_held(self, catalog: Catalog) -> None:
        made = [record(catalog, letter) for letter in "aba"]
        assert len(retain(catalog, "flights/table", keep_last=1)) == 2
        assert [g.file_id for g in catalog.collection.collect(0, 10)] == [made[1].file.file_id]

    def test_partitions_are_decided_separately(self, catalog: Catalog) -> None:
        for partition, letter in (("p", "a"), ("p", "b"), ("q", "c")):
            record(catalog, letter, partition=partition)
        released = retain(catalog, "flights/table", keep_last=1)
        assert [str(v.version.name) for v in released] == ["flights/table[p] version 1"]

    def test_current_pinned_tagged_and_input_versions_are_kept(self, catalog: Catalog) -> None:
        raw = [record(catalog, letter, asset="raw") for letter in "abcdef"]
        catalog.pins_and_tags.pin("raw", version=1)
        catalog.pins_and_tags.tag("raw", "gold", version=2)
        record(catalog, "1", asset="table", inputs=(LoadedInput.of(raw[2]),))
        released = retain(catalog, "raw", keep_last=1)
        assert sorted(v.version.name.version for v in released) == [4, 5]
        plan = {v.version.name.version: v.reason for v in plan_retention(catalog)}
        assert plan == {1: "pinned", 2: "tagged gold", 3: "input of table version 1", 6: "current, one of the last 1"}
        catalog.pins_and_tags.unpin("raw", version=1)
        catalog.pins_and_tags.untag("raw", "gold")
        again = release_versions(catalog, plan_retention(catalog))
        assert sorted(v.version.name.version for v in again) == [1, 2]

    @pytest.mark.parametrize("how", ["current", "pinned", "tagged", "an input"])
    @pytest.mark.everywhere
    def test_version_protected_after_the_decision_is_not_released(self, catalog: Catalog, how: str) -> None:
        made = [record(catalog, letter) for letter in "ab"]
        catalog.retention.set_policy("flights/table", RetentionPolicy(keep_last=1))
        decided = plan_retention(catalog)
        assert [v.is_kept for v in decided] == [True, False]
        if how == "current":
            catalog.retention.wipe("flights/table")
            catalog.retention.restore("flights/table", version=1)
        elif how == "pinned":
            catalog.pins_and_tags.pin("flights/table", version=1)
        elif how == "tagged":
            catalog.pins_and_tags.tag("flights/table", "gold", version=1)
        else:
            record(catalog, "c", asset="x", inputs=(LoadedInput.of(made[0]),))
        assert release_versions(catalog, decided) == []

    def test_chain_of_inputs_is_released_completely(self, catalog: Catalog) -> None:
        for letters in ("ab", "cd"):
            raw = record(catalog, letters[0], asset="a/raw")
            record(catalog, letters[1], asset="b/table", inputs=(LoadedInput.of(raw),))
        for asset in ("a/raw", "b/table"):
            catalog.retention.set_policy(asset, RetentionPolicy(keep_last=1))
        released = release_versions(catalog, plan_retention(catalog))
        assert [str(v.version.name) for v in released] == ["b/table version 1", "a/raw version 1"]

    def test_only_named_assets_are_released(self, catalog: Catalog) -> None:
        for asset in ("a", "b"):
            for letter in "xy":
                record(catalog, letter, asset=asset)
            catalog.retention.set_policy(asset, RetentionPolicy(keep_last=1))
        released = release_versions(catalog, plan_retention(catalog, ["a"]))
        assert [str(v.version.name) for v in released] == ["a version 1"]


def retain(catalog: Catalog, asset: str, **policy: Any) -> list[Verdict]:
    catalog.retention.set_policy(asset, RetentionPolicy(**policy))
    return list(release_versions(catalog, plan_retention(catalog)))


OUTPUT = "run 1/step/result"


class TestOutputsOfOps:
    """Each run has its own outputs of ops, which stay current forever. Only their age releases them."""

    def test_op_outputs_are_kept_forever_by_default(self, catalog: Catalog, engine: sa.Engine) -> None:
        record(catalog, "a", asset=OUTPUT, run_id="run 1", is_op_output=True)
        let_pass(engine, days=9999)
        assert plan_retention(catalog) == []

    def test_older_op_outputs_are_released(self, catalog: Catalog, engine: sa.Engine) -> None:
        old = record(catalog, "a", asset=OUTPUT, run_id="run 1", is_op_output=True)
        record(catalog, "b", asset="an asset", run_id="run 1")
        let_pass(engine, days=3)
        young = record(catalog, "c", asset="run 2/step/result", run_id="run 2", is_op_output=True)
        [released] = release_versions(catalog, plan_retention(catalog, ops_within="2d"))
        assert (str(released.version.name), released.reason) == (f"{OUTPUT} version 1", "retention: not within 2d")
        assert catalog.files.holders(old.file.file_id) == []
        assert [m.asset for m in catalog.materializations.list_current(with_ops=True)] == ["an asset", young.asset]
        assert counts_agree(engine)
        assert release_versions(catalog, plan_retention(catalog, ops_within="2d")) == []

    def test_pinned_tagged_and_input_op_outputs_are_kept(self, catalog: Catalog, engine: sa.Engine) -> None:
        outputs = [
            record(catalog, letter, asset=f"run {letter}/x/y", run_id=f"run {letter}", is_op_output=True)
            for letter in "abcd"
        ]
        loaded = LoadedInput.of(outputs[2])
        record(catalog, "e", asset="an asset", inputs=(loaded,))
        catalog.pins_and_tags.pin("run a/x/y")
        catalog.pins_and_tags.tag("run b/x/y", "gold")
        let_pass(engine, days=3)
        plan = plan_retention(catalog, ops_within="1d")
        assert {v.version.name.asset: v.reason for v in plan} == {
            "run a/x/y": "pinned",
            "run b/x/y": "tagged gold",
            "run c/x/y": "input of an asset version 1",
            "run d/x/y": "retention: not within 1d",
        }
        assert len(release_versions(catalog, plan)) == 1

    def test_chain_of_op_outputs_is_released_completely(self, catalog: Catalog, engine: sa.Engine) -> None:
        first = record(catalog, "a", asset="run 1/a/result", run_id="run 1", is_op_output=True)
        loaded = LoadedInput.of(first)
        record(catalog, "b", asset="run 1/b/result", run_id="run 1", is_op_output=True, inputs=(loaded,))
        let_pass(engine, days=3)
        released = release_versions(catalog, plan_retention(catalog, ops_within="1d"))
        assert [v.version.name.asset for v in released] == ["run 1/b/result", "run 1/a/result"]

    def test_restored_op_output_is_kept_for_the_same_time_again(self, catalog: Catalog, engine: sa.Engine) -> None:
        record(catalog, "a", asset=OUTPUT, run_id="run 1", is_op_output=True)
        for _ in range(2):  # once more, after the restore
            let_pass(engine, days=3)
            assert len(release_versions(catalog, plan_retention(catalog, ops_within="2d"))) == 1
            catalog.retention.restore(OUTPUT, version=1)
            assert catalog.materializations.list_current() == []
            [back] = catalog.materializations.list_current(with_ops=True)
            assert (back.asset, back.run_id) == (OUTPUT, "run 1")
            assert [v.is_kept for v in plan_retention(catalog, ops_within="2d")] == [True]
        assert counts_agree(engine)

    @pytest.mark.parametrize("duration", ["23h", "soon"])
    def test_less_than_a_day_is_refused(self, catalog: Catalog, duration: str) -> None:
        with pytest.raises(InvalidArgumentError, match="ops_within"):
            plan_retention(catalog, ops_within=duration)


def let_pass(engine: sa.Engine, days: int) -> None:
    """Make every row that many days older."""
    earlier = utc_now(sa.literal(-86_400.0 * days))
    with engine.begin() as connection:
        connection.execute(sa.update(materializations).values(created_at=earlier))


class TestWipe:
    def test_wiped_versions_are_unreadable_and_released(self, catalog: Catalog) -> None:
        for letter in "ab":
            record(catalog, letter)
        assert catalog.retention.wipe("flights/table") == 2
        with pytest.raises(NeverMaterializedError):
            catalog.materializations.current("flights/table")
        assert [v.reason for v in release_versions(catalog, plan_retention(catalog))] == ["wiped", "wiped"]
        assert [g.reason for g in catalog.collection.collect(0, 10)] == ["wiped", "wiped"]
        assert record(catalog, "a").version == 3

    def test_wiped_input_of_a_kept_version_is_kept(self, catalog: Catalog) -> None:
        raw = record(catalog, "a", asset="raw")
        record(catalog, "b", asset="table", inputs=(LoadedInput.of(raw),))
        catalog.retention.wipe("raw")
        [kept] = plan_retention(catalog)
        assert (kept.is_kept, kept.reason) == (True, "input of table version 1")
        catalog.retention.wipe("table")
        assert len(release_versions(catalog, plan_retention(catalog))) == 2

    def test_repeated_wipe_changes_nothing(self, catalog: Catalog) -> None:
        record(catalog, "a")
        assert catalog.retention.wipe("flights/table", happened_at=NOW) == 1
        catalog.retention.restore("flights/table")
        assert catalog.retention.wipe("flights/table", happened_at=NOW) == 0
        earlier = NOW - datetime.timedelta(microseconds=1)
        assert catalog.retention.wipe("flights/table", happened_at=earlier) == 2, "including the restored one"
        record(catalog, "a", asset="other")
        assert catalog.retention.wipe("other", happened_at=NOW) == 1

    def test_wipe_ignores_newer_materializations_than_it_has_seen(self, catalog: Catalog) -> None:
        record(catalog, "a")
        seen = catalog.retention.wipeable("flights/table")
        later = record(catalog, "b")
        assert catalog.retention.wipe("flights/table", up_to=max(seen)) == 1
        assert catalog.materializations.current("flights/table") == later
        assert list(catalog.retention.wipeable("flights/table")) == [later.materialization_id]

    def test_wipe_ignores_later_runs(self, catalog: Catalog) -> None:
        record(catalog, "a", run_id="before")
        later = record(catalog, "b", run_id="after")
        assert catalog.retention.wipe("flights/table", except_runs=["after"]) == 1
        assert catalog.materializations.current("flights/table") == later

    def test_pinned_version_of_a_wiped_asset_can_be_loaded(self, catalog: Catalog) -> None:
        record(catalog, "a")
        catalog.pins_and_tags.pin("flights/table")
        catalog.retention.wipe("flights/table")
        assert release_versions(catalog, plan_retention(catalog)) == []
        assert catalog.materializations.version("flights/table", 1).version == 1


def test_unchanged_output_keeps_only_its_latest_inputs(catalog: Catalog, engine: sa.Engine) -> None:
    for letter in "abcd":
        raw = record(catalog, letter, asset="raw")
        record(catalog, "f", asset="same", inputs=(LoadedInput.of(raw),))
    record(catalog, "e", asset="raw")
    verdicts = plan_retention(catalog, ["raw"], {"raw": RetentionPolicy(keep_last=1)})
    assert {v.version.name.version: v.reason for v in verdicts if v.is_kept} == {
        5: "current, one of the last 1",
        4: "input of same version 1",
    }
    assert {v.version.name.version for v in release_versions(catalog, verdicts)} == {1, 2, 3}
    assert not catalog.retention.release(VersionName("raw", None, 4), "test")
    assert {garbage.version for garbage in catalog.collection.collect(0, 10)} == {1, 2, 3}
    assert counts_agree(engine)


def test_unpublished_versions_are_counted_separately() -> None:
    rejected, candidate = {"publication": Publication.REJECTED}, {"publication": Publication.CANDIDATE}
    versions = [
        version(1),
        version(2),
        version(3, is_current=True),
        version(4, 9, **candidate),
        version(5, **rejected),
        version(6, 2, **candidate),
        version(7, **rejected, publication_reason="superseded by version 8, which became current first"),
    ]
    assert reasons(versions, keep_last=2) == {
        2: "one of the last 2",
        3: "current, one of the last 2",
        6: f"may be published until 2026-11-29 {NOW:%H:%M} UTC, one of the last 2 (candidate)",
        7: "one of the last 2 (superseded)",
    }


def test_old_candidate_is_kept_like_a_rejected_version() -> None:
    versions = [version(1, is_current=True), version(2, 8, publication=Publication.CANDIDATE)]
    assert reasons(versions, keep_within="1d") == {1: "current, within 1d"}
    assert reasons(versions) == {1: "current", 2: "no retention policy (candidate)"}
