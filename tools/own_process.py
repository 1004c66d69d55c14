"""A step of a benchmark in a process of its own: what it takes, and its failure in one line.

A step is a function of a module in this folder, `step(folder, **parameters) -> dict`; parameters
and result are plain data and pass through files in the folder. Whatever goes wrong in a step, an
exception, a crash in native code, a hang, ends that process alone.
"""

import json
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

from edgert.errors import EdgertError

_JOB, _RESULT = "job.json", "result.json"
_LONGEST_LINE = 240


@dataclass(frozen=True)
class Outcome:
    """What became of a step.

    Attributes:
        result: What the step returned; empty where it failed.
        seconds: From the start of the process to its end, imports and files among it.
        peak_bytes: The most memory that was resident at once, the interpreter's too; 0 where the
            process did not get to tell.
        failed: Why there is no result, in a line; empty where there is one.
        timed_out: It failed by taking too long.
    """

    result: dict[str, Any]
    seconds: float
    peak_bytes: int
    failed: str = ""
    timed_out: bool = False


def run_step(step: str, folder: Path, parameters: dict[str, Any], *, timeout_s: float) -> Outcome:
    """Run a step and wait for it.

    Args:
        step: "<module>:<function>".
        folder: The step's own; made if it is not there. Its files stay.
        parameters: Its keyword arguments, plain data.
        timeout_s: The process is killed after this.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _JOB).write_text(json.dumps({"step": step, **parameters}), encoding="utf-8")
    (folder / _RESULT).unlink(missing_ok=True)
    command = [sys.executable, __file__, str(folder)]
    start_s = time.perf_counter()
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout_s,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        taken_s = time.perf_counter() - start_s
        return Outcome({}, taken_s, 0, f"not done after {timeout_s:g} s", timed_out=True)
    taken_s = time.perf_counter() - start_s
    if ended.returncode:
        return Outcome({}, taken_s, 0, _failure(ended.returncode, ended.stderr))
    told = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
    return Outcome(told["result"], taken_s, told["peak_bytes"])


def _failure(status: int, stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    last = lines[-1][:_LONGEST_LINE] if lines else "nothing on stderr"
    return last if status > 0 else f"ended by signal {-status}: {last}"


# ---------------------------------------------------------------- in a process of its own


def _main(folder: Path) -> int:
    sys.excepthook = _tell
    job = json.loads((folder / _JOB).read_text(encoding="utf-8"))
    module, function = job.pop("step").split(":")
    try:
        result = getattr(import_module(module), function)(folder, **job)
    except EdgertError as error:
        print(error, file=sys.stderr)
        return 1
    told = {"result": result, "peak_bytes": _peak_bytes()}
    (folder / _RESULT).write_text(json.dumps(told), encoding="utf-8")
    return 0


def _tell(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """The traceback, and below it the error in one line."""
    traceback.print_exception(kind, error, where)
    print(f"{kind.__name__}: {(str(error) or 'no message').splitlines()[0]}", file=sys.stderr)


def _peak_bytes() -> int:
    """The most memory that this process had resident at once.

    Not getrusage's ru_maxrss: that begins with what the parent had when it started this process.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
