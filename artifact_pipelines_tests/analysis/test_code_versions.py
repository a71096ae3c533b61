"""Code versions of declared analyses: another one marks every such asset as changed, and its answers are made anew."""

from typing import Any

import pydantic
import pytest

from artifact_pipelines.analysis.interfaces import IAnalysisKind
from artifact_pipelines.analysis.registry import AnalysisKind

IN_TIME = {"time": "at", "every": "day", "time_zone": "Europe/Berlin", "where": "x > 0"}
VERSIONS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "profile"}, "profile 10 {}"),
    ({"kind": "drift"}, "drift 3 {}"),
    (
        {"kind": "sql", "query": "SELECT 1 AS one FROM t"},
        'sql 2 {"query":"SELECT 1 AS one FROM t","parameters":{}}',
    ),
    (
        {"kind": "group_by", "by": ["a"], "measures": {"n": "count", "m": {"mean": "x"}}, "where": "x > 0"},
        'group_by 2 {"where":"x > 0","measures":{"n":"count","m":{"mean":"x"}},"by":["a"]}',
    ),
    (
        {"kind": "crosstab", "rows": "a", "columns": "b", "where": "x > 0"},
        'crosstab 2 {"where":"x > 0","rows":"a","columns":"b"}',
    ),
    (
        {"kind": "time_series", "measures": {"n": "count"}, **IN_TIME},
        'time_series 3 {"where":"x > 0","measures":{"n":"count"},"time":"at","every":"day",'
        '"time_zone":"Europe/Berlin"}',
    ),
    (
        {"kind": "cohort", "unit": "a", **IN_TIME},
        'cohort 2 {"where":"x > 0","time":"at","every":"day","time_zone":"Europe/Berlin","unit":"a"}',
    ),
    (
        {"kind": "estimate", "sample": "tenth", "estimates": {"x": {"mean": "x"}}, "by": ["a"]},
        'estimate 5 {"estimates":{"x":{"mean":"x"}},"by":["a"],"sample":"tenth"}',
    ),
]


@pytest.mark.parametrize(("declared", "version"), VERSIONS, ids=[each["kind"] for each, _ in VERSIONS])
def test_code_version_changes_only_on_purpose(declared: dict[str, Any], version: str) -> None:
    kind: IAnalysisKind = pydantic.TypeAdapter(AnalysisKind).validate_python(declared)
    assert kind.code_version() == version
