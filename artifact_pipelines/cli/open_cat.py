"""Commands that open a stored file, or print it: open, cat."""

import pathlib
import sys

import click

from artifact_pipelines.cli.environment import open_store
from artifact_pipelines.cli.names import NAME, NAME_HELP
from artifact_pipelines.cli.put_get import write_to_standard_output
from artifact_pipelines.cli.terminal import as_json_option, print_json
from artifact_pipelines.core.exceptions import ConfigurationError


@click.command("open", epilog=NAME_HELP)
@click.argument("name", type=NAME)
@click.option("--print", "is_printed", is_flag=True, help="Only print the path.")
@as_json_option
def open_file(name: str, is_printed: bool, as_json: bool) -> None:
    r"""Open a stored file with the desktop's program for files of its kind.

    It opens read-only, under a name that shows what it is: a link to the stored file, or a copy if the store is on S3,
    in the folder `artifact-pipelines` of your cache.

    \b
    Examples:
      artifact-pipelines open flights/report
      libreoffice "$(artifact-pipelines open cities/raw@v2 --print)"
    """
    with open_store() as store:
        path = store.path(name)
    if as_json:
        return print_json({"name": name, "path": str(path)})
    if is_printed:
        return click.echo(str(path))
    return _launch(path)


def _launch(path: pathlib.Path) -> None:
    if click.launch(str(path)) != 0:
        raise ConfigurationError("open", f"the desktop has no program for {path.name}", f"Open it yourself: {path}")


@click.command(epilog=NAME_HELP)
@click.argument("name", type=NAME)
def cat(name: str) -> None:
    r"""Print the bytes of a stored file.

    \b
    Examples:
      artifact-pipelines cat cities/raw | head
      artifact-pipelines cat cities/raw@v2 | diff - <(artifact-pipelines cat cities/raw)
    """
    with open_store() as store:
        file = store.find_file(name)
        if sys.stdout.isatty() and file.file_type not in _TEXTS:
            raise click.UsageError(
                f"{name} is a {file.file_type} file, and no terminal shows that. Tables: `head`; others: `get -o FILE`."
            )
        with store.open(file.file_id) as source:
            write_to_standard_output(source)


_TEXTS = frozenset(
    ("csv", "tsv", "txt", "json", "ndjson", "jsonl", "html", "svg", "xml", "yaml", "yml", "md", "sql", "log")
)
