"""Telemetry as a file: JSON lines, first the format, then a sample each, in order of time.

Written as it comes, so that a machine that loses its power loses the last lines only; read line
by line, so that a day of samples takes no more memory than one.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import msgspec

from edgert.clock import Clock, MonotonicClock
from edgert.closing import Closing
from edgert.errors import ArtifactError
from edgert.records import Record, TelemetrySample

logger = logging.getLogger(__name__)

_FLUSH_S = 1.0
_LONGEST_LINE = 1 << 20


class RecordingHeader(Record, frozen=True, kw_only=True):
    """The first line: what the file is, and what was recorded."""

    format: Literal[1] = 1
    kind: Literal["telemetry"] = "telemetry"
    source: str = ""
    board: str = ""


class Recorder(Closing):
    """Writes samples to a new file; a context manager.

    Args:
        path: A file that does not exist yet.
        source: Name of the source, for the header.
        board: Name of the board, for the header.
        clock: Tells when lines are handed to the system: once a second.

    Raises:
        ArtifactError: The file exists already or can't be made.
    """

    def __init__(
        self, path: Path, *, source: str = "", board: str = "", clock: Clock | None = None
    ) -> None:
        self.path = path
        self._clock = clock or MonotonicClock()
        self._encoder = msgspec.json.Encoder()
        try:
            self._file: IO[bytes] = path.open("xb")
        except OSError as error:
            raise ArtifactError(
                f"record telemetry to {path}",
                expected="a new file",
                got=(error.strerror or str(error)).lower(),
                advice="Name another file",
            ) from error
        self._flush_s = self._clock.now_s()
        self._put(RecordingHeader(source=source, board=board))
        self._file.flush()

    def write(self, sample: TelemetrySample) -> None:
        """Add a sample."""
        self._put(sample)
        now_s = self._clock.now_s()
        if now_s - self._flush_s >= _FLUSH_S:
            self._file.flush()
            self._flush_s = now_s

    def close(self) -> None:
        """End the file; a second call does nothing."""
        self._file.close()

    def _put(self, record: Record) -> None:
        self._file.write(self._encoder.encode(record) + b"\n")


def read_recording(path: Path) -> Iterator[TelemetrySample]:
    """The samples of a file, one after the other.

    A last line without its end was being written when the machine stopped: it is left out, and
    the log says so.

    Raises:
        ArtifactError: No such file, no recording, a damaged line or one whose time is before that
            of the line above it; with the number of the line. Raised where it is reached.
    """
    decoder = msgspec.json.Decoder(TelemetrySample)
    before_s = float("-inf")
    try:
        with path.open("rb") as file:
            _check_header(path, file.readline(_LONGEST_LINE))
            number = 1
            while content := file.readline(_LONGEST_LINE):
                number += 1
                if not content.endswith(b"\n") and len(content) < _LONGEST_LINE:
                    logger.info("%s line %d is torn and left out", path, number)
                    return
                sample = _decoded(decoder, content, path, number)
                if sample.time_s < before_s:
                    raise _damaged(
                        path,
                        number,
                        expected=f"a time of {before_s:.3f} s or later",
                        got=f"{sample.time_s:.3f} s",
                    )
                before_s = sample.time_s
                yield sample
    except OSError as error:
        raise ArtifactError(
            f"read {path}",
            expected="a recording of telemetry",
            got=(error.strerror or str(error)).lower(),
            advice="Check the path",
        ) from error


def read_header(path: Path) -> RecordingHeader:
    """What was recorded; errors as in `read_recording`."""
    try:
        with path.open("rb") as file:
            return _check_header(path, file.readline(_LONGEST_LINE))
    except OSError as error:
        raise ArtifactError(
            f"read {path}",
            expected="a recording of telemetry",
            got=(error.strerror or str(error)).lower(),
            advice="Check the path",
        ) from error


def _check_header(path: Path, content: bytes) -> RecordingHeader:
    try:
        return msgspec.json.decode(content, type=RecordingHeader)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(
            path, 1, expected='{"format": 1, "kind": "telemetry", ...}', got=_start(content)
        ) from error


def _decoded(
    decoder: "msgspec.json.Decoder[TelemetrySample]", content: bytes, path: Path, number: int
) -> TelemetrySample:
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error).replace("`", "")
        raise _damaged(path, number, expected="a sample", got=reason) from error


def _damaged(path: Path, number: int, *, expected: str, got: str) -> ArtifactError:
    return ArtifactError(
        f"read {path} line {number}",
        expected=expected,
        got=got,
        advice="Remove the line, or record anew",
    )


def _start(content: bytes) -> str:
    return repr(content[:40].decode("utf-8", "replace")) if content else "an empty file"
