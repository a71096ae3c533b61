"""Charts of the last versions of an asset, on its page: rows of a table, figures of an answer."""

from collections.abc import Mapping

import dagster as dg

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.charts.kinds import over_versions
from artifact_pipelines.charts.small import small_image
from artifact_pipelines.core.types import Materialization
from artifact_pipelines.instance.page import HISTORY, Metadata

FIGURES = "figures"
"""Key in what an output notes about its source: its numbers by name, of which Dagster plots each over time."""
MOST_VERSIONS = 20
_MOST_CHARTS = 3


def history_metadata(catalog: Catalog, made: Materialization) -> Metadata:
    """Return a chart of each number that changed over the last versions of what was just recorded, at most three."""
    found = catalog.materializations.history(made.asset, made.partition, limit=MOST_VERSIONS)
    numbers = {each.version: _numbers(each) for each in reversed(found)}
    charts: Metadata = {}
    for name in _numbers(made):
        values = {version: known.get(name) for version, known in numbers.items()}
        if len(charts) < _MOST_CHARTS and len({*values.values()} - {None}) > 1:
            image = small_image(over_versions(name, values))
            charts |= {f"{HISTORY}{name}": dg.MetadataValue.md(image)} if image else {}
    return charts


def _numbers(made: Materialization) -> Mapping[str, float | None]:
    return made.source.get(FIGURES) or {"rows": made.row_count}
