"""The command that lists the versions of an asset: history."""

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
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


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
@partition_option
@click.option("--all", "with_released", is_flag=True, help="Also list released versions that can still be restored.")
@as_json_option
def history(name: str, partition: str | None, with_released: bool, as_json: bool) -> None:
    r"""List the materializations of an asset, or of one of its versions, newest first.

    \b
    Examples:
      artifact-pipelines history flights/table
      artifact-pipelines history flights/table --all      # with what `restore` can bring back
    """
    from artifact_pipelines.catalog.stored_names import resolve_name

    with open_store() as store:
        found = resolve_name(store.catalog, name, partition)
        asset, partition = found.asset, found.partition
        versions = store.catalog.retention.versions(asset)
        catalog = store.catalog.materializations
        made = catalog.history(asset, partition, with_released=True) if with_released else None
        made = made or store.history(asset, partition)
        made = [m for m in made if found.version in (None, m.version)]
        if not made:
            catalog.version(asset, found.version or 0, partition)  # raises an error that names the newest
    marks = {(v.name.partition, v.name.version): _marks(v) for v in versions}
    kept = {(v.name.partition, v.name.version, at) for v in versions for at in v.made_at}

    def mark(m: Materialization) -> str | None:
        """Return the marks of a version in its newest row; with --all, what every row is."""
        word = "kept" if (m.partition, m.version, m.created_at) in kept else "released"
        return marks.pop((m.partition, m.version), None) or (word if with_released else None)

    rows = [{**asset_row(m), "run_id": m.run_id, "marks": mark(m), "state": m.publication_text} for m in made]
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
