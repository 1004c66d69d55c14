"""The dashboard's files: what lies in its folder, and nothing beside it."""

import gzip
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.daemon.http.answers import Answer, RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

# Told here and not by the machine's tables, which differ. What is not named is not served.
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
_MOST_BYTES = 5_000_000
_WORTH_BYTES = 1000  # longer files travel compressed, to whoever can read that


class Pages:
    """Handlers of the page's files.

    Args:
        folder: The dashboard's; None: there is no page.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.resolve()

    async def index(self, request: "Request") -> Answer:
        """The page itself."""
        return self._answer(request, "index.html")

    async def file(self, request: "Request") -> Answer:
        """A file that the page asks for."""
        return self._answer(request, request.path_params["path"])

    def _answer(self, request: "Request", name: str) -> Answer:
        path = self._path(name)
        content = path.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = [("etag", tag), ("cache-control", "no-cache"), ("vary", "accept-encoding")]
        known = request.headers.get("if-none-match", "")
        if tag in [one.strip().removeprefix("W/") for one in known.split(",")]:
            return Answer(status=304, headers=headers)
        asks = "gzip" in request.headers.get("accept-encoding", "")
        if asks and len(content) > _WORTH_BYTES:
            content = gzip.compress(content, 6, mtime=0)
            headers.append(("content-encoding", "gzip"))
        return Answer(content, kind=KINDS[path.suffix], headers=headers)

    def _path(self, name: str) -> Path:
        """The file of that name.

        Raises:
            RefusedError: There is none, or it lies elsewhere (404).
        """
        try:
            if self._folder is not None:
                path = (self._folder / name).resolve()
                inside = path.is_relative_to(self._folder) and path.suffix in KINDS
                hidden = any(part.startswith(".") for part in Path(name).parts)
                if inside and not hidden and path.is_file() and path.stat().st_size < _MOST_BYTES:
                    return path
        except (OSError, ValueError):  # a name too long, or with a zero byte in it
            pass
        raise RefusedError(
            404,
            "show a file of the dashboard",
            expected="one of its files",
            got=repr(name[:100]),
            advice="Open / for the page",
        )
