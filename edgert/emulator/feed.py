"""Engine runs of other processes: told through a pipe, drawn by the emulated board.

    LoadFeed(tree_folder / "load").run("c60", busy_s=0.012)     # in the process that infers

One line of JSON per run: {"engine": "c60", "busy_s": 0.012, "start_s": 81.4}. `start_s` is on the
machine's monotonic clock (MonotonicClock, the same in all processes); without it the run begins
when the line is read. A run that is told of late is drawn late: the board never draws power in
time that it has lived through. Tell of a run as it begins, where its length is known.
"""

import errno
import json
import os
from pathlib import Path

import msgspec

from edgert.closing import Closing
from edgert.errors import SourceUnavailableError
from edgert.records import Positive, Record

_READ_BYTES = 65536
_MOST_LINE_BYTES = 512  # below PIPE_BUF: a line arrives whole or not at all


class FedRun(Record, frozen=True, kw_only=True):
    """One line of the pipe."""

    engine: str
    busy_s: Positive
    start_s: float | None = None
    macs: int | None = None


class FeedReader:
    """The board's end of the pipe, which it makes.

    `refused` counts lines that were no run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refused = 0
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o666)
        # Read and write: with a writer of its own the pipe has no end when another one leaves.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""
        self._decoder = msgspec.json.Decoder(FedRun)

    def read(self) -> list[FedRun]:
        """The runs that were told of since the last call."""
        try:
            content = self._rest + os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return []
        *lines, self._rest = content.split(b"\n")
        if len(self._rest) > _MOST_LINE_BYTES:
            self._rest, self.refused = b"", self.refused + 1
        runs = []
        for line in filter(None, lines):
            try:
                runs.append(self._decoder.decode(line))
            except msgspec.MsgspecError:
                self.refused += 1
        return runs

    def close(self) -> None:
        """Take the pipe away."""
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)


class LoadFeed(Closing):
    """The other end: tells a board in another process what runs. A context manager.

    Raises:
        SourceUnavailableError: No board reads that pipe.
    """

    def __init__(self, path: Path) -> None:
        self.lost = 0  # lines that found the pipe full, because the board did not read
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as cause:
            raise SourceUnavailableError(
                f"tell the emulated board at {path}",
                expected="a pipe that a board reads",
                got="no such pipe" if cause.errno == errno.ENOENT else "nobody who reads it",
                advice="Start the board with tools/emulate_board.py, and give the pipe it prints",
            ) from cause

    def run(
        self,
        engine: str,
        busy_s: float,
        *,
        start_s: float | None = None,
        macs: int | None = None,
    ) -> None:
        """Tell of one run."""
        line = {"engine": engine, "busy_s": busy_s, "start_s": start_s, "macs": macs}
        known = {name: value for name, value in line.items() if value is not None}
        try:
            os.write(self._descriptor, json.dumps(known).encode() + b"\n")
        except BlockingIOError:
            self.lost += 1

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self._descriptor)
