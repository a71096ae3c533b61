"""Catalog, storage and secrets as one Dagster resource, and the IO manager that is made from it.

One idea: `ArtifactStore` alone knows where rows and bytes lie. IO manager, landing zone and maintenance depend on it.
The Dagster UI shows how resources are configured, so Dagster never receives a secret, only the name of its variable.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import dagster as dg
import pydantic

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import ConfigurationError, UsageError
from artifact_pipelines.core.settings import (
    CATALOG_URL,
    ENDPOINT_URL,
    STORAGE_URL,
    S3Settings,
    check_place,
    refuse_password,
)
from artifact_pipelines.handlers.registry import TypeHandlers
from artifact_pipelines.instance.dagster_internals import CheckError
from artifact_pipelines.io_manager.artifact_io_manager import ArtifactIOManager
from artifact_pipelines.io_manager.output_types import find_refusals, raise_refusals
from artifact_pipelines.storage.factory import open_backend, open_producer
from artifact_pipelines.storage.interfaces import IStorageBackend

_SECRETS = ("access_key_id", "secret_access_key", "session_token")
# As SQLAlchemy reads a URL: a password may hold any character but @. libpq also accepts one among the options.
_WITH_PASSWORD = re.compile(r"[\w+]+://([^:/]*:[^@]+@|.*[?&](ssl)?password=.)")


def _secret_from_environment(value: object, info: pydantic.ValidationInfo) -> object:
    # When a run starts, Dagster creates the resource again with the variable's value.
    if value is None or isinstance(value, dg.EnvVar) or value in os.environ.values():
        return value
    raise _shown_secret(str(info.field_name))


def _url_from_environment(url: object) -> object:
    if url not in os.environ.values():
        _refuse_shown(url, None)
    return url


def checked_url(check: Callable[[str, str], None], setting: str) -> pydantic.AfterValidator:
    """Return a validator that raises as `check(url, setting)` does."""

    def validate(url: str | None) -> str | None:
        if url is not None:
            check(url, setting)
        return url

    return pydantic.AfterValidator(validate)


_Secret = Annotated[str | None, pydantic.BeforeValidator(_secret_from_environment), pydantic.Field(repr=False)]


class S3Config(dg.Config):
    """How to reach an S3 server; a missing value comes from the standard AWS variables, files and roles.

    Attributes:
        endpoint_url: URL of a server other than AWS.
        region: Such as `eu-central-1`.
        access_key_id: Goes with `secret_access_key`, and perhaps `session_token`; each a `dg.EnvVar`.
    """

    endpoint_url: Annotated[str | None, checked_url(refuse_password, ENDPOINT_URL)] = None
    region: str | None = None
    access_key_id: _Secret = None
    secret_access_key: _Secret = None
    session_token: _Secret = None

    def settings(self) -> S3Settings:
        """Return the settings that the storage takes."""
        return S3Settings(**self.model_dump())


class ArtifactStore(dg.ConfigurableResource[None]):
    """Where rows and bytes lie.

    Attributes:
        catalog_url: `sqlite:////path/catalog.db` or `postgresql://user@host/database`; with a password, a `dg.EnvVar`.
        storage_url: A folder (a path or `file:///folder`), or `s3://bucket/prefix`.
        s3: How to reach the S3 server; a missing value comes from the standard AWS variables.
    """

    catalog_url: Annotated[str, pydantic.BeforeValidator(_url_from_environment), pydantic.Field(repr=False)]
    storage_url: Annotated[str, checked_url(check_place, STORAGE_URL)]
    s3: S3Config = S3Config()

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
            _refuse_shown(self.catalog_url, self.s3)
        return super().get_resource_definition()

    @classmethod
    def configure_at_launch(cls, **given: Any) -> Any:
        """Return the resource with some of its fields, which Dagster shows; a run's configuration adds the others."""
        _refuse_shown(given.get("catalog_url"), given.get("s3"))
        return super().configure_at_launch(**given)


class ArtifactIOManagerFactory(dg.ConfigurableIOManagerFactory[ArtifactIOManager]):
    """Makes the IO manager of a store.

    Attributes:
        store: May be shared with other resources. A project that has no other writes the store's fields here instead:
            `ArtifactIOManagerFactory(catalog_url=..., storage_url=...)`.
        verify_reads: Whether reading a whole file checks its hash.
    """

    store: ArtifactStore
    verify_reads: bool = True

    def __init__(self, **given: Any) -> None:
        own = {name: given.pop(name) for name in ArtifactStore.model_fields if name in given}
        if own and "store" in given:
            raise ConfigurationError(", ".join(own), "`store` is given too", "Give the store, or its fields.")
        if not own and "store" not in given:
            raise ConfigurationError(
                "ArtifactIOManagerFactory", "it has no store", "Give catalog_url and storage_url, or store."
            )
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


def check_output_types(definitions: dg.Definitions) -> None:
    """Refuse assets that this package's IO manager stores and that are annotated with a type that cannot be stored.

    Call it where the definitions are made, after your own handlers are registered, or in a test. Without it, a step
    that has inputs is refused when it starts, and one without inputs when it has run.

    Raises:
        UnsupportedTypeError: No handler stores the type of an output.
        NestedContainerError: Tables or arrays in an output lie too deep.
        UnstorableOutputsError: Several outputs cannot be stored.
    """
    resources = definitions.resources or {}
    ours = {key for key, one in resources.items() if isinstance(one, ArtifactIOManagerFactory | ArtifactIOManager)}
    found: list[UsageError] = []
    for asset in definitions.assets or ():
        if isinstance(asset, dg.AssetsDefinition) and asset.is_executable:
            for op in asset.node_def.iterate_op_defs():
                found += find_refusals(op, ours, TypeHandlers(), asset.partitions_def is not None)
    raise_refusals(found)


def _refuse_shown(catalog_url: object, s3: object) -> None:
    """Refuse secrets that are not given as the names of their variables."""
    if isinstance(catalog_url, str) and not isinstance(catalog_url, dg.EnvVar) and _WITH_PASSWORD.match(catalog_url):
        raise ConfigurationError(
            "catalog_url",
            "its password is written out or comes from os.environ, and the Dagster UI would show it",
            f'Use dg.EnvVar("{CATALOG_URL}"), or leave the password out and set PGPASSWORD or write it in ~/.pgpass.',
        )
    for name in _SECRETS if isinstance(s3, S3Config) else ():
        value = getattr(s3, name)
        if value is not None and not isinstance(value, dg.EnvVar):
            raise _shown_secret(name)


def _shown_secret(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"s3.{name}",
        "it is written out or comes from os.environ, and the Dagster UI would show it",
        'Use dg.EnvVar("NAME"), or leave it out and set the AWS variables.',
    )
