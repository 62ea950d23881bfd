"""Chromium on the real server, with axe on every page and a count of clicks."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

from mesoclinic.accounts.models import User
from tests.clinic import PASSWORD
from tests.racing import signed_in

# Playwright keeps an event loop in this thread; the tests ask the database from the same one on purpose.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
#: What passes is not told: to name every element that is right takes axe longer than to find what is wrong.
AXE = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
#: Loaded, with its typefaces, nothing of htmx under way and nothing moving (what turns for ever has no end to wait for).
SETTLED = """() => document.readyState === 'complete' && document.fonts.status === 'loaded'
  && !document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling')
  && !document.getAnimations().some(one => one.playState === 'running'
     && one.effect.getComputedTiming().endTime !== Infinity)"""
TWO_FRAMES = (
    "() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(null))))"
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = which("chromium") or which("chromium-browser") or which("google-chrome")
    assert path and Path(path).exists(), "Chromium is missing: bin/test installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@dataclass
class Person:
    """Somebody at a screen. `clicks` counts clicks and taps; keys are not counted."""

    page: Page
    base: str
    clicks: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._under_way: set[Request] = set()
        self.page.on("request", self._asked)
        for end in ("requestfinished", "requestfailed"):
            self.page.on(end, lambda request: self._under_way.discard(request))

    def _asked(self, request: Request) -> None:
        if request.is_navigation_request() and request.frame == self.page.main_frame:
            # Another page: nobody waits for what the one before had asked for.
            self._under_way.clear()
        self._under_way.add(request)

    def sign_in(self, username: str) -> "Person":
        """Signed in already when the test begins: the form is a matter of the tests that say so."""
        key = signed_in(User.objects.get(username=username))
        self.page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": key, "url": self.base}]
        )
        return self

    def sign_in_at_the_form(self, username: str) -> "Person":
        self.page.goto(f"{self.base}/sign-in/")
        self.page.fill("[name=username]", username)
        self.page.fill("[name=password]", PASSWORD)
        self.page.keyboard.press("Enter")
        expect(self.page.locator(".app")).to_be_visible()
        return self

    def go(self, path: str) -> None:
        self.page.goto(self.base + path)

    def click(self, what: Locator | str) -> None:
        """One click or tap."""
        locator = self.page.locator(what) if isinstance(what, str) else what
        locator.click()
        self.clicks += 1

    def choose(self, selector: str, value: str) -> None:
        """Choose from a list: counts as one."""
        self.page.select_option(selector, value)
        self.clicks += 1

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name).first

    def settled(self) -> None:
        """The page is as it stays: all that was asked for has come and is drawn."""
        deadline = time.monotonic() + 10
        while True:
            self.page.wait_for_function(SETTLED)
            # An answer is drawn by a script that runs after it has come, and may ask for more.
            self.page.evaluate(TWO_FRAMES)
            if not self._under_way and self.page.evaluate(SETTLED):
                return
            assert time.monotonic() < deadline, [request.url for request in self._under_way]

    def accessible(self) -> None:
        """No violation of WCAG 2.2 A and AA on this page."""
        self.settled()
        # The whole page at once: a bar that sticks to the window's edge would else cover whatever lies there by chance.
        size = self.page.viewport_size
        assert size is not None
        tall = int(self.page.evaluate("document.documentElement.scrollHeight"))
        self.page.set_viewport_size({"width": size["width"], "height": max(size["height"], min(tall, 8000))})
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        violations = self.page.evaluate("how => axe.run(how).then(found => found.violations)", AXE)
        self.page.set_viewport_size(size)
        told = [
            f"{row['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for row in violations
            for node in row["nodes"][:3]
        ]
        assert not told, f"{self.page.url}\n" + "\n".join(told)


@pytest.fixture
def person(chromium: Browser, live_server: Any) -> Iterator[Any]:
    """`person()` opens a screen of its own; `person(820, 1180)` a tablet."""
    contexts = []
    people: list[Person] = []

    def open_screen(width: int = 1440, height: int = 1000) -> Person:
        context = chromium.new_context(viewport={"width": width, "height": height}, locale="en-GB")
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        one = Person(page, live_server.url)
        # A refused style or script, or an error of ours, is a fault of the page.
        page.on("console", lambda m: one.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: one.faults.append(str(error)))
        people.append(one)
        return one

    yield open_screen
    for context in contexts:
        context.close()
    assert [f for one in people for f in one.faults if "422" not in f and "409" not in f] == []
