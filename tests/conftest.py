"""What tests of several packages share."""

import shutil
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A shell that starts tests in the background has them ignore Ctrl-C, and their children inherit it:
# then a test that interrupts a program waits for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("untimed", deadline=None)  # timings are not tests
settings.load_profile("untimed")

NO_BROWSER = (
    "no Chromium and no Chrome on this machine, so nobody has looked at the pages; install one "
    "(Debian: apt-get install chromium) or leave these tests out: -m 'not browser'"
)


@pytest.fixture(scope="module")  # a session's would leave its event loop to tests of other modules
def chromium() -> "Iterator[Browser]":
    """A real browser, without a window."""
    from playwright.sync_api import Error, sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    which: dict[str, Any] = {"executable_path": program} if program else {"channel": "chrome"}
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(args=["--no-sandbox"], **which)
        except Error:
            if program:
                raise
            pytest.fail(NO_BROWSER, pytrace=False)
        yield browser
        browser.close()
