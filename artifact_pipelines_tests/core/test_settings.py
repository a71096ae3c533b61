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


@pytest.fixture
def project(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A project with a folder in it. No variable names a place, and the working directory is elsewhere."""
    for name in (CATALOG_URL, STORAGE_URL, LANDING_URL):
        monkeypatch.delenv(name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "project" / "notebooks").mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text('[tool.artifact-pipelines]\nstate = "state"\n')
    return tmp_path / "project"


def test_default_places_are_in_the_state_folder_of_the_project(project: pathlib.Path) -> None:
    settings = Settings.from_environment(around=project / "package" / "definitions.py")
    state = project / "state"
    assert settings.catalog_url == f"sqlite:///{state}/catalog.db"
    assert (settings.storage_url, settings.landing_url) == (f"{state}/store", f"{state}/landing")


def test_project_is_around_the_working_directory_or_else_around_dagster_home(
    project: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state_folder() == pathlib.Path.cwd() / "state"  # not in the package's checkout
    monkeypatch.setenv("DAGSTER_HOME", str(project))
    assert state_folder() == project / "state"
    monkeypatch.setenv("DAGSTER_HOME", "/nowhere")
    monkeypatch.chdir(project / "notebooks")
    assert state_folder() == project / "state"


def test_project_may_keep_its_state_elsewhere(project: pathlib.Path) -> None:
    (project / "pyproject.toml").write_text('[tool.artifact-pipelines]\nstate = "/data/of project"\n')
    assert state_folder(project) == pathlib.Path("/data/of project")


def test_other_pyproject_files_are_left_alone(project: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "notebooks" / "pyproject.toml").write_text("not TOML")
    monkeypatch.chdir(project / "notebooks")
    assert state_folder() == project / "state"
    (project / "pyproject.toml").write_text("[tool.artifact-pipelines]\nstate = \n")
    with pytest.raises(ConfigurationError, match=r"project/pyproject\.toml: it is not valid TOML"):
        state_folder()


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
