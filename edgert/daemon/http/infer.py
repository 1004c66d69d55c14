"""One picture in, what the active configuration says of it out.

The body is counted while it comes, the picture's size is read from its header before anything of
it is unpacked, and it is unpacked in a thread, so that no other request waits for it.
"""

import asyncio
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgert.daemon.http.answers import Answer, RefusedError, as_error, as_json
from edgert.daemon.http.bounds import read_body
from edgert.daemon.http.context import Context, outcome
from edgert.errors import EdgertError, ServiceBusyError
from edgert.optional import needs

if TYPE_CHECKING:
    from starlette.requests import Request

KINDS = ("image/jpeg", "image/png")
MOST_PIXELS = 25_000_000  # 75 MB unpacked
_BYTES_PER_PIXEL = 3
_RESULT_S = 30.0
_RETRY = (("retry-after", "1"),)


class Inference:
    """Handler of /v1/infer."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def infer(self, request: "Request") -> Answer:
        """Run the picture in the body between two frames."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in KINDS:
            raise RefusedError(
                415,
                "take a picture in",
                expected="Content-Type: image/jpeg or image/png",
                got=repr(kind[:100]) if kind else "none",
                advice="Send the file's bytes as the body",
            )
        with_map = _flag(request.query_params.get("map"))
        context = self._context
        with context.room.share() as grow:
            body = await read_body(request, context.upload_bytes, grow=grow)
            pixels = await context.decode(lambda: pixel_count(body))
            grow(pixels * _BYTES_PER_PIXEL)
            image = await context.decode(lambda: unpacked(body))
            try:
                future = context.service.infer(image, with_map=with_map)
                return as_json(await outcome(future, _RESULT_S))
            except ServiceBusyError as error:
                return as_error(error, 503, headers=_RETRY)
            except EdgertError as error:
                return as_error(error, 503, headers=(("retry-after", "10"),))
            except asyncio.TimeoutError as cause:
                raise RefusedError(
                    503,
                    "run a picture",
                    expected=f"a result within {_RESULT_S:.0f} s",
                    got="none",
                    advice="Look at /v1/status for what the service does",
                    headers=(("retry-after", "10"),),
                ) from cause


def pixel_count(content: bytes) -> int:
    """How many pixels a JPEG or PNG says it has, from its header alone.

    Raises:
        RefusedError: It is no such file (422), or there are too many (413).
    """
    with _opened(content) as image:
        width, height = image.size
    if width * height > MOST_PIXELS:
        raise RefusedError(
            413,
            "take a picture in",
            expected=f"at most {MOST_PIXELS} pixels",
            got=f"{width}x{height}",
            advice="Send a smaller one",
        )
    return int(width * height)


def unpacked(content: bytes) -> NDArray[np.uint8]:
    """The picture as (H, W, 3) uint8 RGB, turned as its camera says it was held.

    Raises:
        RefusedError: It cannot be unpacked (422).
    """
    operations = needs("PIL.ImageOps", "serve", "to read pictures")
    try:
        with _opened(content) as image:
            upright = operations.exif_transpose(image)
            return np.array(upright.convert("RGB"), np.uint8)
    except RefusedError:
        raise
    # A damaged file fails in as many ways as its format has parts, and Pillow names none of them.
    except Exception as cause:
        raise _unreadable(cause) from cause


def _opened(content: bytes) -> Any:
    images = needs("PIL.Image", "serve", "to read pictures")
    try:
        return images.open(io.BytesIO(content), formats=("JPEG", "PNG"))
    except Exception as cause:
        # Pillow's own bounds among them, which are above ours.
        if isinstance(cause, (images.DecompressionBombError, images.DecompressionBombWarning)):
            raise RefusedError(
                413,
                "take a picture in",
                expected=f"at most {MOST_PIXELS} pixels",
                got="several times as many",
                advice="Send a smaller one",
            ) from cause
        raise _unreadable(cause) from cause


def _unreadable(cause: Exception) -> RefusedError:
    words = str(cause).splitlines()[0][:200] if str(cause) else type(cause).__name__
    if "BytesIO" in words:
        words = "something else"
    return RefusedError(
        422,
        "read a picture",
        expected="a whole JPEG or PNG file",
        got=words,
        advice="Send the file as it is",
    )


def _flag(text: str | None) -> bool:
    if text in (None, "false", "0"):
        return False
    if text in ("true", "1"):
        return True
    raise RefusedError(
        422,
        "look at map",
        expected="true or false",
        got=repr((text or "")[:100]),
        advice="Write map=true",
    )
