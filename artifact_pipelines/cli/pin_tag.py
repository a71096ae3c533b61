"""Commands that keep versions: pin, unpin, tag, untag."""

from collections.abc import Callable

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.terminal import as_json_option, partition_option, print_json, version_option


def _on_version(command: Callable[..., None]) -> Callable[..., None]:
    return click.argument("asset")(version_option(partition_option(as_json_option(command))))


@click.command()
@_on_version
def pin(asset: str, partition: str | None, version: int | None, as_json: bool) -> None:
    """Keep a version of ASSET until it is unpinned."""
    with open_store() as store:
        name = store.catalog.pins_and_tags.pin(asset, partition, version)
    _report(as_json, f"{name} is pinned.", name)


@click.command()
@_on_version
def unpin(asset: str, partition: str | None, version: int | None, as_json: bool) -> None:
    """Let the retention policy decide on a version of ASSET again."""
    with open_store() as store:
        name = store.catalog.pins_and_tags.unpin(asset, partition, version)
    _report(as_json, f"{name} is no longer pinned.", name)


@click.command()
@_on_version
@click.argument("name")
def tag(asset: str, name: str, partition: str | None, version: int | None, as_json: bool) -> None:
    """Give a version of ASSET a NAME, and keep it.

    If another version has this name, the name moves.
    """
    with open_store() as store:
        tagged = store.catalog.pins_and_tags.tag(asset, name, partition, version)
    _report(as_json, f"{tagged} is tagged {name}.", tagged)


@click.command()
@click.argument("asset")
@click.argument("name")
@partition_option
@as_json_option
def untag(asset: str, name: str, partition: str | None, as_json: bool) -> None:
    """Remove NAME from the version of ASSET that has it."""
    with open_store() as store:
        store.catalog.pins_and_tags.untag(asset, name, partition)
    _report(as_json, f"{asset}: no version is tagged {name} any longer.", {"asset": asset, "untagged": name})


def _report(as_json: bool, text: str, facts: object) -> None:
    print_json(facts) if as_json else click.echo(text)
