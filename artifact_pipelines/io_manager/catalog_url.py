"""Where the catalog is, as Dagster configuration. The UI shows how resources are configured: no password is in it."""

import os
import re
from typing import Annotated

import dagster as dg
import pydantic

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import CATALOG_URL

# As SQLAlchemy reads a URL: a password may hold anything but @. libpq takes one among the options too.
_WITH_PASSWORD = re.compile(r"[\w+]+://([^:/]*:[^@]+@|.*[?&](ssl)?password=.)")


def _refuse_password(url: object) -> object:
    # When a run starts, Dagster makes the resource anew with what the variable holds.
    if not isinstance(url, str) or isinstance(url, dg.EnvVar) or url in os.environ.values():
        return url
    if _WITH_PASSWORD.match(url):
        raise ConfigurationError(
            "catalog_url",
            "the password in it is written out, and the Dagster UI would show it",
            f'Use dg.EnvVar("{CATALOG_URL}"), or leave the password out and set PGPASSWORD or write it in ~/.pgpass.',
        )
    return url


CatalogUrl = Annotated[str, pydantic.BeforeValidator(_refuse_password), pydantic.Field(repr=False)]
"""`sqlite:////path/catalog.db` or `postgresql://user@host/database`; with a password as `dg.EnvVar` only."""
