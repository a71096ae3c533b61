"""Says elsewhere that a run failed: posts a few words about it, as JSON, to a web address.

One idea: the address decides who reads it, so nothing is said that only the UI may show: which run, which assets, which
kinds of error; no message of an error, because it may quote data.
"""

import dataclasses
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from artifact_pipelines.core.exceptions import ConfigurationError
from artifact_pipelines.maintenance.exceptions import AlertNotSentError

ALERT_URL = "ARTIFACT_ALERT_URL"
UI_URL = "ARTIFACT_UI_URL"
TIMEOUT_S = 10.0
PAUSES_S = (1.0, 5.0)
"""Pauses before the second and the third try: together with the timeouts shorter than Dagster waits for a sensor."""


@dataclasses.dataclass(frozen=True)
class FailedRun:
    """A run that failed.

    Attributes:
        errors: Names of the error classes of its failed steps, by step.
        is_retried: True if Dagster starts it again at once.
    """

    run_id: str
    job: str
    assets: Sequence[str]
    partition: str | None
    errors: Mapping[str, str]
    is_retried: bool

    def message(self, ui_url: str | None) -> Mapping[str, Any]:
        """Return what is posted. `text` is for people; Slack, Mattermost and others show it as it is."""
        what = ", ".join(self.assets[:5]) + (f" and {len(self.assets) - 5} more" if len(self.assets) > 5 else "")
        where = f" of partition {self.partition}" if self.partition else ""
        why = ", ".join(sorted({*self.errors.values()})) or "its process died"
        after = " Dagster starts it again." if self.is_retried else ""
        url = f"{ui_url.rstrip('/')}/runs/{self.run_id}" if ui_url else None
        text = f"Run {self.run_id[:8]} of {what or self.job}{where} failed: {why}.{after}" + (f" {url}" if url else "")
        return {"text": text, **dataclasses.asdict(self), "url": url}


def alert_url() -> str | None:
    """Return the address for alerts that the environment names; None: alerts are off.

    Raises:
        ConfigurationError: It is not an http:// or https:// URL. It may be a secret, so the error does not show it.
    """
    url = os.environ.get(ALERT_URL) or None
    if url and not url.startswith(("http://", "https://")):
        raise ConfigurationError(ALERT_URL, "it is not an http:// or https:// URL", "Write https://host/path.")
    return url


def send_alert(url: str, run: FailedRun, pauses_s: Sequence[float] = PAUSES_S, timeout_s: float = TIMEOUT_S) -> None:
    """Post a message about a failed run, three times at most.

    Raises:
        AlertNotSentError: Nobody took it. The error names the host alone, because the path of a webhook is a secret.
    """
    body = json.dumps(run.message(os.environ.get(UI_URL))).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - see alert_url
    reason = ""
    for pause_s in (0.0, *pauses_s):
        time.sleep(pause_s)
        try:
            with _OPENER.open(request, timeout=timeout_s):
                return
        except urllib.error.HTTPError as error:
            reason = f"it answered {error.code}"
            error.close()
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            reason = f"{type(cause).__name__}"
    raise AlertNotSentError(urllib.parse.urlsplit(url).hostname or "?", run.run_id, reason)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An answer with another address is an error: following it would turn the POST into a GET."""

    def redirect_request(self, *args: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)
