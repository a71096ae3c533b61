"""Decides which versions to keep, with a reason for each that people can read.

One idea: the decision is a pure function of the catalog's rows. An asset without a policy keeps every version but the
wiped ones.
"""

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.durations import parse_duration_s
from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.retention import RetentionPolicy, Use, Verdict, Version, VersionName
from artifact_pipelines.core.types import Publication, publication_word

_PERIODS = (
    ("keep_daily", "daily", "%Y-%m-%d", "day"),
    ("keep_weekly", "weekly", "%G-W%V", "week"),
    ("keep_monthly", "monthly", "%Y-%m", "month"),
)
WIPED = "wiped"
CANDIDATE_DAYS = 7
"""For this long a candidate may wait for its checks. Afterwards it is kept by the same rules as a rejected version."""

_SHORTEST_OPS_WITHIN_S = 86_400.0  # an unfinished run, or its retry, may load outputs of its ops until then

Policies = Mapping[str, RetentionPolicy | None]
"""The policy of each asset; None: it has no policy."""


def decide(versions: Sequence[Version], policy: RetentionPolicy | None, now: datetime.datetime) -> Sequence[Verdict]:
    """Decide on the versions of one asset, or of one partition of it.

    A wiped version is kept only if it is current, pinned or tagged, and counts for no rule. The rules count published
    and unpublished versions separately, so that a candidate never takes the place of a published version.

    Args:
        versions: All versions that are kept so far.
        policy: The policy of the asset; None keeps everything.
        now: The present, by the clock that also dates the versions.

    Returns:
        A verdict on each, newest first.
    """
    newest_first = sorted(versions, key=lambda v: v.name.version, reverse=True)
    remaining = [version for version in newest_first if not version.is_wiped]
    published = [version for version in remaining if version.publication.was_published]
    others = [version for version in remaining if not version.publication.was_published]
    by_rule = (
        {**dict(_kept_by_rule(published, policy, now)), **dict(_kept_by_rule(others, policy, now))} if policy else {}
    )
    verdicts = []
    for version in newest_first:
        reasons = [*_kept_anyway(version, now), *by_rule.get(version.name, ())]
        if not policy and not version.is_wiped and not reasons:
            reasons = ["no retention policy"]
        why_not = WIPED if version.is_wiped else f"retention: {_why_not(policy)}"
        word = publication_word(version.publication, version.publication_reason)
        state = "" if version.publication == Publication.PUBLISHED else f" ({word})"
        verdicts.append(Verdict(version, bool(reasons), (", ".join(reasons) or why_not) + state))
    return verdicts


def keep_inputs(verdicts: Sequence[Verdict], uses: Iterable[Use]) -> Sequence[Verdict]:
    """Keep the inputs of kept versions too, the inputs of those inputs, and so on.

    Args:
        verdicts: Verdicts on versions of any assets.
        uses: Which versions were made from them. A consumer without a verdict counts as kept.
    """
    decided = {verdict.version.name: verdict for verdict in verdicts}
    inputs_of: dict[VersionName, list[VersionName]] = {}
    for use in uses:
        inputs_of.setdefault(use.consumer, []).append(use.input)
    waiting = [name for name in inputs_of if name not in decided or decided[name].is_kept]
    while waiting:
        consumer = waiting.pop()
        for name in inputs_of.get(consumer, ()):
            if name in decided and not decided[name].is_kept:
                decided[name] = dataclasses.replace(decided[name], is_kept=True, reason=f"input of {consumer}")
                waiting.append(name)
    return list(decided.values())


def plan_retention(
    catalog: Catalog,
    assets: Sequence[str] | None = None,
    declared: Policies | None = None,
    ops_within: str | None = None,
) -> Sequence[Verdict]:
    """Return the verdicts on all versions of assets that have a policy or were wiped. Changes nothing.

    Args:
        catalog: The catalog.
        assets: Restricts the verdicts to these assets.
        declared: Policies that override those in the catalog.
        ops_within: See `clean_up`. Younger outputs get no verdict.
    """
    policies = {**catalog.retention.policies(), **(declared or {}), **_policies_of_old_op_outputs(catalog, ops_within)}
    if assets is None:
        with_policy = {asset for asset, policy in policies.items() if policy}
        assets = sorted(with_policy.union(catalog.retention.wiped_assets()))
    now = catalog.retention.now()
    verdicts: list[Verdict] = []
    for asset in assets:
        policy = policies.get(asset)
        for partition in _by_partition(catalog.retention.versions(asset)):
            verdicts += decide(partition, policy, now)
    lost = sorted({verdict.version.name.asset for verdict in verdicts if not verdict.is_kept})
    return keep_inputs(verdicts, (use for asset in lost for use in catalog.retention.uses(asset)))


