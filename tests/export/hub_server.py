"""A hub on this machine that answers as the real one does, for what huggingface_hub asks it.

    with HubServer() as hub:
        hub.add("owner/model", {"config.json": b"{}"}, revision="main")
        hf_hub_download("owner/model", "config.json", endpoint=hub.endpoint)

Asked are HEAD and GET of /OWNER/MODEL/resolve/REVISION/FILE. Answers carry X-Repo-Commit and ETag;
refusals carry X-Error-Code, by which the library tells a missing file from a missing model.
"""

import hashlib
import http.server
import threading
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import unquote


@dataclass
class HubServer:
    """What it has, how it behaves, and what it was asked for."""

    files: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    status: int = 0  # answers everything with it where it is set
    cut: set[str] = field(default_factory=set)  # files that break off in the middle
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)  # that it was shown

    def __enter__(self) -> "HubServer":
        handler = type("Bound", (_Handler,), {"hub": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, model: str, files: dict[str, bytes], *, revision: str = "main") -> None:
        """Put files of a model on a revision."""
        self.files.setdefault((model, revision), {}).update(files)

    def fetched(self) -> list[tuple[str, str, str]]:
        """Model, revision and file of everything whose content was sent."""
        return [
            (model, revision, name) for verb, model, revision, name in self.asked if verb == "GET"
        ]


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def log_message(self, *words: object) -> None:
        """Nothing: the test asks `asked`."""

    def _answer(self, *, send: bool) -> None:
        model, _, rest = unquote(self.path).lstrip("/").partition("/resolve/")
        revision, name = rest.rsplit("/", maxsplit=1)
        self.hub.asked.append((self.command, model, revision, name))
        if token := self.headers.get("Authorization"):
            self.hub.tokens.add(token)
        known = {m for m, _ in self.hub.files}
        if self.hub.status:
            self._refuse(self.hub.status, "")
        elif model in self.hub.gated and name != "README.md":
            self._refuse(403, "GatedRepo")
        elif model not in known:
            self._refuse(401, "RepoNotFound")
        elif (model, revision) not in self.hub.files:
            self._refuse(404, "RevisionNotFound")
        elif name not in self.hub.files[model, revision]:
            self._refuse(404, "EntryNotFound")
        else:
            self._give(model, revision, name, send=send)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", f"{code} it is")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _give(self, model: str, revision: str, name: str, *, send: bool) -> None:
        content = self.hub.files[model, revision][name]
        commit = hashlib.sha1(f"{model} {revision}".encode()).hexdigest()
        start = 0
        ranged = self.headers.get("Range", "")
        if ranged.startswith("bytes="):
            start = int(ranged.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not send:
            return
        if name in self.hub.cut:
            self.wfile.write(content[: len(content) // 2] if not start else b"")
            self.close_connection = True
            return
        self.wfile.write(content[start:])
