"""The command that looks for what would go wrong: doctor."""

import dataclasses
import os
import pathlib
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence

import click
from rich.filesize import decimal

from artifact_pipelines.cli.terminal import as_json_option, console, print_json
from artifact_pipelines.core.exceptions import ArtifactError
from artifact_pipelines.core.settings import (
    CATALOG_URL,
    LANDING_URL,
    STORAGE_URL,
    Settings,
    folder_from,
    project_folder,
    state_folder,
)
from artifact_pipelines.core.wording import counted

_PACKAGES = ("artifact-pipelines", "dagster", "polars", "pyarrow", "duckdb", "SQLAlchemy")
_LEAST_FREE_BYTES = 1 << 30
_EXIT_CODE = 1


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What was looked at and found, and what to do; with nothing to do it is well."""

    what: str
    found: str
    to_do: str | None = None


@click.command()
@as_json_option
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    r"""Look at versions, URLs, permissions, the catalog's schema, the clock and disk space, and say what to do.

    Nothing is changed. The exit code is 1 if there is anything to do.

    \b
    Examples:
      artifact-pipelines doctor
    """
    found = [each for look in _LOOKS for each in look()]
    if as_json:
        print_json(found)
    else:
        _print(found)
    if any(each.to_do for each in found):
        context.exit(_EXIT_CODE)


def _print(found: Sequence[Diagnosis]) -> None:
    from rich.text import Text

    width = max(len(each.what) for each in found)
    for each in found:
        mark = Text("fix " if each.to_do else "ok  ", "red" if each.to_do else "green")
        console().print(mark, f"{each.what:<{width}}  {each.found}", sep="")
        if each.to_do:
            console().print(f"    {'':<{width}}  -> {each.to_do}")


def _versions() -> Iterator[Diagnosis]:
    import importlib.metadata

    yield Diagnosis("Python", f"{sys.version.split()[0]} in {sys.prefix}")
    for name in _PACKAGES:
        try:
            yield Diagnosis(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Diagnosis(name, "not installed", "pip install artifact-pipelines")


def _settings() -> Iterator[Diagnosis]:
    try:
        settings, project = Settings.from_environment(), project_folder()
    except ArtifactError as error:
        yield Diagnosis("settings", str(error), "correct the setting that is named")
        return
    yield Diagnosis("project", str(project or f"none here: state/ in {pathlib.Path.cwd()}"))
    yield _explained("catalog", lambda: _catalog(settings))
    yield _explained("storage", lambda: _storage(settings))
    yield from (
        _place(name, url) for name, url in (("storage", settings.storage_url), ("landing", settings.landing_url))
    )


def _catalog(settings: Settings) -> Diagnosis:
    from artifact_pipelines.catalog.catalog import Catalog
    from artifact_pipelines.catalog.engine import check_is_there, make_engine
    from artifact_pipelines.catalog.schema import HEAD_REVISION, current_revision

    check_is_there(settings.catalog_url)
    engine = make_engine(settings.catalog_url)
    try:
        shown, revision = engine.url.render_as_string(hide_password=True), current_revision(engine)
    finally:
        engine.dispose()
    if revision != HEAD_REVISION:
        return Diagnosis("catalog", f"{shown}: schema {revision or 'missing'}", "artifact-pipelines db upgrade")
    with Catalog(settings.catalog_url) as catalog:
        catalog.host_clock.check()
        files = catalog.collection.total_amount().files
    return Diagnosis("catalog", f"{shown}: schema {revision}, {counted(files, 'file')}, its clock is right")


def _storage(settings: Settings) -> Diagnosis:
    from artifact_pipelines.storage.factory import open_backend

    backend = open_backend(settings.storage_url)
    next(iter(backend.list_files()), None)
    return Diagnosis("storage", f"{settings.storage_url} answers")


def _place(name: str, url: str) -> Diagnosis:
    """Look at the folder of a URL: whether it can be written, and how much space is left."""
    what = f"{name} folder"
    if url.startswith("s3://"):
        return Diagnosis(what, f"{url} is no folder of this machine")
    folder = folder_from(url, {"storage": STORAGE_URL, "landing": LANDING_URL}[name])
    if name == "landing" and not folder.is_dir():
        remedy = f"mkdir -p {shlex.quote(str(folder))}, or let {LANDING_URL} name the folder where people drop files"
        return Diagnosis(what, f"there is no folder {folder}", remedy)
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        return Diagnosis(what, f"{there} cannot be written", f"give user {_user()} the right to write there")
    free_bytes = shutil.disk_usage(there).free
    state = "" if there == folder else " (made when it is needed)"
    to_do = "artifact-pipelines gc, or a larger disk" if free_bytes < _LEAST_FREE_BYTES else None
    return Diagnosis(what, f"{folder}{state}: {decimal(free_bytes)} free", to_do)


def _dagster() -> Iterator[Diagnosis]:
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        folders = (state_folder() / "dagster", project_folder() or pathlib.Path.cwd())  # that of `make dev` first
        there = [str(folder) for folder in folders if (folder / "dagster.yaml").exists()]
        wanted = shlex.quote(there[0]) if there else "FOLDER, where dagster.yaml lies"
        to_do = f"export DAGSTER_HOME={wanted}; without it Dagster forgets everything when it ends"
        yield Diagnosis("DAGSTER_HOME", "not set", to_do)
    elif not (pathlib.Path(home) / "dagster.yaml").exists():
        yield Diagnosis("DAGSTER_HOME", f"{home} has no dagster.yaml", "copy dagster.yaml of your project there")
    else:
        yield Diagnosis("DAGSTER_HOME", home)


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())


def _explained(what: str, look: Callable[[], Diagnosis]) -> Diagnosis:
    try:
        return look()
    except ArtifactError as error:
        first, _, rest = str(error).partition(". ")
        return Diagnosis(what, first, rest or f"correct {CATALOG_URL if what == 'catalog' else STORAGE_URL}")


_LOOKS: Sequence[Callable[[], Iterator[Diagnosis]]] = (_versions, _settings, _dagster)
