"""Answers without an end, sent by hand."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from edgert.daemon.http.answers import Parts


class Client:
    """The two halves of an ASGI connection."""

    def __init__(self) -> None:
        self.gone, self.got = asyncio.Event(), []

    async def receive(self) -> dict:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        self.got.append(message)


async def served(parts: AsyncIterator[bytes], client: Client, closing: asyncio.Event) -> list[int]:
    done: list[int] = []
    answer = Parts(parts, kind="text/plain", closing=closing, done=lambda: done.append(1))
    await answer({"method": "GET"}, client.receive, client.send)
    return done


def test_it_ends_in_order_when_there_are_no_more_parts() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async def run() -> None:
        client = Client()
        assert await served(parts(), client, asyncio.Event()) == [1]
        assert [m.get("body") for m in client.got[1:]] == [b"a", b"b", b""]
        assert not client.got[-1].get("more_body")

    asyncio.run(run())


def test_it_ends_when_the_client_is_gone_and_its_parts_are_cleaned_up() -> None:
    cleaned: list[str] = []

    async def parts() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            await asyncio.sleep(60)
            yield b"never"
        finally:
            cleaned.append("up")

    async def run() -> None:
        client = Client()
        serving = asyncio.ensure_future(served(parts(), client, asyncio.Event()))
        while len(client.got) < 2:
            await asyncio.sleep(0)
        client.gone.set()
        assert await asyncio.wait_for(serving, 5) == [1]
        assert cleaned == ["up"]

    asyncio.run(run())


def test_a_fault_in_the_parts_is_not_hidden_and_gives_the_place_back() -> None:
    places: list[int] = []

    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        raise RuntimeError("broken")

    async def run() -> None:
        client = Client()
        answer = Parts(parts(), kind="x/y", closing=asyncio.Event(), done=lambda: places.append(1))
        await answer({"method": "GET"}, client.receive, client.send)

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(run())
    assert places == [1]
