"""The dashboard's files."""

from pathlib import Path

import pytest

from tests.daemon.http.conftest import TOKEN, Served


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "site" / "dashboard"
    (folder / "deep").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>edgert</title>")
    (folder / "main.js").write_text("export const a = 1;")
    (folder / "look.css").write_text("body{}")
    (folder / "deep" / "icon.svg").write_text("<svg/>")
    (folder / ".hidden.js").write_text("secret")
    (folder / "module.py").write_text("secret")
    (tmp_path / "site" / "beside.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "site" / "beside.js")
    return folder


def get(served: Served, path: str):
    """As a raw path: httpx would tidy it up."""
    with served.connect() as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        content = b""
        while part := connection.recv(65536):
            content += part
    return int(content.split()[1]), content


def test_files_have_their_types(serve, page: Path) -> None:
    served = serve(dashboard=page)
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/dashboard/index.html", "text/html; charset=utf-8"),
        ("/dashboard/main.js", "text/javascript; charset=utf-8"),
        ("/dashboard/look.css", "text/css; charset=utf-8"),
        ("/dashboard/deep/icon.svg", "image/svg+xml"),
    ):
        response = served.client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"] == kind
    assert "edgert" in served.client.get("/").text
    assert served.client.head("/").headers["content-length"] == "36"


def test_long_files_travel_compressed_to_whoever_asks(serve, page: Path) -> None:
    script = "export const a = 1;\n" * 200
    (page / "main.js").write_text(script)
    served = serve(dashboard=page)
    plain = served.client.get("/dashboard/main.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["content-length"] == str(len(script))
    short = served.client.get("/dashboard/main.js", headers={"accept-encoding": "br, gzip"})
    assert short.headers["content-encoding"] == "gzip"
    assert int(short.headers["content-length"]) < 200
    assert short.text == plain.text == script
    assert short.headers["vary"] == "accept-encoding"


def test_what_did_not_change_is_not_sent_again(serve, page: Path) -> None:
    served = serve(dashboard=page)
    tag = served.client.get("/dashboard/main.js").headers["etag"]
    for known in (tag, f'"other", W/{tag}'):
        again = served.client.get("/dashboard/main.js", headers={"if-none-match": known})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == tag
    (page / "main.js").write_text("export const a = 2;")
    fresh = served.client.get("/dashboard/main.js", headers={"if-none-match": tag})
    assert fresh.status_code == 200
    assert fresh.headers["etag"] != tag


OUTSIDE = (
"../beside.js", "%2e%2e/beside.js", "..%2fbeside.js", "deep/../../beside.js", "link.js",
     ".hidden.js", "deep", "deep/", "", "module.py", "%00.js", "a" * 5000 + ".js", "no.js",
     "//etc/passwd", "/main.js/", "..%5cbeside.js", "%ff.js",
)  # fmt: skip


def test_no_path_leads_out_of_the_folder(serve, page: Path) -> None:
    served = serve(dashboard=page)
    for path in OUTSIDE:
        status, content = get(served, f"/dashboard/{path}")
        assert status == 404, path
        assert b"secret" not in content


def test_the_page_needs_no_token_and_its_figures_do(serve, page: Path) -> None:
    served = serve(dashboard=page, token=TOKEN)
    del served.client.headers["authorization"]
    assert served.client.get("/").status_code == 200
    assert served.client.get("/dashboard/main.js").status_code == 200
    assert served.client.get("/v1/status").status_code == 401
    for path in ("/dashboard/../v1/status", "/dashboard/%2e%2e/v1/status"):
        assert get(served, path)[0] == 404


def test_without_a_page_there_is_none(served: Served) -> None:
    assert served.client.get("/").status_code == 404
    assert served.client.get("/dashboard/index.html").status_code == 404
