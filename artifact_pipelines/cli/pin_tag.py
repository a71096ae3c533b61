"""Commands that keep versions: pin, unpin, tag, untag."""

from collections.abc import Callable

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.terminal import as_json_option, partition_option, print_json, version_option


def _on_version(command: Callable[..., None]) -> Callable[..., None]:
    return click.argument("name", type=NAME)(version_option(partition_option(as_json_option(command))))


@click.command(epilog=NAME_HELP)
@_on_version
def pin(name: str, partition: str | None, version: int | None, as_json: bool) -> None:
    r"""Keep a version until it is unpinned.

    \b
    Examples:
      artifact-pipelines pin flights/table                # the current version
      artifact-pipelines pin flights/table@v3
      artifact-pipelines pin sales/table --partition 2024-01 --version 2
    """
    from artifact_pipelines.catalog.stored_names import resolve_name

    with open_store() as store:
        found = resolve_name(store.catalog, name, partition, version)
        pinned = store.catalog.pins_and_tags.pin(found.asset, found.partition, found.version)
    _report(as_json, f"{pinned} is pinned.", pinned)


@click.command(epilog=NAME_HELP)
@_on_version
def unpin(name: str, partition: str | None, version: int | None, as_json: bool) -> None:
    r"""Let the retention policy decide on a version again. Without a version, it is the one that is pinned.

    \b
    Examples:
      artifact-pipelines unpin flights/table
      artifact-pipelines unpin flights/table@v3
    """
    from artifact_pipelines.catalog.stored_names import resolve_name

    with open_store() as store:
        found = resolve_name(store.catalog, name, partition, version)
        unpinned = store.catalog.pins_and_tags.unpin(found.asset, found.partition, found.version)
    _report(as_json, f"{unpinned} is no longer pinned.", unpinned)


@click.command(epilog=NAME_HELP)
@_on_version
@click.argument("tag_name", metavar="TAG")
def tag(name: str, tag_name: str, partition: str | None, version: int | None, as_json: bool) -> None:
    r"""Give a version the name TAG, and keep it.

    If another version has this tag, the tag moves.

    \b
    Examples:
      artifact-pipelines tag flights/table@v3 golden
      artifact-pipelines head flights/table@golden
    """
    from artifact_pipelines.catalog.stored_names import resolve_name

    with open_store() as store:
        found = resolve_name(store.catalog, name, partition, version)
        tagged = store.catalog.pins_and_tags.tag(found.asset, tag_name, found.partition, found.version)
    _report(as_json, f"{tagged} is tagged {tag_name}.", tagged)


@click.command()
@click.argument("name", type=NAME)
@click.argument("tag_name", metavar="TAG")
@partition_option
@as_json_option
def untag(name: str, tag_name: str, partition: str | None, as_json: bool) -> None:
    r"""Remove TAG from the version that has it.

    \b
    Examples:
      artifact-pipelines untag flights/table golden
    """
    from artifact_pipelines.catalog.stored_names import resolve_name

    with open_store() as store:
        found = resolve_name(store.catalog, name, partition)
        store.catalog.pins_and_tags.untag(found.asset, tag_name, found.partition)
    text = f"{found.asset}: no version is tagged {tag_name} any longer."
    _report(as_json, text, {"asset": found.asset, "untagged": tag_name})


def _report(as_json: bool, text: str, facts: object) -> None:
    print_json(facts) if as_json else click.echo(text)
