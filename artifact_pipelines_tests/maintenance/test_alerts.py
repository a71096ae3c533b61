"""A failed run is told to a web address, in words that quote no data."""

import http.server
import json
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import dagster as dg
import pytest
from dagster._core.storage.tags import PARENT_RUN_ID_TAG, RETRY_NUMBER_TAG, WILL_RETRY_TAG

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.core.settings import Settings
from artifact_pipelines.datasets.retries import PAUSES_S, Fault, Retry, next_retry
from artifact_pipelines.definitions import build_definitions
from artifact_pipelines.instance.outages import is_middle_try
from artifact_pipelines.maintenance.alerts import ALERT_URL, UI_URL, FailedRun, send_alert
from artifact_pipelines.maintenance.exceptions import AlertNotSentError
from artifact_pipelines.maintenance.sensors import artifact_failure_alerts

RUN = FailedRun("0123456789", "flights_pipeline", ["flights/table"], "2024-01", {"flights__table": "KeyError"}, False)


class Taker(http.server.BaseHTTPRequestHandler):
    """Takes messages; answers with the statuses that a test wants, then with 200."""

    statuses: ClassVar[list[int]] = []
    taken: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        status = self.statuses.pop(0) if self.statuses else 200
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if status == 200:
            self.taken.append(json.loads(body))
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Taker.statuses, Taker.taken = [], []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/a-secret"
        server.shutdown()


@pytest.fixture
def alerts(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALERT_URL, address)
    monkeypatch.setenv(UI_URL, "https://dagster.example.org/")


@dg.asset
def broken() -> None:
    raise ValueError("row 7 says: a password")


def fail(tags: Mapping[str, str] = MappingProxyType({})) -> dg.ExecuteInProcessResult:
    """Let a run fail, and the sensor see it."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([broken], instance=instance, raise_on_error=False, tags=tags)
        [event] = [event for event in result.all_events if event.event_type == dg.DagsterEventType.RUN_FAILURE]
        context = dg.build_run_status_sensor_context(
            "artifact_failure_alerts",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=event,
            partition_key=None,
        )
        artifact_failure_alerts(context.for_run_failure())
    return result


@pytest.mark.usefixtures("alerts")
def test_failed_run_is_told_without_its_data() -> None:
    result = fail()
    [told] = Taker.taken
    assert told["errors"] == {"broken": "ValueError"}
    assert told["text"].startswith(f"Run {result.run_id[:8]} of ")
    assert told["url"] == f"https://dagster.example.org/runs/{result.run_id}"
    assert "password" not in json.dumps(told)


@pytest.mark.usefixtures("alerts")
def test_retry_that_fails_for_its_data_is_told() -> None:
    fail(Retry(1, 0.0, Fault.OUTAGE).tags)
    assert [told["errors"] for told in Taker.taken] == [{"broken": "ValueError"}]


AWAY = {"StorageUnavailableError"}


def test_tries_in_the_middle_of_an_outage_are_not_told() -> None:
    last = len(PAUSES_S[Fault.OUTAGE])
    middle = [is_middle_try(Retry(number, 0.0, Fault.OUTAGE).tags, AWAY) for number in range(1, last + 1)]
    assert not is_middle_try({}, AWAY)
    assert middle == [True] * (last - 1) + [False]


@pytest.mark.parametrize("fault", [Fault.OUTAGE, Fault.DEATH])
@pytest.mark.parametrize("errors", [AWAY, set()])
def test_try_after_which_no_other_comes_is_told_of_whatever_failed_before(fault: Fault, errors: set[str]) -> None:
    own = Fault.OUTAGE if errors else Fault.DEATH
    for number in range(1, len(PAUSES_S[fault]) + 1):
        tags = Retry(number, 0.0, fault).tags
        assert is_middle_try(tags, errors) == (next_retry(tags, 0.0, own) is not None)


def test_asset_left_out_of_a_run_is_told_of_at_its_first_try() -> None:
    assert not is_middle_try(Retry(1, 0.0, Fault.LEFT_OUT).tags, AWAY)


def test_run_that_a_person_started_again_is_told() -> None:
    tags = {**Retry(1, 0.0, Fault.OUTAGE).tags, PARENT_RUN_ID_TAG: "a run"}
    assert not is_middle_try(tags, AWAY)


def test_only_the_first_and_the_last_of_dagsters_own_tries_are_told() -> None:
    again, number = {WILL_RETRY_TAG: "true"}, {RETRY_NUMBER_TAG: "1", PARENT_RUN_ID_TAG: "a run"}
    tries = [again, {**again, **number}, {**number, WILL_RETRY_TAG: "false"}]
    assert [is_middle_try(tags, {"ValueError"}) for tags in tries] == [False, True, False]


def test_text_names_assets_partition_and_errors() -> None:
    assert RUN.message(None)["text"] == "Run 01234567 of flights/table of partition 2024-01 failed: KeyError."
    assert RUN.message(None)["url"] is None


def test_alert_is_tried_again_while_its_taker_fails(address: str) -> None:
    Taker.statuses = [503, 500]
    send_alert(address, RUN, pauses_s=(0, 0))
    assert [told["run_id"] for told in Taker.taken] == [RUN.run_id]


@pytest.mark.parametrize("status", [404, 302])
def test_alert_that_nobody_takes_is_an_error_without_the_secret_path(address: str, status: int) -> None:
    Taker.statuses = [status] * 3
    with pytest.raises(AlertNotSentError, match=rf"127.0.0.1 did not take it \(it answered {status}\)") as caught:
        send_alert(address, RUN, pauses_s=(0, 0))
    assert "a-secret" not in str(caught.value) + repr(caught.value)
    assert Taker.taken == []


def test_alert_waits_no_longer_than_its_timeout() -> None:
    with (
        http.server.HTTPServer(("127.0.0.1", 0), Taker) as silent,  # listens, and answers nobody
        pytest.raises(AlertNotSentError, match="Timeout"),
    ):
        send_alert(f"http://127.0.0.1:{silent.server_port}", RUN, pauses_s=(), timeout_s=0.1)


def test_alerts_are_off_until_an_address_is_set(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def sensors() -> set[str]:
        return {sensor.name for sensor in build_definitions(dg.Definitions(), settings).sensors or ()}

    assert "artifact_failure_alerts" not in sensors()
    monkeypatch.setenv(ALERT_URL, "https://hooks.example.org/a-secret")
    assert "artifact_failure_alerts" in sensors()
    monkeypatch.setenv(ALERT_URL, "hooks.example.org/a-secret")
    with pytest.raises(ConfigurationError, match=ALERT_URL) as caught:
        sensors()
    assert "a-secret" not in str(caught.value)
