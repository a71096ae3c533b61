"""The command that lists the versions of an asset: history."""

from collections.abc import Sequence

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.terminal import as_json_option, asset_row, partition_option, print_json, print_rows
from artifact_pipelines.core.retention import Version
from artifact_pipelines.core.types import Materialization, Publication

_HAS_CANDIDATES = (
    "A candidate becomes current once its checks have passed: the sensor artifact_publisher publishes it, or the next "
    "step that loads {asset}. To publish it at once: `artifact-pipelines publish {asset} --version N`."
)
_IS_MIXED = (
    "{asset} was materialized both with and without partitions. Inputs load only versions that match its present "
    "definition."
)


@click.command()
@click.argument("asset")
@partition_option
@click.option("--all", "with_released", is_flag=True, help="Also list released versions that can still be restored.")
@as_json_option
def history(asset: str, partition: str | None, with_released: bool, as_json: bool) -> None:
    """List the materializations of ASSET, newest first."""
    with open_store() as store:
        versions = store.catalog.retention.versions(asset)
        catalog = store.catalog.materializations
        made = catalog.history(asset, partition, with_released=True) if with_released else None
        made = made or store.history(asset, partition)
        of_all_partitions = made if partition is None else store.history(asset)
    is_partitioned = _was_partitioned_last(of_all_partitions)
    kept = {(v.name.partition, v.name.version): _marks(v, is_partitioned) for v in versions}
    marks = {**{(m.partition, m.version): "released" for m in made}, **kept}
    rows = [
        {
            **asset_row(m),
            "run_id": m.run_id,
            "marks": marks.pop((m.partition, m.version), None),  # only the newest row of a version shows its marks
            "state": m.publication_text,
        }
        for m in made
    ]
    if as_json:
        return print_json(rows)
    print_rows(rows, only_json=("asset",))
    if any(m.publication == Publication.CANDIDATE for m in made):
        click.echo(_HAS_CANDIDATES.format(asset=asset))
    if len({m.partition is None for m in of_all_partitions}) > 1:
        click.echo(_IS_MIXED.format(asset=asset))
    return None


def _was_partitioned_last(newest_first: Sequence[Materialization]) -> bool:
    """True if the newest run of an asset made a partition. The catalog does not know the asset's present definition."""
    return next((m for m in newest_first if m.run_id), newest_first[0]).partition is not None


def _marks(version: Version, is_partitioned: bool) -> str | None:
    """Return the marks that keep a version: current, pinned, its tags."""
    current = "current"
    if (version.name.partition is not None) != is_partitioned:
        current = "current if unpartitioned" if is_partitioned else "current if partitioned"
    marks = [*([current] if version.is_current else []), *(["pinned"] if version.is_pinned else []), *version.tags]
    return ", ".join(marks) or None
