"""Where the catalog is, as Dagster configuration. The UI shows how resources are configured: no password is in it."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, cast

import dagster as dg
import pydantic

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import CATALOG_URL
from artifact_pipelines.io_manager.dagster_internals import CheckError
from artifact_pipelines.io_manager.s3_config import S3Config

# As SQLAlchemy reads a URL: a password may hold anything but @. libpq takes one among the options too.
_WITH_PASSWORD = re.compile(r"[\w+]+://([^:/]*:[^@]+@|.*[?&](ssl)?password=.)")


class ShowsNoSecret:
    """The first base of a resource with a `catalog_url`, and perhaps `s3`: Dagster is never handed a secret to show.

    A `ConfigurationError` says so where definitions hold one, such as from `os.environ`. The copy that a run gets holds
    it, with what the variables hold, and nobody is shown that.
    """

    def get_resource_definition(self) -> Any:
        """Return what Dagster makes of the resource, and shows."""
        try:
            cast("Any", self).get_resource_context()
        except CheckError:  # it is of no run
            _refuse_shown(dict(cast("Any", self)))
        return cast("Any", super()).get_resource_definition()

    @classmethod
    def configure_at_launch(cls, **given: Any) -> Any:
        """Return the resource with a part of what it takes, which Dagster shows; who starts a run gives the rest."""
        _refuse_shown(given)
        return cast("Any", super()).configure_at_launch(**given)


def _refuse_shown(configuration: Mapping[str, Any]) -> None:
    _refuse_password(configuration.get("catalog_url"))
    s3 = configuration.get("s3")
    if isinstance(s3, S3Config):
        s3.refuse_shown_secrets()


def _refuse_password(url: object) -> None:
    if isinstance(url, str) and not isinstance(url, dg.EnvVar) and _WITH_PASSWORD.match(url):
        raise ConfigurationError(
            "catalog_url",
            "the password in it is written out or comes from os.environ, and the Dagster UI would show it",
            f'Use dg.EnvVar("{CATALOG_URL}"), or leave the password out and set PGPASSWORD or write it in ~/.pgpass.',
        )


def _refuse_written_out(url: object) -> object:
    # When a run starts, Dagster makes the resource anew with what the variable holds.
    if url not in os.environ.values():
        _refuse_password(url)
    return url


CatalogUrl = Annotated[str, pydantic.BeforeValidator(_refuse_written_out), pydantic.Field(repr=False)]
"""`sqlite:////path/catalog.db` or `postgresql://user@host/database`; with a password as `dg.EnvVar` only."""
