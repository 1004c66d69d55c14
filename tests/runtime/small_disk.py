"""A script run on a disk that is small and of its own."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run_on_small_disk(
    script: Path, folder: Path, *, size: str
) -> subprocess.CompletedProcess[str]:
    """What came of a script whose argument is a folder with so much room, and no more.

    Skips loudly where nobody may mount anything.
    """
    if shutil.which("unshare") is None:
        pytest.skip("NOT TESTED ON A FULL DISK: there is no unshare")
    mount = ["unshare", "-rm", "sh", "-c"]
    mount.append(f'mount -t tmpfs -o size={size} none "$0" && exec "$@"')
    probe = subprocess.run([*mount, str(folder), "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"NOT TESTED ON A FULL DISK: no mount of one's own: {probe.stderr.decode()}")
    done = subprocess.run(
        [*mount, str(folder), sys.executable, str(script), str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done
