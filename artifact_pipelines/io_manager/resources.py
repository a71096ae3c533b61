"""Catalog, storage and secrets as one Dagster resource, and the IO manager that is made from it.

One idea: `ArtifactStore` alone knows where rows and bytes lie. IO manager, landing zone and maintenance depend on it.
The Dagster UI shows how resources are configured, so Dagster never receives a secret, only the name of its variable.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import dagster as dg
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import CATALOG_URL, ENDPOINT_URL, STORAGE_URL, S3Settings, refuse_password
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.dagster_internals import CheckError
from artifact_pipelines.storage.factory import open_backend, open_producer
from artifact_pipelines.storage.interfaces import IStorageBackend

_SECRETS = ("access_key_id", "secret_access_key", "session_token")
# As SQLAlchemy reads a URL: a password may hold any character but @. libpq also accepts one among the options.
_WITH_PASSWORD = re.compile(r"[\w+]+://([^:/]*:[^@]+@|.*[?&](ssl)?password=.)")


class S3Config(dg.Config):
    """How to reach an S3 server; a missing value comes from the standard AWS variables, files and roles.

    Attributes:
        endpoint_url: URL of a server other than AWS.
        region: Such as `eu-central-1`.
        access_key_id: Goes with `secret_access_key`, and perhaps `session_token`; each a `dg.EnvVar`.
    """

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = pydantic.Field(default=None, repr=False)
    secret_access_key: str | None = pydantic.Field(default=None, repr=False)
    session_token: str | None = pydantic.Field(default=None, repr=False)

    @pydantic.field_validator(*_SECRETS, mode="before")
    @classmethod
    def _comes_from_the_environment(cls, value: object, info: pydantic.ValidationInfo) -> object:
        # When a run starts, Dagster creates the resource again with the variable's value.
        if value is None or isinstance(value, dg.EnvVar) or value in os.environ.values():
            return value
        raise _shown_secret(info.field_name)

    @pydantic.field_validator("endpoint_url")
    @classmethod
    def _shows_no_password(cls, endpoint_url: str | None) -> str | None:
        refuse_password(endpoint_url or "", ENDPOINT_URL)
        return endpoint_url

    def refuse_shown_secrets(self) -> None:
        """Check that definitions hold a secret only as the name of its variable.

        Raises:
            ConfigurationError: A value came from `os.environ`.
        """
        for name in _SECRETS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, dg.EnvVar):
                raise _shown_secret(name)

    def settings(self) -> S3Settings:
        """Return the settings that the storage takes."""
        return S3Settings(
            self.endpoint_url, self.region, self.access_key_id, self.secret_access_key, self.session_token
        )


def _refuse_written_out(url: object) -> object:
    # When a run starts, Dagster creates the resource again with the variable's value.
    if url not in os.environ.values():
        _refuse_shown_password(url)
    return url


class ArtifactStore(dg.ConfigurableResource[None]):
    """Where rows and bytes lie.

    Attributes:
        catalog_url: `sqlite:////path/catalog.db` or `postgresql://user@host/database`; with a password, a `dg.EnvVar`.
        storage_url: A folder (a path or `file:///folder`), or `s3://bucket/prefix`.
        s3: How to reach the S3 server; a missing value comes from the standard AWS variables.
    """

    catalog_url: Annotated[str, pydantic.BeforeValidator(_refuse_written_out), pydantic.Field(repr=False)]
    storage_url: str
    s3: S3Config = S3Config()

    @pydantic.field_validator("storage_url")
    @classmethod
    def _shows_no_password(cls, storage_url: str) -> str:
        refuse_password(storage_url, STORAGE_URL)
        return storage_url

    @contextmanager
    def open(self) -> Iterator[tuple[Catalog, IStorageBackend]]:
        """Open catalog and storage for the time of a block."""
        with Catalog(self.catalog_url) as catalog:
            yield catalog, open_backend(self.storage_url, self.s3.settings())

    def get_resource_definition(self) -> Any:
        """Return the definition that Dagster shows.

        Raises:
            ConfigurationError: A secret would be shown, for example one read from `os.environ`.
        """
        try:
            self.get_resource_context()  # the copy made for a run holds the secrets, and nobody sees it
        except CheckError:
            _refuse_shown_password(self.catalog_url)
            self.s3.refuse_shown_secrets()
        return super().get_resource_definition()

    @classmethod
    def configure_at_launch(cls, **given: Any) -> Any:
        """Return the resource with some of its fields, which Dagster shows; a run's configuration adds the others."""
        _refuse_shown_password(given.get("catalog_url"))
        if isinstance(s3 := given.get("s3"), S3Config):
            s3.refuse_shown_secrets()
        return super().configure_at_launch(**given)


class ArtifactIOManagerFactory(dg.ConfigurableIOManagerFactory[ArtifactIOManager]):
    """Makes the IO manager of a store.

    `ArtifactIOManagerFactory(store=store)` shares the store with other resources. A project that needs no other
    writes its fields here: `ArtifactIOManagerFactory(catalog_url=..., storage_url=...)`.

    Attributes:
        store: Where rows and bytes lie.
        verify_reads: Whether reading a whole file checks its hash.
    """

    store: ArtifactStore
    verify_reads: bool = True

    def __init__(self, **given: Any) -> None:
        own = {name: given.pop(name) for name in ArtifactStore.model_fields if name in given}
        super().__init__(**given, **({"store": ArtifactStore(**own)} if own else {}))

    @classmethod
    def configure_at_launch(cls, **given: Any) -> Any:
        """Return the factory of a store that is configured at launch: `configure_at_launch(store=store)`.

        Raises:
            ConfigurationError: Fields of the store are given; Dagster would show them unchecked.
        """
        if own := sorted(ArtifactStore.model_fields.keys() & given):
            raise ConfigurationError(
                ", ".join(own),
                "at launch, only a store that is itself a resource can be configured",
                "Give ArtifactStore.configure_at_launch(...) as `store`, and as a resource of its own.",
            )
        return super().configure_at_launch(**given)

    def create_io_manager(self, context: dg.InitResourceContext) -> ArtifactIOManager:
        """Open catalog and storage."""
        store = self.store
        catalog = Catalog(store.catalog_url)
        producer = open_producer(catalog.files, store.storage_url, self.verify_reads, store.s3.settings())
        return ArtifactIOManager(catalog, producer)


def _refuse_shown_password(url: object) -> None:
    if isinstance(url, str) and not isinstance(url, dg.EnvVar) and _WITH_PASSWORD.match(url):
        raise ConfigurationError(
            "catalog_url",
            "its password is written out or comes from os.environ, and the Dagster UI would show it",
            f'Use dg.EnvVar("{CATALOG_URL}"), or leave the password out and set PGPASSWORD or write it in ~/.pgpass.',
        )


def _shown_secret(name: str | None) -> ConfigurationError:
    return ConfigurationError(
        f"s3.{name}",
        "it is written out or comes from os.environ, and the Dagster UI would show it",
        'Use dg.EnvVar("NAME"), or leave it out and set the AWS variables.',
    )
