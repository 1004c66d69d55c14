"""Who is let in."""

import hmac
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.daemon.http import guard as guard_module
from edgert.daemon.http.guard import Guard, host_name
from tests.daemon.fake_service import jpeg
from tests.daemon.http.conftest import TOKEN, Served

READS = (
    "/metrics", "/v1/status", "/v1/configurations", "/v1/limits", "/v1/streams", "/v1/events",
    "/v1/streams/yard/picture.jpg", "/v1/streams/yard/video.mjpeg", "/openapi.json", "/v1/nothing",
)  # fmt: skip
JSON = {"content-type": "application/json"}


@pytest.fixture
def locked(serve) -> Served:
    return serve(token=TOKEN)


def test_without_the_token_nothing_is_shown_or_changed(locked: Served) -> None:
    for client in (locked.client, locked.local):
        del client.headers["authorization"]
        for path in READS:
            for response in (client.get(path), client.head(path)):
                assert response.status_code == 401, path
                assert response.headers["www-authenticate"] == "Bearer"
        assert client.patch("/v1/limits", json={"power_w": 3}).status_code == 401
        assert client.post("/v1/reload", headers=JSON).status_code == 401
        kind = {"content-type": "image/jpeg"}
        assert client.post("/v1/infer", content=jpeg(), headers=kind).status_code == 401
        for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
            assert client.get(path).status_code == 200
    assert locked.service.changes == []
    assert locked.service.images == []


def test_with_it_everything_is(locked: Served) -> None:
    for client in (locked.client, locked.local):
        assert client.get("/v1/status").status_code == 200
        assert client.patch("/v1/limits", json={"power_w": 3}).status_code == 200
        assert client.post("/v1/reload").status_code == 200  # no form sends Authorization


NO_TOKENS = (
    "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN,
     "Bearer tök", f"Bearer {TOKEN.upper()}",
)  # fmt: skip


def test_another_token_is_none(locked: Served) -> None:
    for value in NO_TOKENS:
        headers = {"authorization": value.encode()}
        response = locked.client.get("/v1/status", headers=headers)
        assert response.status_code == 401
        assert TOKEN not in response.text


def test_the_token_is_never_taken_from_the_address(locked: Served) -> None:
    del locked.client.headers["authorization"]
    for name in ("token", "access_token", "authorization"):
        assert locked.client.get("/v1/status", params={name: TOKEN}).status_code == 401


def test_the_page_logs_in_for_a_cookie_that_scripts_and_other_sites_do_not_get(
    locked: Served,
) -> None:
    client = locked.client
    del client.headers["authorization"]
    wrong = client.post("/v1/login", json={"token": "another"})
    assert wrong.status_code == 401
    assert "set-cookie" not in wrong.headers
    response = client.post("/v1/login", json={"token": TOKEN})
    assert response.status_code == 204
    cookie = response.headers["set-cookie"]
    assert "; HttpOnly" in cookie
    assert "; SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/v1/status").status_code == 200  # httpx keeps cookies
    assert client.get("/v1/streams/yard/picture.jpg").status_code == 200
    client.cookies.clear()
    client.cookies.set("edgert", "0" * 64)
    assert client.get("/v1/status").status_code == 401
    client.cookies.clear()
    assert client.get("/v1/status").status_code == 401


@pytest.mark.parametrize("body", [b"{}", b'{"token": 5}', b'{"token": "a", "b": 1}', b"token=a"])
def test_a_login_that_is_none_is_refused(locked: Served, body: bytes) -> None:
    assert locked.client.post("/v1/login", content=body, headers=JSON).status_code == 422


def test_a_cookie_is_worth_nothing_under_another_token() -> None:
    one, other = Guard(None, token="one" * 9), Guard(None, token="two" * 9)
    assert one.cookie() != other.cookie()
    assert one.cookie() == Guard(None, token="one" * 9).cookie()  # holds over a restart
    assert one.cookie(secure=True).endswith("; Secure")


def test_tokens_are_compared_in_constant_time(monkeypatch) -> None:
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return hmac.compare_digest(one, other)

    watched = SimpleNamespace(compare_digest=compare, new=hmac.new)
    monkeypatch.setattr(guard_module, "hmac", watched)
    guard = Guard(None, token="a" * 20)
    assert guard.admits("a" * 20)
    assert not guard.admits("b")
    assert not guard.admits("\ud800")
    assert compared == [b"a" * 20, b"b", b"?"]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "localhost.evil.example", "", "127.0.0.1.evil.example",
     "127.0.0.1@evil.example", "[::1]x"],
)  # fmt: skip
def test_a_name_that_was_rebound_to_this_machine_is_refused(served: Served, host: str) -> None:
    response = served.client.get("/v1/status", headers={"host": host})
    assert response.status_code == 421
    assert response.json()["error"].startswith("look at the Host header: expected localhost")


def test_loopback_addresses_and_own_names_are_right(serve) -> None:
    served = serve(hosts=["camera-7.lan"])
    for host in (
        "localhost", "LOCALHOST:8080", "127.0.0.1", "[::1]:80", "192.168.1.7:8080",
        "camera-7.lan", "Camera-7.LAN:80",
    ):  # fmt: skip
        assert served.client.get("/v1/status", headers={"host": host}).status_code == 200


def test_a_unix_socket_is_called_as_one_likes(served: Served) -> None:
    assert served.local.get("/v1/status", headers={"host": "anything"}).status_code == 200


@given(st.text(max_size=30))
def test_any_host_is_split_without_failing(host: str) -> None:
    assert isinstance(host_name(host), str)


def test_another_sites_page_may_neither_look_nor_change(served: Served) -> None:
    own = f"http://{served.host}:{served.port}"
    for method, path in (("GET", "/v1/status"), ("GET", "/v1/events"), ("POST", "/v1/reload")):
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "http://[", ""):
            response = served.client.request(method, path, headers={"origin": origin, **JSON})
            assert response.status_code == 403, origin
    assert served.client.get("/v1/status", headers={"origin": own}).status_code == 200
    response = served.client.get("/v1/status")
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data",
                                  "text/plain", "", "TEXT/PLAIN; charset=utf-8"])  # fmt: skip
def test_what_a_form_can_send_changes_nothing(served: Served, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    for method, path in (("PATCH", "/v1/limits"), ("POST", "/v1/reload"), ("POST", "/v1/infer"),
                         ("POST", "/v1/login")):  # fmt: skip
        response = served.client.request(method, path, content=b'{"power_w":3}', headers=headers)
        assert response.status_code == 415
    assert served.service.changes == []
    assert len(served.service.events.since(0)) == 1


def test_every_answer_carries_what_browsers_keep_to(served: Served) -> None:
    for path in ("/v1/status", "/v1/nothing", "/", "/v1/streams/yard/picture.jpg"):
        headers = served.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] in ("no-store", "no-cache")
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "server" not in headers
