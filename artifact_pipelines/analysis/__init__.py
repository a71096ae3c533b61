"""Analyses of a dataset's table; each answer is an artifact.

The one idea: the same table and the same question have the same answer, to the last bit.

    kind     a way to answer: a class in `kinds/`
    profile  one row of statistics for each column
    drift    one row for each column: how it differs from another version
    query    one SELECT in a DuckDB that can read the given tables only
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artifact_pipelines.analysis.estimates.answer import estimate

__all__ = ["estimate"]


def __getattr__(name: str) -> object:
    """Return a public name at its first use, because estimates take long to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from artifact_pipelines.analysis.estimates import answer

    return getattr(answer, name)
