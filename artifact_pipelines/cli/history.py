"""The command that lists the versions of an asset: history."""

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.terminal import as_json_option, asset_row, partition_option, print_json, print_rows
from artifact_pipelines.core.retention import Version
from artifact_pipelines.core.types import Publication

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
    kept = {(v.name.partition, v.name.version): _marks(v) for v in versions}
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
    if len({m.partition is None for m in made}) > 1:
        click.echo(_IS_MIXED.format(asset=asset))
    return None


def _marks(version: Version) -> str | None:
    """Return the marks that keep a version: current, pinned, its tags."""
    marks = [*(["current"] * version.is_current), *(["pinned"] * version.is_pinned), *version.tags]
    return ", ".join(marks) or None
