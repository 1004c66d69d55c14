"""A stream's picture, once as JPEG or one after the other as MJPEG."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from edgert.daemon.base import Pictures
from edgert.daemon.http.answers import Answer, Parts, RefusedError
from edgert.daemon.http.context import Context

if TYPE_CHECKING:
    from starlette.requests import Request

JPEG = "image/jpeg"
_BOUNDARY = "edgert-picture"
MJPEG = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
_WAIT_S = 1.0  # for the next picture, before looking whether anybody still waits
_PICTURE_S = 3.0  # for a single one


class LivePictures:
    """Handlers of one stream's pictures."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def picture(self, request: "Request") -> Answer:
        """The newest picture."""
        pictures, name = self._found(request)
        give_back = self._context.picture_watchers.take()
        try:
            newest = await self._context.wait(lambda: pictures.newest(timeout_s=_PICTURE_S))
        finally:
            give_back()
        if newest is None:
            raise RefusedError(
                503,
                f"show the stream {name}",
                expected=f"a picture within {_PICTURE_S:g} s",
                got="none",
                advice="Look at /v1/streams for why it does not run",
                headers=(("retry-after", "5"),),
            )
        return Answer(newest[1], kind=JPEG)

    async def video(self, request: "Request") -> Answer | Parts:
        """Pictures as they come, for as long as somebody looks and the stream is open."""
        pictures, _ = self._found(request)
        if request.method == "HEAD":
            return Answer(kind=MJPEG)
        give_back = self._context.picture_watchers.take()
        return Parts(
            self._parts(pictures), kind=MJPEG, closing=self._context.closing, done=give_back
        )

    def _found(self, request: "Request") -> tuple[Pictures, str]:
        name = request.path_params["name"]
        try:
            return self._context.service.pictures(name), name
        except KeyError as cause:
            names = ", ".join(s.name for s in self._context.service.status().streams)
            raise RefusedError(
                404,
                "show a stream",
                expected=f"one of {names}" if names else "a stream, of which there is none",
                got=repr(name[:100]),
                advice="Look at /v1/streams",
            ) from cause

    async def _parts(self, pictures: Pictures) -> AsyncIterator[bytes]:
        number, clock = 0, asyncio.get_running_loop().time
        while True:
            before_s = clock()
            newest = await self._context.wait(
                lambda: pictures.newest(after=number, timeout_s=_WAIT_S)  # noqa: B023
            )
            if newest is None:
                if clock() - before_s < _WAIT_S / 2:
                    return  # it did not wait: the stream is closed, no picture will come any more
                continue
            number, picture = newest
            head = (
                f"--{_BOUNDARY}\r\nContent-Type: {JPEG}\r\nContent-Length: {len(picture)}\r\n\r\n"
            )
            yield head.encode() + picture + b"\r\n"