def _policies_of_old_op_outputs(catalog: Catalog, within: str | None) -> Policies:
    if within is None:
        return {}
    within_s = parse_duration_s(within, "ops_within")
    if within_s < _SHORTEST_OPS_WITHIN_S:
        raise InvalidArgumentError("ops_within", within, "1d or more, because an unfinished run may still load them")
    return dict.fromkeys(catalog.retention.outputs_of_ops(within_s), RetentionPolicy(keep_within=within))


def release_versions(catalog: Catalog, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """Release the versions that the verdicts do not keep, and return the verdicts carried out.

    A version that has become current, pinned, tagged or used since the verdict is left alone.
    """
    released: list[Verdict] = []
    waiting = [verdict for verdict in verdicts if not verdict.is_kept]
    while waiting:  # an input is released after everything made from it
        gone = [v for v in waiting if catalog.retention.release(v.version.name, v.reason)]
        if not gone:
            break
        released += gone
        names = {verdict.version.name for verdict in gone}
        waiting = [verdict for verdict in waiting if verdict.version.name not in names]
    return released


def _kept_anyway(version: Version, now: datetime.datetime) -> Iterator[str]:
    if version.is_current and not version.is_op_output:
        yield "current"
    if version.is_pinned:
        yield "pinned"
    may_wait_until = version.made_at[-1] + datetime.timedelta(days=CANDIDATE_DAYS)
    if version.publication == Publication.CANDIDATE and not version.is_wiped and now <= may_wait_until:
        yield f"may be published until {may_wait_until:%Y-%m-%d %H:%M} UTC"
    yield from (f"tagged {tag}" for tag in version.tags)


def _kept_by_rule(
    newest_first: Sequence[Version], policy: RetentionPolicy, now: datetime.datetime
) -> Iterator[tuple[VersionName, Sequence[str]]]:
    reasons: dict[VersionName, list[str]] = {version.name: [] for version in newest_first}
    for version in newest_first[: policy.keep_last or 0]:
        reasons[version.name].append(f"one of the last {policy.keep_last}")
    moments = sorted(((made_at, v.name) for v in newest_first for made_at in v.made_at), reverse=True)
    for rule, word, form, _ in _PERIODS:
        for period, name in _newest_of_each(moments, form, getattr(policy, rule) or 0):
            reasons[name].append(f"{word} {period} UTC")
    if policy.keep_within:
        since = now - datetime.timedelta(seconds=parse_duration_s(policy.keep_within, "keep_within"))
        for version in newest_first:
            if version.made_at[-1] >= since:
                reasons[version.name].append(f"within {policy.keep_within}")
    yield from reasons.items()


def _newest_of_each(
    moments: Sequence[tuple[datetime.datetime, VersionName]], form: str, count: int
) -> Iterator[tuple[str, VersionName]]:
    """Yield the newest version of each of the newest periods that have a version."""
    newest: dict[str, VersionName] = {}
    for made_at, name in moments:
        period = made_at.astimezone(datetime.UTC).strftime(form)
        if period not in newest and len(newest) == count:
            break
        newest.setdefault(period, name)
    yield from newest.items()


def _why_not(policy: RetentionPolicy | None) -> str:
    if policy is None:
        return ""
    missed = [f"among the last {policy.keep_last}"] if policy.keep_last else []
    for rule, _, _, period in _PERIODS:
        if count := getattr(policy, rule):
            missed.append(f"the newest of one of the last {count} {period}s")
    missed += [f"within {policy.keep_within}"] if policy.keep_within else []
    return "not " + ", nor ".join(missed)


def _by_partition(versions: Sequence[Version]) -> Iterable[Sequence[Version]]:
    partitions: dict[str | None, list[Version]] = {}
    for version in versions:
        partitions.setdefault(version.name.partition, []).append(version)
    return partitions.values()
