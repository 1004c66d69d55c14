"""Clients of a daemon, in a process of their own: requests over connections that stay open.

    python tools/soak_client.py SOCKET --requests 1000 --clients 4

Prints one line of JSON: how long each request took, by kind.
"""

import argparse
import itertools
import json
import sys
import threading
import time
from pathlib import Path

from soaks.daemon import Connection

_LOOKS = ("/v1/status", "/metrics", "/v1/limits", "/v1/events?format=json", "/v1/configurations")


class Clients:
    """Threads that ask in turns.

    Args:
        socket: Of the daemon.
        requests: Altogether.
        rate: A second, of all together; 0: as fast as they are answered.
        infer_every: One request of so many sends a picture; 0: none.
        picture: That is sent.
    """

    def __init__(
        self, socket: Path, *, requests: int, rate: float, infer_every: int, picture: bytes
    ) -> None:
        self.took_s: dict[str, list[float]] = {}
        self.refused = 0
        self.failure = ""
        self._socket, self._requests, self._rate = socket, requests, rate
        self._infer_every, self._picture = infer_every, picture
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._begin_s = time.monotonic()

    def run(self, clients: int) -> float:
        """Ask from so many threads; how long it took."""
        threads = [threading.Thread(target=self._ask_all) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - self._begin_s

    def _ask_all(self) -> None:
        connection = Connection(self._socket)
        try:
            while (number := next(self._numbers)) < self._requests and not self.failure:
                self._wait_for(number)
                self._ask(connection, number)
        except OSError as error:
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            connection.close()

    def _wait_for(self, number: int) -> None:
        if self._rate:
            time.sleep(max(self._begin_s + number / self._rate - time.monotonic(), 0.0))

    def _ask(self, connection: Connection, number: int) -> None:
        kind, start_s = _LOOKS[number % len(_LOOKS)], time.perf_counter()
        if number % 50 == 2:
            kind = "PATCH /v1/limits"
            change = json.dumps({"miss_ratio": 0.005 + 0.001 * (number % 3)}).encode()
            status, _ = connection.ask("PATCH", "/v1/limits", change, "application/json")
        elif self._infer_every and number % self._infer_every == self._infer_every - 1:
            kind = "POST /v1/infer"
            status, _ = connection.ask("POST", "/v1/infer", self._picture, "image/jpeg")
        else:
            status, _ = connection.ask("GET", kind)
        took_s = time.perf_counter() - start_s
        with self._lock:
            self.took_s.setdefault(kind, []).append(round(took_s, 6))
            self.refused += status >= 400


def main() -> int:
    """Ask, and print what it took."""
    parser = argparse.ArgumentParser(description="Ask a daemon many times.")
    parser.add_argument("socket", type=Path)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--infer-every", type=int, default=0)
    parser.add_argument("--picture", type=Path, required=True)
    asked = parser.parse_args()
    clients = Clients(
        asked.socket,
        requests=asked.requests,
        rate=asked.rate,
        infer_every=asked.infer_every,
        picture=asked.picture.read_bytes(),
    )
    lasted_s = clients.run(asked.clients)
    if clients.failure:
        print(clients.failure, file=sys.stderr)
        return 1
    found = {"lasted_s": lasted_s, "refused": clients.refused, "took_s": clients.took_s}
    found["rate"] = asked.requests / lasted_s
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
