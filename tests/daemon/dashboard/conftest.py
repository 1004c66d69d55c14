"""A daemon's door and a real Chromium in front of it."""

import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from edgert.daemon.http import HttpServer, make_app
from edgert.daemon.metrics import Metrics
from tests.daemon.fake_service import FakeService

_ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PAGE = Path(str(files("edgert.daemon"))) / "dashboard"


class Door:
    """A fake service behind the real HTTP server, which can be killed and brought back."""

    def __init__(self, *, token: str = "") -> None:
        self.service, self.token = FakeService(), token
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        app = make_app(
            self.service, Metrics(), token=self.token, upload_bytes=1000, dashboard=PAGE
        )
        self._server = HttpServer(app, socket=None, tcp=("127.0.0.1", self.port))
        self._server.start()
        assert self._server.address is not None
        self.port = self._server.address[1]

    def kill(self) -> None:
        self._server.close()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0


@dataclass
class Watched:
    """A page, and everything that it did wrong."""

    page: Any
    url: str
    requests: list[Any] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()  # messages with one of these in them are what a test provokes

    def wrong(self) -> list[str]:
        return [text for text in self.messages if not any(part in text for part in self.expected)]

    def foreign(self) -> list[str]:
        return [one.url for one in self.requests if not one.url.startswith(self.url)]

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def wait_for(self, script: str, *, within_s: float = 5.0, argument: Any = None) -> None:
        """Wait until a JavaScript function is true; the page's policy allows no expressions."""
        self.page.wait_for_function(script, arg=argument, timeout=within_s * 1e3)

    def wait_text(self, selector: str, text: str, *, within_s: float = 5.0) -> None:
        self.wait_for(
            "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)",
            argument=[selector, text],
            within_s=within_s,
        )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A Chromium of the distribution, without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((path for name in names if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("NO CHROMIUM: the dashboard is not tested (apt install chromium)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def door() -> Iterator[Door]:
    """No token needed."""
    door = Door()
    yield door
    door.kill()


@pytest.fixture
def locked_door() -> Iterator[Door]:
    door = Door(token="a long token for tests only")
    yield door
    door.kill()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Watched]]:
    """Opens pages; at the end none may have complained or have asked another host."""
    opened: list[tuple[Any, Watched]] = []

    def open_at(url: str, **screen: Any) -> Watched:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **screen})
        page = context.new_page()
        watched = Watched(page, url)
        page.on("console", lambda said: watched.messages.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: watched.messages.append(f"exception: {error}"))
        page.on("request", lambda one: watched.requests.append(one))  # noqa: PLW0108  built-ins fail
        opened.append((context, watched))
        page.goto(url)
        return watched

    yield open_at
    for context, watched in opened:
        wrong, foreign = watched.wrong(), watched.foreign()
        context.close()
        assert wrong == []
        assert foreign == []


@pytest.fixture
def watched(door: Door, open_page: Callable[..., Watched]) -> Watched:
    """The page on a desktop, with its first figures shown."""
    watched = open_page(door.url)
    watched.wait_text("#link", "Connected")
    watched.wait_text("#configurations", "c630")
    return watched
