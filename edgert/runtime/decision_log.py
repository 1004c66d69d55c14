"""A daemon's decisions on disk: files of bounded size, of which the newest are kept.

    decisions-000041.jsonl    header, one line for each frame
    decisions-000042.jsonl    header with what the controller had learned by then, and so on

Each file reads as a run's log does. The first of a start, or of a set of engines, replays to the
last digit: it holds what the controller was made from, and all that it was told. Those behind it
begin with the controller's state (`goes_on`), which has what was learned but not where the filters
stood, nor what ran last and since when: `edgert replay` compares their configurations only, and
they may differ until that is made up for.

A disk that is full or gone stops the log, not the loop: `problem` says so, and a new file is begun
when there is room again.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgert.artifacts.numbered_files import LinesOnDisk, NumberedFiles
from edgert.records import FrameLog, RunHeader

logger = logging.getLogger(__name__)

RETRY_S = 10.0  # from one attempt to the next while nothing can be written


class DecisionLog:
    """Writes decisions; `problem` may be read from any thread, all else is the loop's.

    Args:
        folder: Of the files; made where missing.
        header_factory: The first line of a file that is begun now, between two frames. It says
            `goes_on` where the controller has decided before.
        max_bytes: A file that has grown so long is the last but one.
        files: How many are kept, the newest included.
    """

    def __init__(
        self,
        folder: Path,
        header_factory: Callable[[], RunHeader],
        *,
        max_bytes: int,
        files: int,
    ) -> None:
        if max_bytes < 1 or files < 1:
            raise ValueError(f"max_bytes and files start at 1, got {max_bytes} and {files}")
        self.folder, self.problem = folder, ""
        self.lost = 0  # lines that could not be written
        self._header_factory, self._max_bytes, self._files = header_factory, max_bytes, files
        self._encoder = msgspec.json.Encoder()
        self._line = bytearray()
        self._numbered = NumberedFiles(
            folder, r"decisions-(?P<number>\d+)\.jsonl", lambda n: f"decisions-{n:06d}.jsonl"
        )
        self._file: LinesOnDisk | None = None
        self._retry_s: float | None = None

    @property
    def path(self) -> Path | None:
        """The file that is being written."""
        return None if self._file is None else self._file.path

    def begin(self) -> None:
        """Begin the next file; between two frames."""
        self._begin(self._header_factory())

    def write(self, line: FrameLog) -> None:
        """Append one line; where the file is long enough, begin the next behind it."""
        if self._file is None:
            self.lost += 1
            self._retry(line.now_s or line.time_s)
            return
        try:
            self._append(self._file, line)
        except OSError as error:
            self.lost += 1
            self._fail(error)
            self._retry_s = (line.now_s or line.time_s) + RETRY_S
            return
        if self._file.size_bytes >= self._max_bytes:
            # Now, as the header has to hold what the controller knows before the next line.
            self._go_on()

    def close(self) -> None:
        """Close the file."""
        self._end_file()

    def _go_on(self) -> None:
        """Begin the next file behind a line that was written, or lost."""
        self._begin(msgspec.structs.replace(self._header_factory(), goes_on=True))

    def _begin(self, header: RunHeader) -> None:
        self._end_file()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self._numbered.next_path()
            self._numbered.prune(keep=self._files - 1)
            self._file = LinesOnDisk(path)
            self._append(self._file, header)
        except OSError as error:
            self._fail(error)
            return
        if self.problem:
            logger.warning("decisions are logged again, in %s; %d lost", path, self.lost)
            self.problem = ""

    def _retry(self, now_s: float) -> None:
        if self._retry_s is None or now_s >= self._retry_s:
            self._retry_s = now_s + RETRY_S
            self._go_on()

    def _append(self, file: LinesOnDisk, record: RunHeader | FrameLog) -> None:
        self._encoder.encode_into(record, self._line)
        self._line += b"\n"
        file.append(self._line)

    def _fail(self, error: OSError) -> None:
        """Stop writing; told once until it works again."""
        self._end_file()
        words = (error.strerror or str(error)).lower()
        if not self.problem:
            logger.warning("decisions are not logged in %s: %s", self.folder, words)
        self.problem = f"decisions are not logged in {self.folder}: {words}"

    def _end_file(self) -> None:
        if self._file is not None:
            self._file.discard_empty()
            self._file = None
