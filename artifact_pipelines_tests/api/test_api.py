"""Files, datasets and reports over HTTP."""

import hashlib
import logging
import pathlib
import urllib.parse
from collections.abc import Iterator

import dagster as dg
import jsonschema_rs
import polars as pl
import pytest
from fastapi.testclient import TestClient

from artifact_pipelines import open_store
from artifact_pipelines.api.access import api_settings
from artifact_pipelines.api.app import create_app
from artifact_pipelines.api.settings import ApiSettings
from artifact_pipelines.catalog.landing import LandingSource
from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.definitions import resources
from artifact_pipelines_tests.project import CSV, Project

TOKEN = "a token for the tests"
CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(create_app(settings, ApiSettings(TOKEN)), headers=headers) as client:
        yield client


@pytest.fixture
def file_id(client: TestClient) -> int:
    answer = client.post("/upload", params={"name": "data.csv.gz"}, content=CONTENT)
    assert answer.status_code == 201
    return int(answer.json()["file_id"])


def test_upload_streams_into_the_store(client: TestClient, file_id: int) -> None:
    with open_store() as store:
        info = store.info(file_id)
        assert (info.file_type, info.compression_type, info.size_bytes) == ("csv", "gzip", len(CONTENT))
        with store.open(file_id) as stream:
            assert stream.read() == CONTENT
    again = client.post("/upload", params={"name": "again.bin"}, content=iter([CONTENT[:1000], CONTENT[1000:]]))
    assert again.json()["file_id"] == file_id
    assert again.headers["location"] == f"/files/{file_id}"


def test_log_says_what_came_and_went(client: TestClient, file_id: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "artifact_pipelines")
    client.post("/upload", params={"name": "again.bin"}, content=CONTENT)
    client.get(f"/files/{file_id}", headers={"Range": "bytes=10-19"})
    client.post("/upload", params={"name": "my data.csv", "dataset": "flights"}, content=b"a,b\n")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("artifact_pipelines.")]
    lines = [line.rpartition(" seconds=")[0] for line in ours]
    assert lines == [
        f"uploaded file_id={file_id} bytes=256000",
        f"sent file_id={file_id} bytes=10",
        'dropped dataset=flights file="my data.csv" bytes=4',
    ]
    assert TOKEN not in caplog.text


def test_file_comes_back_whole_with_its_hash_as_etag(client: TestClient, file_id: int) -> None:
    whole = client.get(f"/files/{file_id}")
    assert whole.content == CONTENT
    assert whole.headers["content-length"] == str(len(CONTENT))
    assert whole.headers["content-disposition"] == f'attachment; filename="{file_id}.csv.gzip"'
    with open_store() as store:
        assert whole.headers["etag"] == f'"{store.info(file_id).content_hash}"'
    same = client.get(f"/files/{file_id}", headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    head = client.head(f"/files/{file_id}")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(CONTENT)))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-0", CONTENT[:1]),
        ("bytes=10-99", CONTENT[10:100]),
        ("bytes=255990-", CONTENT[255_990:]),
        ("bytes=-7", CONTENT[-7:]),
        ("bytes=5-99999999", CONTENT[5:]),
    ],
)
def test_range_of_a_file(client: TestClient, file_id: int, asked: str, expected: bytes) -> None:
    answer = client.get(f"/files/{file_id}", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, expected)
    start = len(CONTENT) - len(expected) if asked in ("bytes=-7", "bytes=255990-") else int(asked[6:].split("-")[0])
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(CONTENT)}"


