"""Which tests run, and in which form. Their fixtures are in `fixtures.py`, which loads the whole package."""

import collections
import gc
from collections.abc import Iterator, Mapping, Sequence

import hypothesis
import pytest

from artifact_pipelines_tests.quick_coverage import leave_probes

# No deadline, because a busy machine takes longer.
hypothesis.settings.register_profile("short", deadline=None, max_examples=30)
hypothesis.settings.register_profile("stress", deadline=None, max_examples=300)
_PAIR = {"catalog_url", "storage_url"}
_PAIRS = (("sqlite", "local"), ("postgresql", "s3"))
_LOCAL_PAIRS = (("sqlite", "local"), ("postgresql", "local"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stress", action="store_true", help="run long tests too, and others in their long form")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep every imported module out of garbage collection: full ones took a tenth of the time."""
    gc.disable()
    yield
    gc.freeze()
    gc.set_threshold(20_000)  # the default looks for garbage 30 times as often
    gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("stress" if config.getoption("--stress") else "short")
    leave_probes()
    if config.getoption("dist", "no") == "no":  # a process that only hands out tests to others needs no fixtures
        config.pluginmanager.import_plugin("artifact_pipelines_tests.fixtures")


def pytest_unconfigure() -> None:
    gc.unfreeze()  # otherwise DuckDB prints a report of leaks when the process ends


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--stress"):
        return
    cases = collections.defaultdict[object, dict[object, int]](dict)
    long = {item for item in items if _is_long(item) or _is_redundant_pair(item, cases)}
    config.hook.pytest_deselected(items=list(long))
    items[:] = [item for item in items if item not in long]


def _is_long(item: pytest.Item) -> bool:
    """True if only `make stress` runs a test: it is marked `long`, or it repeats another one on production's place.

    Every test runs on SQLite and local disk. Those of the catalog's SQL, of the contracts, and those marked
    `everywhere` run on PostgreSQL or S3 too.
    """
    if item.get_closest_marker("long"):
        return True
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    is_elsewhere = given.get("catalog_url") == "postgresql" or given.get("storage_url") == "s3"
    return is_elsewhere and not item.get_closest_marker("everywhere")


def _is_redundant_pair(item: pytest.Item, cases: Mapping[object, dict[object, int]]) -> bool:
    """True if only `make stress` runs a test on this pair of catalog and storage.

    Few tests depend on both at once. `make test` runs a test that is marked `everywhere` on SQLite with local disk and
    on PostgreSQL with S3. If it has several cases, it runs each case on one of these pairs, in turn.
    """
    if (
        not isinstance(item, pytest.Function)
        or not hasattr(item, "callspec")
        or not item.callspec.params.keys() >= _PAIR
    ):
        return False
    given = dict(item.callspec.params)
    pairs = _LOCAL_PAIRS if _is_local(item.fixturenames) else _PAIRS
    pair = (given.pop("catalog_url"), given.pop("storage_url"))
    if not given or not item.get_closest_marker("everywhere"):
        return pair not in pairs
    known = cases[item.function, item.cls]
    case = known.setdefault(tuple(map(id, given.values())), len(known))
    return pair != pairs[case % len(pairs)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each supported backend, unless it uses the local store of the environment."""
    if "storage_url" in metafunc.fixturenames:
        backends = ["local"] if _is_local(metafunc.fixturenames) else ["local", "s3"]
        metafunc.parametrize("storage_url", backends, indirect=True)


def _is_local(fixture_names: Sequence[str]) -> bool:
    return "store" in fixture_names or "project" in fixture_names
