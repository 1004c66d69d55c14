"""Who is let in: token or cookie, the Host that a browser believes it speaks to, the Origin.

Stands in front of all endpoints and adds the headers that browsers keep to. What it refuses never
reaches them.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Collection, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from edgert.daemon.http.answers import RefusedError, as_error

COOKIE = "edgert"
_OPEN = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/v1/login", "/")
_OPEN_FOLDER = "/dashboard/"  # the page without a figure on it: it asks for the token
_READING = ("GET", "HEAD", "OPTIONS")
# What a form of another site can send without asking first.
_FORM_KINDS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "")
SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        b"object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Guard:
    """An ASGI application that lets some requests through to another.

    Args:
        app: What is behind it.
        token: "" lets everybody in who can connect.
        hosts: Names in `Host` besides loopback's and addresses.
    """

    def __init__(self, app: Any, *, token: str, hosts: Collection[str] = ()) -> None:
        self._app, self._token = app, token.encode()
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                more = [(n, v) for n, v in SECURITY_HEADERS if n not in names]
                if b"cache-control" not in names:
                    more.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            self._check(scope, headers)
        except RefusedError as refusal:
            await as_error(refusal, refusal.status)(scope, receive, send_guarded)
        else:
            await self._app(scope, receive, send_guarded)

    def admits(self, token: str) -> bool:
        """Whether this is the token, in constant time."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token)

    def cookie(self, *, secure: bool = False) -> str:
        """A `Set-Cookie` that stands for the token; it changes when the token does."""
        fields = f"{COOKIE}={self._cookie_value()}; Path=/; HttpOnly; SameSite=Strict"
        return f"{fields}; Secure" if secure else fields

    def _cookie_value(self) -> str:
        return hmac.new(self._token, b"edgert dashboard cookie", hashlib.sha256).hexdigest()

    # ------------------------------------------------------------ the checks

    def _check(self, scope: Any, headers: Mapping[str, str]) -> None:
        if scope["server"] and scope["server"][1] is not None:  # not on a Unix socket
            self._check_host(headers.get("host", ""))
        self._check_origin(headers)
        path = scope["path"]
        if self._token and not (path in _OPEN or path.startswith(_OPEN_FOLDER)):
            self._check_token(headers)
        if scope["method"] not in _READING:
            _check_kind(path, headers)

    def _check_host(self, host: str) -> None:
        name = host_name(host)
        if name in self._hosts or name == "localhost" or _is_address(name):
            return
        raise RefusedError(
            421,
            "look at the Host header",
            expected="localhost, an address, or the host of daemon.tcp",
            got=repr(host[:100]),
            advice="Call the daemon by the name that it is set up with",
        )

    def _check_origin(self, headers: Mapping[str, str]) -> None:
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is None or urlsplit_netloc(origin) == host.lower():
            return
        raise RefusedError(
            403,
            "look at the Origin header",
            expected="the daemon's own page",
            got=repr(origin[:100]),
            advice="Open the dashboard at the daemon's own address",
        )

    def _check_token(self, headers: Mapping[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.admits(token.strip()):
            return
        cookie = _cookie(headers.get("cookie", ""))
        if cookie and hmac.compare_digest(cookie.encode(), self._cookie_value().encode()):
            return
        raise RefusedError(
            401,
            "look at the Authorization header",
            expected="Bearer and the token in daemon.token_file",
            got="another" if "authorization" in headers or cookie else "none",
            advice="Send the token, or log in on the dashboard",
            headers=(("www-authenticate", "Bearer"),),
        )


def host_name(host: str) -> str:
    """The name in a Host header, without its port, in small letters."""
    name, colon, port = host.lower().rpartition(":")
    bare = name if colon and port.isdigit() else host.lower()
    return bare.removeprefix("[").removesuffix("]")


def urlsplit_netloc(origin: str) -> str:
    """The host and port of an Origin; "" where it has none or is no URL."""
    try:
        return urlsplit(origin.lower()).netloc
    except ValueError:
        return ""


def _check_kind(path: str, headers: Mapping[str, str]) -> None:
    """A change needs what a form of another site cannot send: that is asked for beforehand."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FORM_KINDS or "authorization" in headers:
        return
    raise RefusedError(
        415,
        f"change something at {path[:100]}",
        expected="a Content-Type that no web form sends, or an Authorization header",
        got=repr(kind) if kind else "neither",
        advice="Send Content-Type: application/json",
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _headers(scope: Any) -> dict[str, str]:
    """The first of each header; a second Host or Authorization says nothing."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def _cookie(text: str) -> str:
    try:
        morsel = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value
