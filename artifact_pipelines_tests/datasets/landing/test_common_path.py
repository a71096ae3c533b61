import fnmatch
import itertools

import hypothesis
import hypothesis.strategies as st
import pytest

from artifact_pipelines.datasets.landing.common_path import common_path
from artifact_pipelines.datasets.landing.entry_names import SourceGlob


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("flights*.csv", "flights_2*.csv", "flights_2.csv"),
        ("flights*.csv", "weather*.csv", None),
        ("a.csv", "a.csv", "a.csv"),
        ("a.csv", "A.csv", None),
        ("*.csv", "*.parquet", None),
        ("in/**/*.csv", "in/x/day.csv", "in/x/day.csv"),
        ("in/**/*.csv", "out/*.csv", None),
        ("**/*.csv", "a/b/*.csv", "a/b/x.csv"),
        ("f[0-4]*", "f[5-9]*", None),
        ("f[0-5]*", "f[5-9]*", "f5"),
        ("f[!a]", "f[a-b]", "fb"),
    ],
)
def test_path_that_two_globs_match(first: str, second: str, expected: str | None) -> None:
    assert common_path(first, second) == expected
    assert (common_path(second, first) is None) == (expected is None)


@hypothesis.given(*[st.text("ab*?", min_size=1, max_size=4)] * 2)
def test_names_that_two_globs_match_are_found_exactly(first: str, second: str) -> None:
    names = ["".join(each) for size in range(1, 6) for each in itertools.product("ab", repeat=size)]
    shared = any(fnmatch.fnmatchcase(name, first) and fnmatch.fnmatchcase(name, second) for name in names)
    found = common_path(first, second)
    assert (found is not None) == shared
    assert found is None or all(SourceGlob(glob).is_match(_state(SourceGlob(glob), found)) for glob in (first, second))


def _state(glob: SourceGlob, name: str) -> frozenset[int]:
    return glob.step(glob.start, name)
