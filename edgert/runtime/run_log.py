"""decisions.jsonl while a run writes it: a line is on its way to disk before the next frame.

`artifacts.read_run` reads it back.
"""

from pathlib import Path

import msgspec

from edgert.records import FrameLog, RunHeader


class RunLog:
    """An open decisions.jsonl. Closing it twice does no harm.

    Args:
        path: The file; its folder is made where missing, an older file is replaced.
        header: Its first line.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, header: RunHeader) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._encoder = msgspec.json.Encoder()
        self._line = bytearray()
        self._file = path.open("wb")
        self.write(header)

    def write(self, record: RunHeader | FrameLog) -> None:
        """Append one line and hand it to the operating system."""
        self._encoder.encode_into(record, self._line)
        self._line += b"\n"
        self._file.write(self._line)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