def test_range_that_no_file_has_or_that_is_of_another_content(client: TestClient, file_id: int) -> None:
    path = f"/files/{file_id}"
    beyond = client.get(path, headers={"Range": "bytes=256000-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */256000")
    assert client.get(path, headers={"Range": "bytes=-0"}).status_code == 416
    for invalid in ("bytes=0-1,5-6", f"bytes=0-{'1' * 5_000}"):
        assert client.get(path, headers={"Range": invalid}).content == CONTENT
    assert client.get(path, headers={"Range": "bytes=0-1", "If-Range": '"other"'}).content == CONTENT


def test_request_without_the_token_is_refused(client: TestClient, file_id: int) -> None:
    for header in ({"Authorization": ""}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {TOKEN}"}):
        for answer in (
            client.get(f"/files/{file_id}", headers=header),
            client.post("/upload", params={"name": "a.csv"}, content=b"a", headers=header),
            client.get("/datasets", headers=header),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.text


def test_upload_beyond_the_limit_stores_nothing(client: TestClient) -> None:
    client.app.dependency_overrides[api_settings] = lambda: ApiSettings(TOKEN, 1000)  # type: ignore[attr-defined]
    told = client.post("/upload", params={"name": "a.bin"}, content=bytes(1001))
    untold = client.post("/upload", params={"name": "a.bin"}, content=(bytes(100) for _ in range(11)))
    assert [answer.status_code for answer in (told, untold)] == [413, 413]
    assert untold.json()["error"] == "UploadTooLargeError"
    assert client.post("/upload", params={"name": "a.bin"}, content=bytes(1000)).json()["file_id"] == 1


def test_problems_are_typed(client: TestClient) -> None:
    def problem(path: str) -> tuple[int, str]:
        answer = client.get(path)
        return answer.status_code, answer.json()["error"]

    assert problem("/files/77") == (404, "UnknownFileError")
    assert problem("/files/none") == (400, "RefusedRequestError")
    assert problem("/datasets/none/versions") == (404, "UnknownDatasetError")
    assert problem("/reports/none") == (404, "NeverMaterializedError")
    assert problem("/nowhere")[0] == 404
    form = client.post("/upload", params={"name": "a.csv"}, files={"file": b"a"})
    assert (form.status_code, form.json()["error"]) == (400, "RefusedRequestError")


def test_damaged_file_never_arrives_whole(client: TestClient, file_id: int, settings: Settings) -> None:
    [stored] = [path for path in pathlib.Path(settings.storage_url).rglob("*") if path.stat().st_size == len(CONTENT)]
    stored.chmod(0o600)
    stored.write_bytes(CONTENT[:-1] + b"!")
    with TestClient(client.app, headers=dict(client.headers), raise_server_exceptions=False) as other:
        answer = other.get(f"/files/{file_id}")
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert len(answer.content) < len(CONTENT)


def test_dataset_is_dropped_listed_and_reported(client: TestClient, settings: Settings) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        project = Project(settings, instance)
        project.drop(CSV)
        project.settle()
        more = CSV + "DL,4,2\n"
        dropped = client.post("/upload", params={"name": "flights.csv", "dataset": "flights"}, content=more.encode())
        assert (dropped.status_code, dropped.json()["path"]) == (202, "flights.csv")
        project.settle()
    [flights] = client.get("/datasets").json()
    assert [version["rows"] for version in flights["current"]] == [4]
    versions = client.get("/datasets/flights/versions").json()
    assert [(version["version"], version["rows"], version["is_current"]) for version in versions] == [
        (2, 4, True),
        (1, 3, False),
    ]
    raw = client.get(f"/files/{versions[0]['raw_file_id']}").content
    assert hashlib.sha256(raw).digest() == hashlib.sha256(more.encode()).digest()
    page = client.get("/reports/flights@v1")
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "flights" in page.text
    outside = client.post("/upload", params={"name": "../../flights.csv", "dataset": "flights"}, content=b"a")
    assert outside.status_code in (400, 422)


def test_upload_that_no_dataset_takes_says_which_would_and_what_to_change(client: TestClient) -> None:
    def problem(name: str, dataset: str) -> tuple[int, str, str]:
        answer = client.post("/upload", params={"name": name, "dataset": dataset}, content=b"a")
        return answer.status_code, answer.json()["error"], answer.json()["message"]

    with open_store() as store:
        store.catalog.landing.note_sources({"flights": LandingSource("flights*.csv")})
    status, error, message = problem("flights.csv", "flight")
    assert (status, error) == (404, "UnwatchedDatasetError")
    assert "there is no dataset 'flight', or its sensor has not looked yet." in message
    assert "'flights' would take it" in message
    status, error, message = problem("trains.csv", "flights")
    assert (status, error) == (400, "InvalidArgumentError")
    assert "the source of flights at the last look of its sensor (`name`); no dataset would take it" in message
    client.post("/upload", params={"name": "flights.csv", "dataset": "flights"}, content=b"a")
    status, error, message = problem("flights.csv", "flights")
    assert (status, error) == (409, "DropIsWaitingError")
    assert "drop under another name (`name`)" in message


@pytest.mark.parametrize("name", ["Sales", "Sales/table", "2024_sales"])
def test_report_of_a_table_that_an_own_asset_made(client: TestClient, settings: Settings, name: str) -> None:
    @dg.asset(key=name.split("/"), io_manager_key="artifact_io_manager")
    def table() -> pl.DataFrame:
        return pl.DataFrame({"price": [1, 2]})

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([table], instance=instance, resources=resources(settings)).success
    page = client.get(f"/reports/{name}@v1")
    assert page.status_code == 200
    assert "price" in page.text
    assert "This page was made on request" in page.text


@pytest.mark.parametrize("name", ["sales[a[1]]", "sales@v3[a/b]", "Sales", "2024-sales", "été"])
def test_name_that_may_be_of_a_table_is_looked_for(client: TestClient, name: str) -> None:
    assert client.get(f"/reports/{name}").status_code == 404


@pytest.mark.parametrize("name", ["", "@v3", "sales@", "sales@v3@v4", "sales]", "sales[]", "%20", "a%00b", "7", "-7"])
def test_name_that_no_table_has_is_a_wrong_request(client: TestClient, name: str) -> None:
    answer = client.get(f"/reports/{name}")
    assert (answer.status_code, answer.json()["error"]) == (400, "RefusedRequestError")


@pytest.mark.parametrize("blank", ["\x85", "\xa0", "\u2028", "\ufeff", " "])
@pytest.mark.parametrize("name", ["{}sales", "sales@{}v3", "sales{}", "sales@v{}3"])
def test_schema_and_server_take_the_same_characters_for_blanks(client: TestClient, name: str, blank: str) -> None:
    [path] = client.get("/openapi.json").json()["paths"]["/reports/{name}"]["get"]["parameters"]
    asked = name.format(blank)
    is_refused = client.get(f"/reports/{urllib.parse.quote(asked)}").status_code == 400
    assert jsonschema_rs.is_valid(path["schema"], asked) != is_refused


@pytest.mark.parametrize("token", ["", "short"])
def test_server_without_a_token_does_not_start(token: str) -> None:
    with pytest.raises(ConfigurationError, match="ARTIFACT_API_TOKEN"):
        ApiSettings(token)
