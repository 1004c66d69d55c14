"""Has a set verified in a process of its own: what crashes or hangs there, does so there."""

import contextlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from edgert.daemon.verify_set import Job
from edgert.errors import EngineLoadError
from edgert.settings import Settings

_COMMAND = (sys.executable, "-m", "edgert.daemon.verify_set")
_LONGEST_LINE = 500


class Verifier:
    """Verifies one set after the other; `stop` ends what is going on, from any thread.

    Args:
        limit_s: How long a set may take before its process is killed.
        command: What is run.
    """

    def __init__(self, *, limit_s: float = 300.0, command: tuple[str, ...] = _COMMAND) -> None:
        self._limit_s, self._command = limit_s, command
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def verify(self, built: Path, settings: Settings) -> None:
        """Load and run every engine of a set, and wait for that.

        Args:
            built: The set's folder.
            settings: What loads it, and which keys are trusted.

        Raises:
            EngineLoadError: An engine is not sound, or the process crashed, hung or was stopped.
        """
        job = msgspec.json.encode(Job(folder=str(built), settings=settings)) + b"\n"
        with (
            tempfile.TemporaryFile() as told,  # a pipe that nobody reads would block it
            subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told
            ) as process,
        ):
            self._process = process
            try:
                in_time = self._talk(process, job)
            finally:
                self._process = None
                process.kill()  # nothing where it has ended
                if process.stdin is not None:
                    with contextlib.suppress(BrokenPipeError):  # it ended and never read the job
                        process.stdin.close()
            told.seek(0)
            error = told.read().decode(errors="replace")
        status = process.returncode
        if self._stopped:
            raise _refused(built, "the service ended meanwhile", "Reload again")
        if not in_time:
            advice = "Build the family again, or see whether the device hangs"
            raise _refused(built, f"one that was not done after {self._limit_s:g} s", advice)
        if status < 0:
            name = signal.Signals(-status).name
            raise _refused(built, f"a crash, {name}{_last_line(error)}", "Build the family again")
        if status > 0:
            raise _refused(built, f"status {status}{_last_line(error)}", "Build the family again")

    def stop(self) -> None:
        """End what is going on; `verify` raises then."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def _talk(self, process: "subprocess.Popen[bytes]", job: bytes) -> bool:
        """Whether it ended in time."""
        if process.stdin is None:
            raise ValueError("the process has no pipe")
        with contextlib.suppress(BrokenPipeError):  # it ended at once: its status says more
            process.stdin.write(job)
            process.stdin.flush()
        try:
            # stdin stays open: the process ends when it is closed
            process.wait(self._limit_s)
        except subprocess.TimeoutExpired:
            return False
        return True


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f": {lines[-1][:_LONGEST_LINE].rstrip('.')}" if lines else ""


def _refused(built: Path, got: str, advice: str) -> EngineLoadError:
    return EngineLoadError(
        f"verify {built}", expected="every engine to load and run", got=got, advice=advice
    )
