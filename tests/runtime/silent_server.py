"""A server that lets a client wait."""

import socket
import threading


class Silent:
    """A server that takes connections and answers none, or says some words and then nothing."""

    def __init__(self, words=b""):
        self.words, self.taken = words, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._take, daemon=True)
        self.thread.start()

    def _take(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.taken.append(connection)
            if self.words:
                connection.sendall(self.words)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(10)
        for connection in self.taken:
            connection.close()
