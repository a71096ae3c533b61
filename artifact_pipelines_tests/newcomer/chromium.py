"""The system's Chromium, without a window."""

import shutil

from playwright.sync_api import Browser, Playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def start_chromium(playwright: Playwright) -> Browser:
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    assert path, "Chromium is missing. On Debian or Ubuntu, run: apt-get install chromium"
    return playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
