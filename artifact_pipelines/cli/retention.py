"""Commands on what is kept: pin, unpin, tag, untag, restore."""

from collections.abc import Callable
from typing import Any

import click

from artifact_pipelines.cli.output import as_json_option, print_json
from artifact_pipelines.cli.store import open_the_store

_partition = click.option("--partition", help="Of this partition.")
_version = click.option("--version", type=click.IntRange(min=1), help="Number in `history`; else the current one.")


def _on_version(command: Callable[..., None]) -> Callable[..., None]:
    return click.argument("asset")(_version(_partition(as_json_option(command))))


@click.command()
@_on_version
def pin(asset: str, partition: str | None, version: int | None, as_json: bool) -> None:
    """Keep a version of ASSET, whatever retention says, until it is unpinned."""
    with open_the_store() as store:
        name = store.catalog.marks.pin(asset, partition, version)
    _say(as_json, f"{name} is pinned.", name)


@click.command()
@_on_version
def unpin(asset: str, partition: str | None, version: int | None, as_json: bool) -> None:
    """Let retention decide on a version of ASSET again."""
    with open_the_store() as store:
        name = store.catalog.marks.unpin(asset, partition, version)
    _say(as_json, f"{name} is not pinned any more.", name)


@click.command()
@_on_version
@click.argument("name")
def tag(asset: str, name: str, partition: str | None, version: int | None, as_json: bool) -> None:
    """Give a version of ASSET a NAME and keep it. A name that another version has, moves."""
    with open_the_store() as store:
        tagged = store.catalog.marks.tag(asset, name, partition, version)
    _say(as_json, f"{tagged} is tagged {name}.", tagged)


@click.command()
@click.argument("asset")
@click.argument("name")
@_partition
@as_json_option
def untag(asset: str, name: str, partition: str | None, as_json: bool) -> None:
    """Take a NAME away from the version of ASSET that has it."""
    with open_the_store() as store:
        store.catalog.marks.untag(asset, name, partition)
    _say(as_json, f"{asset}: no version is tagged {name} any more.", {"asset": asset, "untagged": name})


@click.command()
@click.argument("asset")
@click.option("--version", type=click.IntRange(min=1), help="Only this one; also one that retention released.")
@_partition
@as_json_option
def restore(asset: str, version: int | None, partition: str | None, as_json: bool) -> None:
    """Take back the last wipe of ASSET, or the release of one version, as long as its files are not collected."""
    with open_the_store() as store:
        names = store.catalog.retention.restore(asset, partition, version)
    if as_json:
        return print_json(names)
    for name in names:
        click.echo(f"{name} is back.")
    return click.echo("What retention does not keep is released again by the next `gc`: pin or tag it.")


def _say(as_json: bool, text: str, facts: Any) -> None:
    if as_json:
        return print_json(facts)
    return click.echo(text)
