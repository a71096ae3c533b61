"""Commands on the catalog's schema: db upgrade, db current."""

import click

from artifact_pipelines.cli.environment import open_engine
from artifact_pipelines.cli.terminal import as_json_option, print_json


@click.group()
def db() -> None:
    """Create or upgrade the catalog's tables."""


@db.command()
def upgrade() -> None:
    """Bring the catalog's schema up to date.

    A new catalog gets its tables.
    """
    from artifact_pipelines.catalog import schema

    with open_engine(may_be_new=True) as engine:
        before = schema.current_revision(engine)
        schema.upgrade(engine)
    click.echo(f"Schema: {before or 'none'} -> {schema.HEAD_REVISION}")


@db.command()
@as_json_option
def current(as_json: bool) -> None:
    """Print the present and the required revision of the schema."""
    from artifact_pipelines.catalog import schema

    with open_engine() as engine:
        found = schema.current_revision(engine)
    if as_json:
        return print_json({"current": found, "needed": schema.HEAD_REVISION})
    return click.echo(f"{found or 'none'} (needed: {schema.HEAD_REVISION})")
