"""Vendor packages for tests: fetched once into build/nvidia, imported in processes of their own.

    folder = wheel_folder("cuda-bindings==12.9.4")
    done = run_python(PROGRAM, folder)

Nothing of a vendor is imported into pytest's own process: two versions of one package exclude each
other there, and so do a vendor's package and a fake of the same name. pip is pip: an index or
`PIP_FIND_LINKS=FOLDER` from the environment is where it looks. What it can't get is skipped, with
its own last line as the reason.
"""

import fcntl
import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ROOT / "build" / "nvidia"

_PIP = (
    *("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
    # A vendor's source archive may download more when it is built, or run for minutes.
    *("--only-binary", ":all:"),
)


def wheel_folder(requirement: str) -> Path:
    """A folder for PYTHONPATH that holds this one wheel, without what it depends on.

    Args:
        requirement: As for pip, with its version: "cuda-bindings==12.9.4".

    Returns:
        The folder, below build/nvidia, one for each requirement and Python version. A second
        call, in this process or another, installs nothing.
    """
    folder, reason = _installed(requirement)
    if folder is None:
        pytest.skip(f"no wheel of {requirement} for this Python here: {reason}")
    return folder


def run_python(
    program: str | Path, *folders: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in a new Python that sees these folders, this repository and nothing more.

    Args:
        program: Source text, or a file of it.
        folders: Go to the front of the import path, in this order.
        environment: Added to this process's environment, as LD_LIBRARY_PATH.

    Returns:
        The finished process with its text; the caller looks at its exit status.
    """
    path = os.pathsep.join(str(folder) for folder in (*folders, ROOT))
    return subprocess.run(
        [sys.executable, *((str(program),) if isinstance(program, Path) else ("-c", program))],
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@functools.cache  # what pip can't get once it is not asked for again
def _installed(requirement: str) -> tuple[Path | None, str]:
    """The folder, or None and why there is none."""
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    folder = FOLDERS / re.sub(r"[^A-Za-z0-9._=-]", "_", f"{requirement}-{version}")
    FOLDERS.mkdir(parents=True, exist_ok=True)
    with (FOLDERS / f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another pytest may want the same wheel now
        if folder.is_dir():
            return folder, ""
        half = folder.with_name(f".{folder.name}.half")  # a killed pip leaves no folder to trust
        shutil.rmtree(half, ignore_errors=True)
        pip = subprocess.run(
            [sys.executable, *_PIP, "--target", str(half), requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        if pip.returncode:
            lines = pip.stderr.strip().splitlines() or ["pip failed without a word"]
            return None, lines[-1].removeprefix("ERROR: ")
        half.rename(folder)
    return folder, ""
