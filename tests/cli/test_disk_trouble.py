"""What the operating system refuses is one line; a fault of our own keeps its traceback."""

import errno
import importlib
import os

import pytest

from edgert.cli.main import main
from edgert.cli.recalibrate import run as recalibrate

MODULE = importlib.import_module(recalibrate.__module__)


def failing(monkeypatch, number: int, file: str | None):
    def run(_):
        raise OSError(number, os.strerror(number), file)

    monkeypatch.setattr(MODULE, "run", run)
    return ["recalibrate", "any", "--images", "any"]


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (errno.ENOSPC, "write engines/x: expected room on the disk, got no space left on device"),
        (errno.EROFS, "write engines/x: expected a folder that can be written to, got read-only"),
        (errno.ENOTDIR, "write engines/x: expected a folder that can be written to, got not a"),
    ],
)
def test_a_disk_that_is_full_or_closed_is_one_line(monkeypatch, capsys, number: int, line: str):
    assert main(failing(monkeypatch, number, "engines/x")) == 1
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(f"edgert recalibrate: {line}")


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    with pytest.raises(OSError, match="Bad file descriptor"):
        main(failing(monkeypatch, errno.EBADF, None))
