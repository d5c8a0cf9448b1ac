"""Chromium of the system, driven by Playwright; a script or policy error fails a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from scripts import programs

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
EXPECTED = (
    "Failed to load resource: net::",
    "WebSocket connection to",
    *(
        f"Failed to load resource: the server responded with a status of {status}"
        for status in (401, 403, 409, 422)
    ),
)
"""What the browser itself writes when a test stops the server, ends a session, or sends what is refused."""


@contextmanager
def chromium() -> Iterator[Browser]:
    program = programs.chromium()
    assert program, "no Chromium; run `make test` once, which installs what tests need"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Screens:
    """Opens one browser profile per person and keeps what went wrong on their pages."""

    def __init__(self, browser: Browser, base_url: str) -> None:
        self._browser, self._base_url = browser, base_url
        self._contexts: list[Any] = []
        self.faults: list[str] = []

    def open(self, phone: bool = False, **options: Any) -> Page:
        """A blank page of a new person, who is signed in nowhere."""
        size = PHONE if phone else DESK
        context = self._browser.new_context(
            base_url=self._base_url, viewport=size, has_touch=phone, **options
        )
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._note(page, message))
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _note(self, page: Page, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(EXPECTED):
            self.faults.append(f"{page.url}: {message.text}")
