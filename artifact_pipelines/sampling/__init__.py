"""Samples of a dataset's table.

The one idea: each row always draws the same random number, and a design is a rule on these numbers. So a sample depends
on no order, layout or thread count, and hardly changes when the data grow.

    population             the rows of a table
    design                 a rule that draws rows: a class in `designs/`
    key                    the columns that identify a row
    seed                   chooses one of all possible samples
    inclusion probability  π, the share of seeds with which a row is drawn
    sampling weight        1 / π, the number of rows that a drawn row stands for

Read `drawing.py` first: it opens a population, lets a design choose rows, and takes the chosen ones.

    designs/     a class for each design: its fields, and how it chooses
    fields/      fields that several designs share
    arithmetic/  the formulas, as functions of arrays
    engine/      passes over tables of any size
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artifact_pipelines.sampling.drawing import draw

__all__ = ["draw"]


def __getattr__(name: str) -> object:
    """Return a public name at its first use, because designs take long to import."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from artifact_pipelines.sampling import drawing

    return getattr(drawing, name)
