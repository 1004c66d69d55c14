"""A stream's pictures, on a real server."""

import io
import threading

from PIL import Image

from edgert.daemon.http import context as context_module
from edgert.daemon.http import live_pictures
from tests.daemon.http.conftest import Served, wait_until


def test_the_newest_picture_is_a_jpeg(served: Served) -> None:
    response = served.client.get("/v1/streams/yard/picture.jpg")
    assert response.status_code == 200
    assert response.headers["content-type"] == "image/jpeg"
    assert response.headers["cache-control"] == "no-store"
    assert Image.open(io.BytesIO(response.content)).size == (320, 240)


def test_a_stream_that_there_is_not_is_named(served: Served) -> None:
    for path in ("picture.jpg", "video.mjpeg"):
        response = served.client.get(f"/v1/streams/attic/{path}")
        assert response.status_code == 404
        assert response.json()["error"].startswith("show a stream: expected one of yard, gate")
    assert served.client.get("/v1/streams/%2e%2e%2fyard/picture.jpg").status_code == 404


def test_no_picture_is_no_fault(served: Served) -> None:
    served.service.live["gate"].closed.set()
    response = served.client.get("/v1/streams/gate/picture.jpg")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


def test_pictures_come_one_after_the_other_in_parts(served: Served) -> None:
    with served.client.stream("GET", "/v1/streams/yard/video.mjpeg") as response:
        kind = response.headers["content-type"]
        assert kind == "multipart/x-mixed-replace; boundary=edgert-picture"
        content = b""
        for part in response.iter_bytes():
            content += part
            if content.count(b"--edgert-picture\r\n") >= 4:
                break
    pictures = content.split(b"--edgert-picture\r\n")[1:4]
    for one in pictures:
        head, _, body = one.partition(b"\r\n\r\n")
        assert b"Content-Type: image/jpeg" in head
        length = int(head.rpartition(b"Content-Length: ")[2])
        assert body[length:] == b"\r\n"
        assert Image.open(io.BytesIO(body[:length])).format == "JPEG"


def test_one_watcher_too_many_is_refused_and_places_come_back(serve, monkeypatch) -> None:
    monkeypatch.setattr(context_module, "MOST_PICTURE_WATCHERS", 1)
    served = serve()
    with served.client.stream("GET", "/v1/streams/yard/video.mjpeg"):
        refused = served.local.get("/v1/streams/gate/video.mjpeg")
        assert refused.status_code == 503
        assert "fewer than 1 watchers of pictures" in refused.json()["error"]
    places = served.app._context.picture_watchers
    wait_until(lambda: places.taken == 0)
    assert served.client.get("/v1/streams/yard/picture.jpg").status_code == 200


def test_a_video_ends_with_its_stream_and_its_place_is_free(served: Served) -> None:
    yard = served.service.live["yard"]
    with served.client.stream("GET", "/v1/streams/yard/video.mjpeg") as response:
        parts = response.iter_bytes()
        next(parts)
        yard.closed.set()
        for _ in parts:
            pass  # it ends in order
    places = served.app._context.picture_watchers
    wait_until(lambda: places.taken == 0)


def test_a_stream_that_waits_is_waited_for_and_the_server_still_closes(serve, monkeypatch) -> None:
    served, asked = serve(), []

    def none_came(*, after: int = 0, timeout_s: float = 5.0) -> None:
        asked.append(after)
        threading.Event().wait(timeout_s)

    monkeypatch.setattr(live_pictures, "_WAIT_S", 0.2)
    monkeypatch.setattr(served.service.live["yard"], "newest", none_came)
    with served.client.stream("GET", "/v1/streams/yard/video.mjpeg") as response:
        wait_until(lambda: len(asked) == 3)
        closing = threading.Thread(target=served.server.close)
        closing.start()
        assert response.read() == b""
        closing.join(5)
        assert not closing.is_alive()
