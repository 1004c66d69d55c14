"""Run by test_decision_log in a process of its own: a log on a disk that is full for a while.

python full_disk.py FOLDER      with FOLDER on a disk of 256 KiB
"""

import sys
from pathlib import Path

from edgert.artifacts import read_run
from edgert.records import FrameLog, Limits, RunHeader
from edgert.runtime.decision_log import RETRY_S, DecisionLog

HEADER = RunHeader(
    family="f", source="s", device="d", controller="ladder", limits=Limits(), configurations=["a"]
)


def line(number: int, now_s: float) -> FrameLog:
    return FrameLog(
        frame=number, time_s=now_s, now_s=now_s, configuration="a", reason="because " * 10
    )


def main(folder: Path) -> None:
    ballast = folder / "ballast"
    ballast.write_bytes(b"x" * 100_000)
    log = DecisionLog(folder / "decisions", lambda: HEADER, max_bytes=1_000_000, files=5)
    log.begin()
    number = 0
    while not log.problem:
        log.write(line(number, 0.001 * number))
        number += 1
        assert number < 10_000, "the disk was never full"
    assert "no space left on device" in log.problem, log.problem
    stopped_s = 0.001 * number
    for place in range(50):  # the loop goes on, and nothing is tried too often
        log.write(line(number + place, stopped_s + 0.01 * place))
    assert log.lost == 51, log.lost
    log.write(line(number, stopped_s + RETRY_S + 1))  # tried again, in vain
    assert "no space left on device" in log.problem
    assert len(list((folder / "decisions").iterdir())) == 1, "what is of no use stays on the disk"
    ballast.unlink()
    log.write(line(number, stopped_s + 2 * RETRY_S + 2))  # lost, but a file is begun behind it
    assert log.problem == "", log.problem
    log.write(line(77, stopped_s + 2 * RETRY_S + 3))
    log.close()
    first, second = sorted((folder / "decisions").iterdir())
    header, lines = read_run(first)
    assert (header.goes_on, len(lines)) == (False, number - 1), (len(lines), number)
    header, lines = read_run(second)
    assert (header.goes_on, [each.frame for each in lines]) == (True, [77])
    print("written", number - 1, "lost", log.lost)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
