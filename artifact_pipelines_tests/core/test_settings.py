import pathlib

import pytest

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import (
    CATALOG_URL,
    LANDING_URL,
    STORAGE_URL,
    S3Settings,
    Settings,
    folder_from,
    state_folder,
)


def test_default_places_are_in_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CATALOG_URL, STORAGE_URL, LANDING_URL):
        monkeypatch.delenv(name)
    settings = Settings.from_environment()
    state = state_folder()
    assert settings.catalog_url == f"sqlite:///{state}/catalog.db"
    assert (settings.storage_url, settings.landing_url) == (f"{state}/store", f"{state}/landing")


def test_variables_override_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORAGE_URL, "/elsewhere")
    assert Settings.from_environment().storage_url == "/elsewhere"


def test_repr_hides_the_password_of_the_catalog_url() -> None:
    assert "secret" not in repr(Settings("postgresql://me:secret@host/db", "/store", "/landing"))


@pytest.mark.parametrize("url", ["/data/a b", "file:///data/a%20b", "file://localhost/data/a%20b"])
def test_folder_is_a_path_or_a_file_url(url: str) -> None:
    assert folder_from(url, STORAGE_URL) == pathlib.Path("/data/a b")


@pytest.mark.parametrize("url", ["gs://bucket/x", "file://host/x", "", "http://user:secret@host/"])
def test_refused_url_names_the_setting_and_hides_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError, match=STORAGE_URL) as caught:
        folder_from(url, STORAGE_URL)
    assert "secret" not in str(caught.value)


def test_endpoint_without_a_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL.*Write http://host:port"):
        S3Settings(endpoint_url="127.0.0.1:9000")


@pytest.mark.parametrize("variable", [STORAGE_URL, LANDING_URL])
@pytest.mark.parametrize("url", ["s3://me:secret@bucket/x", "ftp://me:secret@host/x", "gs://bucket/x", "file://host/x"])
def test_place_with_a_password_or_an_unknown_scheme_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(ConfigurationError, match=variable) as caught:
        Settings.from_environment()
    assert "secret" not in str(caught.value)
