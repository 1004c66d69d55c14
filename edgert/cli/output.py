"""What verbs print with: results on stdout, progress on stderr."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import msgspec

_WIDTH = 24
_SHOW_AFTER_S = 2.0  # what is shorter needs no bar
_REDRAW_EVERY_S = 0.1
_LINE_EVERY_S = 10.0  # where no terminal is there to redraw a line


def print_json(content: Any) -> None:
    """Print a record, or plain data, as JSON with two spaces of indent."""
    print(msgspec.json.format(msgspec.json.encode(content), indent=2).decode())


def print_table(rows: Sequence[Mapping[str, str]], *, left: Sequence[str] = ("name",)) -> None:
    """Print rows under their column names; columns not named in `left` are set to the right."""
    if not rows:
        return
    columns = list(rows[0])
    widths = {c: max(len(c), *(len(row[c]) for row in rows)) for c in columns}
    for row in [{c: c for c in columns}, *rows]:
        cells = [
            row[c].ljust(widths[c]) if c in left else row[c].rjust(widths[c]) for c in columns
        ]
        print("  ".join(cells).rstrip())


class ProgressBar:
    """A bar on stderr with the time left, for work of more than two seconds.

    On a terminal one line is redrawn; elsewhere, as in a log, a line comes every ten seconds.
    Use as a context manager; call it with steps done, steps in all, and what comes next.
    """

    def __init__(self, title: str, *, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = stream or sys.stderr
        self._start_s = self._line_s = time.perf_counter()
        self._drawn = False

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn and self._stream.isatty():
            self._stream.write("\r\033[K")
            self._stream.flush()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show how far the work is; a `total` of 0 is one that nobody knows."""
        now_s = time.perf_counter()
        elapsed_s = now_s - self._start_s
        terminal = self._stream.isatty()
        pause_s = _REDRAW_EVERY_S if terminal else _LINE_EVERY_S
        if elapsed_s < _SHOW_AFTER_S or now_s - self._line_s < pause_s:
            return
        left = f", {elapsed_s * (total - done) / done:.0f} s left" if 0 < done < total else ""
        count = f"{done}/{total}" if total else f"{done}"
        if terminal:
            filled = _WIDTH * done // total if total else 0
            bar = "█" * filled + "·" * (_WIDTH - filled)
            self._stream.write(f"\r\033[K{self._title} {bar} {count} {what}{left}")
        else:
            self._stream.write(f"{self._title}: {count} {what}{left}\n")
        self._line_s = now_s
        self._drawn = True
        self._stream.flush()


class StageBars:
    """A progress bar for each stage of long work. Use as a context manager.

    Args:
        title: Of the work; each bar shows it before its stage.
    """

    def __init__(self, title: str) -> None:
        self._title, self._stage, self._bar = title, "", ProgressBar(title)

    def __enter__(self) -> "StageBars":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__()

    def __call__(self, stage: str, done: int, total: int, what: str) -> None:
        """Show how far a stage is; `ProgressBar` says what the numbers are."""
        if stage != self._stage:
            self._bar.__exit__()
            self._stage, self._bar = stage, ProgressBar(f"{self._title}, {stage}")
        self._bar(done, total, what)
