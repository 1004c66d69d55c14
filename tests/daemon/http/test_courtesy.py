"""Requests wait for the frame that is being served, but never long."""

import asyncio
import time

import pytest

from edgert.daemon.http.courtesy import Courtesy


class Behind:
    """An application that notes when it is called, and a frame that may be going on."""

    def __init__(self) -> None:
        self.frame = False
        self.seen: list[bool] = []

    async def __call__(self, scope, receive, send) -> None:
        self.seen.append(self.frame)

    def busy(self) -> bool:
        return self.frame


@pytest.fixture
def behind() -> Behind:
    return Behind()


async def ask(app: Courtesy, kind: str = "http") -> None:
    await app({"type": kind}, None, None)


def test_between_frames_nothing_waits(behind: Behind):
    app = Courtesy(behind, behind.busy, most_s=60.0)
    asyncio.run(ask(app))
    assert behind.seen == [False]


def test_requests_wait_for_the_end_of_a_frame_all_together(behind: Behind):
    app = Courtesy(behind, behind.busy, most_s=60.0)

    async def story() -> None:
        behind.frame = True
        asked = [asyncio.ensure_future(ask(app)) for _ in range(5)]
        asked[0].cancel()  # one that goes away leaves the others waiting
        await asyncio.sleep(0.02)
        assert behind.seen == []
        behind.frame = False
        await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(story())
    assert behind.seen == [False] * 4


def test_frames_without_a_pause_are_not_waited_for_long(behind: Behind):
    app = Courtesy(behind, behind.busy, most_s=0.05)
    behind.frame = True
    begin_s = time.monotonic()
    asyncio.run(ask(app))
    assert 0.05 <= time.monotonic() - begin_s < 5.0
    assert behind.seen == [True]


def test_what_is_no_request_passes(behind: Behind):
    app = Courtesy(behind, behind.busy, most_s=60.0)
    behind.frame = True
    asyncio.run(ask(app, "lifespan"))
    assert behind.seen == [True]


def test_requests_to_a_real_server_wait_too(serve):
    frame = [True]
    served = serve(busy=lambda: frame[0])
    begin_s = time.monotonic()
    assert served.local.get("/v1/limits").status_code == 200
    waited_s = time.monotonic() - begin_s
    assert waited_s >= 0.05
    frame[0] = False
    took_s = []
    for _ in range(5):
        begin_s = time.monotonic()
        assert served.local.get("/v1/limits").status_code == 200
        took_s.append(time.monotonic() - begin_s)
    assert min(took_s) < 0.05
