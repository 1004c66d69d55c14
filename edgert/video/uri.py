"""Where frames come from, as it is written: paths and URIs. Credentials are never shown."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from edgert.errors import VideoError

SCHEMES = ("file", "rtsp", "rtsps", "http", "https", "v4l2", "test")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
# Greedy up to the last "@": a password may hold "/", "?", "@" or spaces without being escaped.
# One slash is enough, and none where a name is followed by ":": slips must not show a password.
_USER_INFO = re.compile(r"(?<=:/)(/?).*@|[^\s/:@]+:[^\s/@]+@")
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
        uri: What was asked for, fit to be shown: credentials replaced by "***".
        options: What follows "?" for v4l2 and test.
        target: What the decoder opens. May hold credentials, so it is left out of repr().
    """

    scheme: str
    uri: str
    options: dict[str, str]
    target: str = field(repr=False)


def redact(text: str) -> str:
    """`text` with user names, passwords and tokens in URIs replaced by ***."""
    return _SECRET.sub(r"\1=***", _USER_INFO.sub(_hide_user, text))


def _hide_user(match: re.Match[str]) -> str:
    return f"{match.group(1) or ''}***@"


def parse_uri(uri: str) -> Address:
    """Take a path or URI apart.

    Args:
        uri: A path, or file://, rtsp://, rtsps://, http://, https://, v4l2:///dev/video0, or
            test://?width=640&height=360&fps=30&frames=300&seed=0.

    Raises:
        VideoError: The scheme is none of these, or the text is empty.
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
    rest = uri[match.end() :] if match else uri
    if scheme in ("rtsp", "rtsps", "http", "https"):
        return Address(scheme, redact(uri), {}, uri)
    if scheme == "file":
        path = unquote(rest) if match else rest
        device = path.startswith("/dev/video")
        return Address("v4l2" if device else "file", redact(uri), {}, path)
    path, _, query = rest.partition("?")
    return Address(scheme, uri, dict(parse_qsl(query, keep_blank_values=True)), path)
