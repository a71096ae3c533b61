"""Makes the pictures of the README, of the demo's project: `make screenshots`."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping

from playwright.sync_api import Error, Page, sync_playwright

from artifact_pipelines import open_store
from artifact_pipelines.core.settings import CATALOG_URL, LANDING_URL, STORAGE_URL
from artifact_pipelines.report.finding import find_report
from artifact_pipelines_tests.newcomer.chromium import start_chromium
from artifact_pipelines_tests.web_server import PATIENCE_S, free_port, stop

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = CHECKOUT / "docs" / "images"
_DRAWN_S = 3
"""A page moves for a moment after it has its text."""


def environment_in(folder: pathlib.Path) -> Mapping[str, str]:
    """Return an environment with everything in a folder."""
    places = {
        "DAGSTER_HOME": str(folder),
        CATALOG_URL: f"sqlite:///{folder / 'catalog.db'}",
        STORAGE_URL: str(folder / "store"),
        LANDING_URL: str(folder / "landing"),
    }
    return {**os.environ, **places, "PYTHONPATH": str(CHECKOUT)}


@contextlib.contextmanager
def dagster_in(folder: pathlib.Path) -> Iterator[str]:
    """Run Dagster on what the demo made, and yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", str(CHECKOUT / "workspace.yaml")]
    running = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"],
        cwd=folder,
        env=environment_in(folder),
        start_new_session=True,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(running, signal.SIGINT)


def take(page: Page, address: str, shown: str, name: str) -> None:
    """Take a picture of a page, once it shows a text."""
    end = time.monotonic() + PATIENCE_S
    while True:  # the server may not listen yet
        try:
            page.goto(address)
            page.get_by_text(shown, exact=True).first.wait_for(timeout=30_000)
            break
        except Error:
            if time.monotonic() > end:
                raise
            time.sleep(1)
    time.sleep(_DRAWN_S)
    page.screenshot(path=IMAGES / name)
    print(f"{IMAGES / name}: {(IMAGES / name).stat().st_size:,} bytes")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copy(CHECKOUT / "dagster.yaml", folder)
        environment = environment_in(folder)
        subprocess.run([sys.executable, "-m", "artifact_pipelines.demo"], env=environment, check=True)
        with open_store(environment[CATALOG_URL], environment[STORAGE_URL]) as store:
            (folder / "report.html").write_bytes(find_report(store, "flights").page)
        with dagster_in(folder) as address, sync_playwright() as playwright:
            context = start_chromium(playwright).new_context(viewport={"width": 1400, "height": 800})
            page = context.new_page()
            graph = f"{address}/locations/artifact_pipelines/asset-groups/flights/lineage"
            take(page, graph, "thousand", "graph.png")
            take(page, (folder / "report.html").as_uri(), "flights", "report.png")
            context.browser.close()  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
