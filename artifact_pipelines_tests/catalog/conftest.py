"""SQL differs between databases, so every test of the catalog runs on both."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.everywhere)
