"""The catalog's URL and the secrets of S3 in Dagster: Dagster receives names of variables, never a password."""

import os
from collections.abc import Callable, Iterator, Mapping

import dagster as dg
import pytest
import sqlalchemy as sa

from artifact_pipelines import ArtifactIOManagerFactory, ArtifactStore, S3Config
from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets.resources import LandingZone

URL_WITH_PASSWORD = "postgresql://me:hunter2@host/db"


def store_at(catalog_url: str, s3: S3Config | None = None) -> ArtifactStore:
    return ArtifactStore(catalog_url=catalog_url, storage_url="/store", s3=s3 or S3Config())


class Desk(dg.ConfigurableResource[None]):
    """A resource of a user's own that holds the store."""

    store: ArtifactStore


Resource = ArtifactStore | ArtifactIOManagerFactory | LandingZone | Desk
RESOURCES: Mapping[str, Callable[[ArtifactStore], Resource]] = {
    "store": lambda store: store,
    "IO manager of a store": lambda store: ArtifactIOManagerFactory(store=store),
    "IO manager of its own": lambda store: ArtifactIOManagerFactory(
        catalog_url=store.catalog_url, storage_url=store.storage_url, s3=store.s3
    ),
    "landing zone": lambda store: LandingZone(store=store, landing_url="/landing"),
    "user's own": lambda store: Desk(store=store),
}


def snapshot(resources: dict[str, object]) -> str:
    """Return everything about definitions that Dagster sends to its webserver."""
    from dagster._core.remote_representation.external_data import RepositorySnap

    repository = dg.Definitions(resources=resources).get_repository_def()
    return dg.serialize_value(RepositorySnap.from_def(repository))


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
@pytest.mark.parametrize("make", [ArtifactStore, ArtifactIOManagerFactory])
def test_written_out_password_is_refused_with_the_remedy(
    make: type[ArtifactStore | ArtifactIOManagerFactory], url: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(catalog_url=url, storage_url="/store")
    text = str(caught.value)
    assert text.startswith("catalog_url: ")
    for remedy in ('dg.EnvVar("ARTIFACT_CATALOG_URL")', "PGPASSWORD", "~/.pgpass"):
        assert remedy in text
    assert "hunter2" not in text + repr(caught.value)


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
def test_url_without_password_is_accepted(url: str) -> None:
    assert store_at(url).catalog_url == url
    assert ArtifactIOManagerFactory(catalog_url=url, storage_url="/store").store.catalog_url == url


def test_repr_of_a_store_in_a_run_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_CATALOG", URL_WITH_PASSWORD)
    store = store_at(URL_WITH_PASSWORD)  # as Dagster makes it when a run starts
    assert store.catalog_url == URL_WITH_PASSWORD
    assert "hunter2" not in f"{store!r} {store}"
    assert "storage_url='/store'" in repr(store)


@pytest.mark.parametrize("kind", RESOURCES)
def test_dagster_receives_the_name_of_a_variable_and_not_its_password(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_CATALOG", URL_WITH_PASSWORD)
    store = store_at(dg.EnvVar("MY_CATALOG"))
    sent = snapshot({"ours": RESOURCES[kind](store), "store": store})
    assert "MY_CATALOG" in sent
    assert "hunter2" not in sent


@pytest.mark.parametrize("kind", RESOURCES)
def test_password_read_from_the_environment_by_definitions_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_CATALOG", URL_WITH_PASSWORD)
    with pytest.raises(ConfigurationError, match="the Dagster UI would show it") as caught:
        snapshot({"ours": RESOURCES[kind](store_at(os.environ["MY_CATALOG"]))})
    assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_store_configured_at_launch_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_CATALOG", URL_WITH_PASSWORD)
    with pytest.raises(ConfigurationError, match="the Dagster UI would show it"):
        ArtifactStore.configure_at_launch(catalog_url=os.environ["MY_CATALOG"])
    store = ArtifactStore.configure_at_launch(catalog_url=dg.EnvVar("MY_CATALOG"))
    with pytest.raises(ConfigurationError, match="catalog_url: at launch, only a store"):
        ArtifactIOManagerFactory.configure_at_launch(catalog_url=dg.EnvVar("MY_CATALOG"))
    sent = snapshot({"store": store, "io_manager": ArtifactIOManagerFactory.configure_at_launch(store=store)})
    assert "MY_CATALOG" in sent
    assert "hunter2" not in sent


def test_factory_takes_a_store_or_its_fields_but_not_both() -> None:
    store = ArtifactStore(catalog_url="sqlite:////catalog.db", storage_url="/store")
    with pytest.raises(ConfigurationError, match="storage_url: `store` is given too"):
        ArtifactIOManagerFactory(store=store, storage_url="/elsewhere")


@pytest.mark.parametrize("kind", RESOURCES)
def test_s3_secret_read_from_the_environment_by_definitions_is_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "hunter2")
    shown = store_at("sqlite:////catalog.db", S3Config(secret_access_key=os.environ["MY_SECRET"]))
    with pytest.raises(ConfigurationError, match="s3.secret_access_key: .*the Dagster UI would show it"):
        snapshot({"ours": RESOURCES[kind](shown)})
    hidden = store_at("sqlite:////catalog.db", S3Config(secret_access_key=dg.EnvVar("MY_SECRET")))
    sent = snapshot({"ours": RESOURCES[kind](hidden), "store": hidden})
    assert "MY_SECRET" in sent
    assert "hunter2" not in sent


def test_endpoint_with_password_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="holds a user or password"):
        S3Config(endpoint_url="http://me:hunter2@host")


@pytest.mark.parametrize("url", ["s3://me:hunter2@bucket/x", "gs://bucket/x"])
def test_landing_zone_with_a_password_or_of_an_unknown_scheme_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_LANDING_URL") as caught:
        LandingZone(landing_url=url, store=store_at("sqlite:///catalog.db"))
    assert "hunter2" not in str(caught.value)


def test_run_gives_a_resource_of_a_users_own_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_CATALOG", URL_WITH_PASSWORD)

    @dg.asset
    def reader(desk: Desk) -> None:
        assert desk.store.catalog_url == URL_WITH_PASSWORD

    assert dg.materialize([reader], resources={"desk": Desk(store=store_at(dg.EnvVar("MY_CATALOG")))}).success


def test_password_from_the_environment_reaches_the_database_and_is_never_shown(
    postgresql_url: str,
    settings: Settings,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    url = sa.make_url(postgresql_url).set(password="hunter2").render_as_string(hide_password=False)
    monkeypatch.setenv("MY_CATALOG", url)

    @dg.asset
    def text(artifact_store: ArtifactStore, landing_zone: LandingZone) -> str:
        assert landing_zone.store.catalog_url == url
        with artifact_store.open() as (catalog, _):
            return repr(catalog)

    store = ArtifactStore(catalog_url=dg.EnvVar("MY_CATALOG"), storage_url=settings.storage_url)
    resources = {
        "io_manager": ArtifactIOManagerFactory(store=store),
        "artifact_store": store,
        "landing_zone": LandingZone(store=store, landing_url=settings.landing_url),
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


def test_factory_without_a_store_says_what_to_give() -> None:
    with pytest.raises(ConfigurationError, match="Give catalog_url and storage_url, or store"):
        ArtifactIOManagerFactory()
