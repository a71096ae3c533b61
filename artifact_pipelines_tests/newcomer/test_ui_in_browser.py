"""What a person sees in the browser, after the first week: headless Chromium clicks through the pages of Dagster."""

import pathlib
from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from artifact_pipelines_tests.newcomer.chromium import start_chromium
from artifact_pipelines_tests.newcomer.project import Newcomer
from artifact_pipelines_tests.web_server import answer, wait_until

PATIENCE_MS = 120_000

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = start_chromium(playwright)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, dev: str) -> Iterator[Page]:
    """A page of Dagster's web server; paths are below its address."""
    context = browser.new_context(base_url=dev, viewport={"width": 1500, "height": 2400})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    yield page
    context.close()


def sees(page: Page, text: str) -> None:
    """Fail unless the page shows the text, or comes to show it by itself."""
    expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)


def test_graph_shows_all_groups(page: Page, dev: str) -> None:
    page.goto("/asset-groups")
    groups = {node["groupName"] for node in answer(dev, "{ assetNodes { groupName } }")["assetNodes"]}
    assert groups >= {"cities", "default", "maintenance"}
    for group in sorted(groups):
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=PATIENCE_MS)


def test_click_makes_an_asset_green_and_its_page_shows_rows_and_file(newcomer: Newcomer, page: Page) -> None:
    before = len(newcomer.versions("largest"))
    page.goto("/assets/largest")
    page.get_by_role("button", name="Materialize").first.click()
    wait_until(lambda: len(newcomer.versions("largest")) > before, newcomer.log)
    page.goto("/assets/largest")
    expect(page.get_by_role("img", name="run_success").first).to_be_visible(timeout=PATIENCE_MS)
    sees(page, "artifact/file_id")
    sees(page, "Tokyo")  # in the preview


def test_page_of_a_profile_shows_charts(page: Page) -> None:
    page.goto("/assets/cities/analyses/profile")
    chart = page.locator("img[src^='data:image/svg']").first
    expect(chart).to_be_visible(timeout=PATIENCE_MS)
    assert chart.evaluate("image => image.naturalWidth") > 100


def test_dropped_file_appears_by_itself(newcomer: Newcomer, page: Page) -> None:
    page.goto("/assets/cities/raw")
    text = (newcomer.folder / "cities.csv").read_text().replace("XX,Nowhere,99999999,\n", "")
    drop(newcomer, "cities_in_browser.csv", text + "NO,Oslo,717710,1048-01-01\n")
    sees(page, "cities_in_browser.csv")


def test_page_of_the_quarantine_shows_the_reason(newcomer: Newcomer, page: Page) -> None:
    page.goto("/assets/cities/quarantine")
    drop(newcomer, "cities_broken.csv", "country,city,population,founded\nDE,Berlin,many,\n")
    sees(page, "cities_broken.csv")
    sees(page, "many")


def test_wiped_asset_is_released_and_its_file_collected(newcomer: Newcomer, page: Page) -> None:
    file_id = newcomer.versions("largest")[0]["file_id"]
    store = newcomer.folder / "state" / "store"
    assert list(store.rglob(f"*.{file_id}"))
    page.goto("/assets/largest")
    more = page.get_by_role("button", name="Materialize").first.locator("xpath=following::button[1]")
    more.click()
    page.get_by_role("menuitem", name="Wipe materializations").click()
    page.get_by_role("button", name="Wipe", exact=True).click()
    wait_until(lambda: not newcomer.versions("largest"), newcomer.log)
    newcomer.run("artifact-pipelines", "gc", "--grace", "0s", "--force", "--max-share", "100%")
    assert not list(store.rglob(f"*.{file_id}"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_opens_without_errors_and_everybody_can_read_it(
    newcomer: Newcomer, browser: Browser, tmp_path: pathlib.Path, scheme: Literal["light", "dark"]
) -> None:
    newcomer.run("artifact-pipelines", "report", "cities", "-o", str(tmp_path / "report.html"))
    context = browser.new_context(color_scheme=scheme, offline=True, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    assert "cities" in page.title()
    assert problems == []
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.set_viewport_size({"width": 690, "height": 1000})  # a sheet of A4 between its margins
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def drop(newcomer: Newcomer, name: str, text: str) -> None:
    """Put a file into the landing zone in one step."""
    hidden = newcomer.folder / "state" / "landing" / f".{name}"
    hidden.write_text(text)
    hidden.rename(hidden.with_name(name))
