"""Which allocator Arrow uses."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from artifact_pipelines.tabular.arrow_memory import use_arrow_memory, use_system_memory


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.mimalloc_memory_pool())
    yield
    pa.set_memory_pool(before)


def test_arrow_uses_the_allocator_of_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL", raising=False)
    use_system_memory()

    assert pa.default_memory_pool().backend_name == "system"


def test_arrow_uses_its_own_allocator_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARROW_DEFAULT_MEMORY_POOL", raising=False)
    own = pa.mimalloc_memory_pool().backend_name
    use_system_memory()
    use_arrow_memory()

    assert pa.default_memory_pool().backend_name == own


def test_the_allocator_that_the_environment_names_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "mimalloc")
    use_system_memory()
    assert pa.default_memory_pool().backend_name == "mimalloc"

    pa.set_memory_pool(pa.system_memory_pool())
    use_arrow_memory()
    assert pa.default_memory_pool().backend_name == "system"
