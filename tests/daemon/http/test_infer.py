"""Pictures that are sent in: sound, damaged, huge, many, slow."""

import io
import struct
import time
import zlib
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgert.daemon.http import infer as infer_module
from edgert.daemon.http.answers import RefusedError
from edgert.daemon.http.infer import pixel_count, unpacked
from edgert.errors import InferenceError
from edgert.records import PictureResult
from tests.daemon.fake_service import jpeg
from tests.daemon.http.conftest import Served, read_all, wait_until

JPEG = {"content-type": "image/jpeg"}
PNG = {"content-type": "image/png"}


def png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it is huge, and would unpack to that."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_picture_is_run_and_says_by_which_configuration(served: Served) -> None:
    response = served.client.post("/v1/infer", content=jpeg(), headers=JPEG)
    assert response.status_code == 200
    result = msgspec.json.decode(response.content, type=PictureResult)
    assert (result.configuration, result.width, result.height) == ("c630", 320, 240)
    assert result.map_shape == []
    assert served.service.images[0].shape == (240, 320, 3)


def test_a_map_comes_on_request(served: Served) -> None:
    response = served.client.post("/v1/infer?map=true", content=jpeg(), headers=JPEG)
    assert response.json()["map_shape"] == [2, 2]
    odd = served.client.post("/v1/infer?map=perhaps", content=jpeg(), headers=JPEG)
    assert odd.status_code == 422


def test_a_png_keeps_its_colours_and_loses_its_transparency(served: Served) -> None:
    image = Image.new("RGBA", (5, 3), (10, 20, 30, 128))
    assert served.client.post("/v1/infer", content=png(image), headers=PNG).status_code == 200
    taken = served.service.images[0]
    assert taken.dtype == np.uint8
    assert taken.shape == (3, 5, 3)
    assert (taken == (10, 20, 30)).all()


def test_a_picture_that_was_held_upright_is_turned() -> None:
    image, content = Image.new("RGB", (40, 20)), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(content, "JPEG", exif=exif)
    assert unpacked(content.getvalue()).shape == (40, 20, 3)


@pytest.mark.parametrize(
    "body",
    [b"", b"GIF89a" + bytes(50), b"\xff\xd8\xff", jpeg()[:900], b"{}"],
    ids=["empty", "gif", "head", "cut", "json"],
)
def test_what_is_no_picture_is_refused(served: Served, body: bytes) -> None:
    response = served.client.post("/v1/infer", content=body, headers=JPEG)
    assert response.status_code == 422
    assert response.json()["error"].startswith("read a picture: expected a whole JPEG or PNG")
    assert "0x" not in response.json()["error"]  # no address of an object in it
    assert served.service.images == []


@settings(max_examples=60)
@given(place=st.integers(0, 3000), value=st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(place: int, value: int) -> None:
    content = bytearray(jpeg())
    content[place % len(content)] = value
    try:
        if pixel_count(bytes(content)) < 1_000_000:
            unpacked(bytes(content))
    except RefusedError as error:
        assert error.status in (413, 422)  # noqa: PT017


@pytest.mark.parametrize(("width", "height"), [(5001, 5000), (30_000, 30_000), (65_000, 65_000)])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(
    served: Served, monkeypatch, width: int, height: int
) -> None:
    monkeypatch.setattr(infer_module, "unpacked", lambda _: pytest.fail("it was unpacked"))
    content = bomb(width, height)
    assert len(content) < 10_000
    response = served.client.post("/v1/infer", content=content, headers=PNG)
    assert response.status_code == 413
    assert "expected at most 25000000 pixels" in response.json()["error"]


def test_another_kind_is_refused_by_its_name(served: Served) -> None:
    for kind in ("image/gif", "application/json", "application/octet-stream"):
        response = served.client.post("/v1/infer", content=b"x", headers={"content-type": kind})
        assert response.status_code == 415


def test_a_body_that_is_too_long_is_refused_announced_or_not(served: Served) -> None:
    announced = served.client.post("/v1/infer", content=bytes(300_000), headers=JPEG)
    assert announced.status_code == 413
    assert "at most 200000 bytes, got 300000" in announced.json()["error"]
    parts = (bytes(10_000) for _ in range(30))
    chunked = served.client.post("/v1/infer", content=parts, headers=JPEG)
    assert chunked.status_code == 413
    assert "got more than 200000" in chunked.json()["error"]
    # The server is shared: a request of an earlier test, whose client has left, may still end.
    wait_until(lambda: served.app._context.room.used_bytes == 0)


def test_who_asks_before_sending_is_refused_without_sending(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(
            b"POST /v1/infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            b"Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert read_all(connection).startswith(b"HTTP/1.1 413")


def test_an_endless_body_is_cut_off(served: Served) -> None:
    sent, part = 0, b"10000\r\n" + bytes(65536) + b"\r\n"
    with served.connect() as connection, suppress(OSError):
        connection.sendall(
            b"POST /v1/infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        while sent < 50_000_000:
            connection.sendall(part)
            sent += len(part)
    assert sent < 10_000_000
    assert served.client.get("/healthz").status_code == 200


def test_busy_says_when_to_try_again(served: Served) -> None:
    served.service.busy = True
    response = served.client.post("/v1/infer", content=jpeg(), headers=JPEG)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.json()["error"].startswith("run a picture: expected fewer than 8")


def test_an_engine_that_fails_is_told(served: Served, monkeypatch) -> None:
    def fail(image, *, with_map):
        raise InferenceError("run c630", expected="a result", got="none", advice="Build it anew")

    monkeypatch.setattr(served.service, "infer", fail)
    response = served.client.post("/v1/infer", content=jpeg(), headers=JPEG)
    assert response.status_code == 503
    assert response.json()["error"] == "run c630: expected a result, got none. Build it anew."


def test_a_result_that_never_comes_is_not_waited_for(served: Served, monkeypatch) -> None:
    monkeypatch.setattr(infer_module, "_RESULT_S", 0.1)
    served.service.hold = True
    response = served.client.post("/v1/infer", content=jpeg(), headers=JPEG)
    assert response.status_code == 503
    assert served.service.pending[0].cancelled()
    assert served.app._context.room.used_bytes == 0


def test_pictures_together_have_a_bound(served: Served) -> None:
    """Memory is counted from the first byte until the answer."""
    room = served.app._context.room
    room.used_bytes = room.most_bytes - 100_000  # as if others were under way
    response = served.client.post("/v1/infer", content=jpeg(), headers=JPEG)  # 230 kB unpacked
    assert response.status_code == 503
    assert "bytes of pictures at once" in response.json()["error"]
    assert room.used_bytes == room.most_bytes - 100_000
    room.used_bytes = 0
    assert served.client.post("/v1/infer", content=jpeg(), headers=JPEG).status_code == 200


def test_other_requests_do_not_wait_while_a_picture_is_unpacked(
    served: Served, monkeypatch
) -> None:
    import threading

    unpacking, go_on = threading.Event(), threading.Event()

    def slow(content: bytes):
        unpacking.set()
        go_on.wait(10)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(infer_module, "unpacked", slow)
    thread = threading.Thread(
        target=lambda: served.local.post("/v1/infer", content=jpeg(), headers=JPEG)
    )
    thread.start()
    assert unpacking.wait(10)
    before_s = time.monotonic()
    assert served.client.get("/v1/status").status_code == 200
    assert time.monotonic() - before_s < 5
    go_on.set()
    thread.join(10)
    wait_until(lambda: served.service.images)
