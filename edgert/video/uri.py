"""Where frames come from, as it is written: paths and URIs. Credentials are never shown."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

from edgert.errors import VideoError

SCHEMES = ("file", "rtsp", "rtsps", "http", "https", "v4l2", "csi", "test")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
# Greedy up to the last "@": a password may hold "/", "?", "@" or spaces without being escaped, and
# whoever pasted it may have taken a line break along.
# One slash is enough, and none where a name is followed by ":": slips must not show a password.
_USER_INFO = re.compile(r"(?<=:/)(/?).*@|[^\s/:@]+:[^\s/@]+@", re.DOTALL)
_SECRET = re.compile(
    r"([\w.-]*(?:user|login|passw|pwd|\bpass|token|key|secret|auth|signature|credential)[\w.-]*)"
    r"=[^&;\s]*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """A parsed source.

    Attributes:
        scheme: One of `SCHEMES`; a plain path is "file", a path under /dev/video is "v4l2".
        uri: What was asked for, fit to be shown: credentials replaced by "***", in one line.
        options: What follows "?" for v4l2, csi and test.
        target: What the decoder opens; a camera's number for csi. May hold credentials, so it is
            left out of repr().
        secret: Whether it holds credentials. What others say of such an address is not repeated:
            a library may quote it in part, or decoded, as no search would find it.
    """

    scheme: str
    uri: str
    options: dict[str, str]
    target: str = field(repr=False)
    secret: bool = False

    def told(
        self, text: str, instead: str = "no more is told of an address with a password"
    ) -> str:
        """What somebody else says of this address, in one line; `instead` where it is secret."""
        return instead if self.secret else redact(text).replace("\n", " ").strip()


def redact(text: str) -> str:
    """`text` with user names, passwords and tokens in URIs replaced by ***."""
    return _SECRET.sub(r"\1=***", _USER_INFO.sub(_hide_user, text))


def _hide_user(match: re.Match[str]) -> str:
    return f"{match.group(1) or ''}***@"


def parse_uri(uri: str) -> Address:
    """Take a path or URI apart.

    Args:
        uri: As jetson-utils writes them: a path, file://, rtsp://, rtsps://, http://, https://,
            v4l2:///dev/video0 or /dev/video0, csi://0 (both with ?width=&height=&fps=), or
            test://?width=640&height=360&fps=30&frames=300&seed=0.

    Raises:
        VideoError: The scheme is none of these, the text is empty, or a camera has no number.
    """
    match = _SCHEME.match(uri)
    scheme = match.group(1).lower() if match else "file"
    if scheme not in SCHEMES or not uri.strip():
        raise VideoError(
            f"open video {redact(uri)!r}",
            expected="a path or one of " + ", ".join(f"{name}://" for name in SCHEMES),
            got=f"{scheme}://" if uri.strip() else "nothing",
            advice="Write a path, or a URI that begins with one of these",
        )
    hidden = redact(uri)
    shown, secret = re.sub(r"\s*[\r\n]\s*", " ", hidden), hidden != uri
    rest = uri[match.end() :] if match else uri
    if scheme in ("rtsp", "rtsps", "http", "https"):
        return Address(scheme, shown, {}, _quoted(uri) if secret else uri, secret)
    if scheme == "file":
        path = unquote(rest) if match else rest
        if not path.startswith("/dev/video"):
            return Address("file", shown, {}, path, secret)
        scheme, rest = "v4l2", path
    target, _, query = rest.partition("?")
    if scheme in ("csi", "v4l2") and not _names_a_camera(scheme, target):
        raise VideoError(
            f"open video {shown}",
            expected="a camera",
            got=redact(repr(target)),
            advice="Write csi://0, v4l2:///dev/video0 or /dev/video0",
        )
    if scheme == "v4l2" and target.isdigit():
        target = f"/dev/video{target}"
    return Address(scheme, shown, dict(parse_qsl(query, keep_blank_values=True)), target, secret)


def _quoted(uri: str) -> str:
    """The address with user and password written so that every library reads them alike.

    A "/" or "?" that is left as it is ends what a library takes for the host, and it would connect
    to somebody else. What is escaped already stays.
    """
    scheme, mark, rest = uri.partition("://")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if host.rpartition("@")[2] and "@" in host:
        user_info, at, place = host.rpartition("@")
        place += rest[len(host) :]
    elif "@" in rest and ("@" in host or _is_no_host(host)):
        user_info, at, place = rest.rpartition("@")
    else:
        return uri
    user, colon, password = user_info.partition(":")
    return f"{scheme}{mark}{quote(user, safe='%')}{colon}{quote(password, safe='%')}{at}{place}"


def _is_no_host(text: str) -> bool:
    """Whether what precedes the first "/" is the beginning of USER:PASSWORD."""
    behind_colon = text.rpartition(":")[2]
    return ":" in text and not text.endswith("]") and bool(behind_colon.strip("0123456789"))


def _names_a_camera(scheme: str, target: str) -> bool:
    number = target.isascii() and target.isdigit()
    return number or (scheme == "v4l2" and target.startswith("/"))
