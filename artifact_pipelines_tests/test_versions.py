"""The ranges of versions in pyproject.toml are those that the tests are run with."""

import pathlib
import tomllib
from collections.abc import Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = pathlib.Path(__file__).parents[1]
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
EVERYBODYS = [
    Requirement(each)
    for each in (
        *DECLARED["dependencies"],
        *DECLARED["optional-dependencies"]["api"],
        *DECLARED["optional-dependencies"]["dask"],
    )
]


def test_oldest_versions_are_the_lower_bounds() -> None:
    oldest = _pinned("constraints-oldest.txt")
    for each in EVERYBODYS:
        (bound,) = (Version(part.version) for part in each.specifier if part.operator == ">=")
        found = oldest[canonicalize_name(each.name)]
        assert found.release[: len(bound.release)] == bound.release, f"{each}: {found}"


def test_pinned_versions_are_within_their_ranges() -> None:
    for name in ("constraints.txt", "constraints-oldest.txt"):
        pinned = _pinned(name)
        for each in EVERYBODYS:
            assert each.specifier.contains(pinned[canonicalize_name(each.name)]), f"{name}: {each}"


def _pinned(name: str) -> Mapping[str, Version]:
    lines = [line.split("==") for line in (PROJECT / name).read_text().splitlines() if "==" in line]
    return {canonicalize_name(package): Version(version.strip()) for package, version in lines}
