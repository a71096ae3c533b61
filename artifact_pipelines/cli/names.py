"""Names of stored things as arguments of commands, which a shell completes with the names of assets."""

from typing import TYPE_CHECKING, Any

import click

from artifact_pipelines.core.exceptions import ArtifactError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

NAME_HELP = (
    "NAME is an asset (flights/table, flights/table@v3, flights/table@TAG, sales/table[2024-01]), a dataset "
    "(flights@v3), or a file ID."
)


class StoredNameType(click.ParamType[str]):
    """The name of a stored thing."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.ParamType`."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        """Return the assets whose names begin so; nothing if the catalog cannot be read: a shell shows no errors."""
        from click.shell_completion import CompletionItem

        from artifact_pipelines.cli.environment import open_catalog

        try:
            with open_catalog() as (catalog, _):
                return [CompletionItem(name) for name in catalog.asset_names.beginning_with(incomplete)]
        except ArtifactError:
            return []


NAME = StoredNameType()
