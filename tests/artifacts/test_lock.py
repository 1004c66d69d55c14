"""One writer at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgert.artifacts.lock import lock
from edgert.errors import ArtifactError

WORDS = {"expected": "nobody else", "advice": "Wait"}


def test_a_second_opening_is_refused_in_one_line_until_the_first_is_closed(tmp_path: Path):
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("ab") as second:
        lock(first, "write here", **WORDS)
        with pytest.raises(ArtifactError) as refused:
            lock(second, "write here", **WORDS)
        assert (
            str(refused.value) == "write here: expected nobody else, got one that is at it. Wait."
        )
        assert not second.closed
        first.close()
        lock(second, "write here", **WORDS)


def test_two_files_do_not_mind_each_other(tmp_path: Path):
    with (tmp_path / "a").open("w") as first, (tmp_path / "b").open("w") as second:
        lock(first, "write a", **WORDS)
        lock(second, "write b", **WORDS)


def test_a_process_that_is_killed_lets_go(tmp_path: Path):
    path = tmp_path / "lock"
    code = (
        "import sys\n"
        "from edgert.artifacts.lock import lock\n"
        "file = open(sys.argv[1], 'w')\n"
        "lock(file, 'x', expected='y', advice='z')\n"
        "print('in', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process, path.open("a") as file:
        assert process.stdout.readline() == b"in\n"
        with pytest.raises(ArtifactError):
            lock(file, "write here", **WORDS)
        process.kill()
        process.wait()
        lock(file, "write here", **WORDS)
