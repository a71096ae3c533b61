"""What Dagster is told of where the catalog is: never its password."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from artifact_pipelines import ArtifactIOManagerFactory, S3Config
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets.resources import LandingZone
from artifact_pipelines.maintenance.resources import ArtifactStore

Resource = ArtifactIOManagerFactory | ArtifactStore | LandingZone
RESOURCES: dict[str, Callable[..., Resource]] = {
    "IO manager": lambda url, **more: ArtifactIOManagerFactory(catalog_url=url, storage_url="/store", **more),
    "store": lambda url, **more: ArtifactStore(catalog_url=url, storage_url="/store", **more),
    "landing zone": lambda url: LandingZone(catalog_url=url, landing_url="/landing"),
}


def snapshot(resources: dict[str, object]) -> str:
    """Return all that Dagster sends of definitions to its webserver."""
    from dagster._core.remote_representation.external_data import RepositorySnap

    repository = dg.Definitions(resources=resources).get_repository_def()
    return dg.serialize_value(RepositorySnap.from_def(repository))


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@host/db",
        "postgresql+psycopg2://me:hunter2@host:5432/db",
        "postgresql://me:hunter2/@host/db",
        "postgresql://:hunter2@host/db",
        "postgresql://me@host/db?password=hunter2",
        "postgresql:///db?sslmode=require&sslpassword=hunter2",
    ],
)
def test_a_password_that_is_written_out_is_refused_with_what_to_do_instead(resource: str, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RESOURCES[resource](url)
    text = str(caught.value)
    assert text.startswith("catalog_url: ")
    for remedy in ('dg.EnvVar("ARTIFACT_CATALOG_URL")', "PGPASSWORD", "~/.pgpass"):
        assert remedy in text
    assert "hunter2" not in text + repr(caught.value)


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////data/a:b@c/catalog.db",
        "postgresql://me@host:5432/db?sslmode=require",
        "postgresql://me@[::1]:5432/db",
        "postgresql://me:@host/db",
        "postgresql:///db?host=/run/postgresql",
    ],
)
def test_a_url_without_a_password_is_taken(resource: str, url: str) -> None:
    assert RESOURCES[resource](url).catalog_url == url


@pytest.mark.parametrize("resource", RESOURCES)
def test_what_a_run_gets_shows_no_password(resource: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_CATALOG", "postgresql://me:hunter2@host/db")
    got = RESOURCES[resource]("postgresql://me:hunter2@host/db")  # as Dagster makes it when a run starts
    assert got.catalog_url == "postgresql://me:hunter2@host/db"
    assert "hunter2" not in f"{got!r} {got}"
    assert "_url='/" in repr(got)


@pytest.mark.parametrize("resource", RESOURCES)
def test_dagster_sends_the_name_of_a_variable_and_not_its_password(
    resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_CATALOG", "postgresql://me:hunter2@host/db")
    sent = snapshot({"ours": RESOURCES[resource](dg.EnvVar("MY_CATALOG"))})
    assert "MY_CATALOG" in sent
    assert "hunter2" not in sent


@pytest.mark.parametrize("resource", RESOURCES)
def test_what_the_environment_held_when_definitions_were_loaded_is_refused(
    resource: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_CATALOG", "postgresql://me:hunter2@host/db")
    given = RESOURCES[resource](os.environ["MY_CATALOG"])
    with pytest.raises(ConfigurationError, match="the Dagster UI would show it") as caught:
        snapshot({"ours": given})
    assert "hunter2" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("resource", [ArtifactIOManagerFactory, ArtifactStore, LandingZone])
def test_so_it_is_where_the_rest_is_given_when_a_run_starts(resource: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_CATALOG", "postgresql://me:hunter2@host/db")
    with pytest.raises(ConfigurationError, match="the Dagster UI would show it"):
        resource.configure_at_launch(catalog_url=os.environ["MY_CATALOG"])
    sent = snapshot({"ours": resource.configure_at_launch(catalog_url=dg.EnvVar("MY_CATALOG"))})
    assert "MY_CATALOG" in sent
    assert "hunter2" not in sent


@pytest.mark.parametrize("make", [RESOURCES["IO manager"], RESOURCES["store"]])
def test_so_is_a_secret_of_s3(make: Callable[..., Resource], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2")
    given = make("sqlite:////catalog.db", s3=S3Config(secret_access_key=os.environ["MY_SECRET"]))
    with pytest.raises(ConfigurationError, match="s3.secret_access_key: .*the Dagster UI would show it"):
        snapshot({"ours": given})
    sent = snapshot({"ours": make("sqlite:////catalog.db", s3=S3Config(secret_access_key=dg.EnvVar("MY_SECRET")))})
    assert "MY_SECRET" in sent
    assert "hunter2" not in sent


def test_an_endpoint_with_a_password_is_refused_before_it_is_shown() -> None:
    with pytest.raises(ConfigurationError, match="holds a user or password"):
        S3Config(endpoint_url="http://me:hunter2@host")


@pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run:DeprecationWarning")  # Dagster nests so
def test_a_resource_of_a_users_own_may_hold_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_CATALOG", "postgresql://me:hunter2@host/db")

    class Desk(dg.ConfigurableResource[None]):
        store: ArtifactStore

    @dg.asset
    def told(desk: Desk) -> None:
        assert desk.store.catalog_url == "postgresql://me:hunter2@host/db"

    store = ArtifactStore(catalog_url=dg.EnvVar("MY_CATALOG"), storage_url="/store")
    assert dg.materialize([told], resources={"desk": Desk(store=store)}).success
    open_to_all = ArtifactStore(catalog_url=os.environ["MY_CATALOG"], storage_url="/store")
    with pytest.raises(ConfigurationError, match="the Dagster UI would show it"):
        snapshot({"desk": Desk(store=open_to_all)})


def test_a_password_from_the_environment_reaches_the_database_and_no_eye(
    postgresql_url: str,
    settings: Settings,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    url = sa.make_url(postgresql_url).set(password="hunter2").render_as_string(hide_password=False)
    monkeypatch.setenv("MY_CATALOG", url)
    given = dg.EnvVar("MY_CATALOG")

    @dg.asset
    def text(artifact_store: ArtifactStore, landing_zone: LandingZone) -> str:
        assert landing_zone.catalog_url == url
        with artifact_store.open() as (catalog, _):
            return repr(catalog)

    resources = {
        "io_manager": ArtifactIOManagerFactory(catalog_url=given, storage_url=settings.storage_url),
        "artifact_store": ArtifactStore(catalog_url=given, storage_url=settings.storage_url),
        "landing_zone": LandingZone(catalog_url=given, landing_url=settings.landing_url),
    }
    result = dg.materialize([text], resources=resources, instance=instance)
    assert result.success
    with Catalog(postgresql_url) as catalog:
        assert catalog.materializations.current("text").run_id == result.run_id
    shown = f"{resources} {instance.all_logs(result.run_id)} {result.output_for_node('text')}"
    assert "hunter2" not in shown + "".join(capfd.readouterr())


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
