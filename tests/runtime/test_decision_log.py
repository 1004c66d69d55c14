"""The rotated decision log: bounded, whole after a kill, told and resumed on a full disk."""

import gc
import logging
import resource
from contextlib import closing
from pathlib import Path

import pytest

from edgert.artifacts import read_run
from edgert.cli.main import main
from edgert.control import open_controller
from edgert.control.replay import controller_from_header, replay_run
from edgert.emulator.board import EmulatedBoard, loads_from_profile
from edgert.records import FrameLog, Limits, RunHeader
from edgert.runtime.decision_log import RETRY_S, DecisionLog
from edgert.runtime.stream import Stream
from tests.runtime.fakes import PROFILE, SPEC
from tests.runtime.small_disk import run_on_small_disk
from tests.runtime.stream_fakes import (
    CLOCK,
    HEADER,
    NAMES,
    FakeEngines,
    FakeStreamSource,
    Rig,
    serving_of,
    until,
)

SCRIPT = Path(__file__).with_name("full_disk.py")


def line(number, *, now_s=None, reason="because"):
    now_s = 0.1 * number if now_s is None else now_s
    return FrameLog(
        frame=number, time_s=now_s, now_s=now_s, configuration="full", reason=reason, stream="a"
    )


def open_log(folder, *, max_bytes=2_000, files=3, header=lambda: HEADER):
    log = DecisionLog(folder, header, max_bytes=max_bytes, files=files)
    log.begin()
    return log


def parts(folder):
    return [read_run(path) for path in sorted(folder.iterdir())]


# ------------------------------------------------------------ rotation


def test_lines_are_on_disk_at_once_and_read_as_a_run(tmp_path):
    log = open_log(tmp_path / "new" / "folder", max_bytes=10**6)
    log.write(line(0))
    [(header, lines)] = parts(tmp_path / "new" / "folder")  # before it is closed
    assert (header, lines) == (HEADER, [line(0)])
    assert log.path == tmp_path / "new" / "folder" / "decisions-000001.jsonl"
    log.close()
    assert log.path is None


def test_files_are_bounded_in_size_and_number_and_lines_follow_each_other(tmp_path):
    header_bytes = len(read_header_bytes(tmp_path / "one"))
    log = open_log(tmp_path / "log", max_bytes=header_bytes + 2_000, files=3)
    for number in range(200):
        log.write(line(number))
        assert len(list((tmp_path / "log").iterdir())) <= 3
    log.close()
    found = parts(tmp_path / "log")
    assert [header.goes_on for header, _ in found] == [True] * 3
    numbers = [each.frame for _, lines in found for each in lines]
    assert numbers == list(range(numbers[0], 200))  # the newest, without a gap
    longest = max(path.stat().st_size for path in (tmp_path / "log").iterdir())
    assert longest < header_bytes + 2_000 + 200  # one line more at most


def read_header_bytes(folder):
    open_log(folder).close()
    [path] = folder.iterdir()
    return path.read_bytes()


def test_a_restart_goes_on_with_the_next_file_and_minds_a_torn_line(tmp_path):
    log = open_log(tmp_path, max_bytes=10**6)
    log.write(line(0))
    log.close()
    first = tmp_path / "decisions-000001.jsonl"
    first.write_bytes(first.read_bytes() + b'{"frame":1,"ti')  # killed in the middle of a line
    again = open_log(tmp_path, max_bytes=10**6)
    again.write(line(5))
    again.close()
    assert [[each.frame for each in lines] for _, lines in parts(tmp_path)] == [[0], [5]]
    assert [header.goes_on for header, _ in parts(tmp_path)] == [False, False]


def test_who_looks_at_all_objects_meanwhile_stops_no_frame(tmp_path):
    """A debugger's list held on to a view of the line; then the line could not grow any more."""
    held = []

    class Watched:
        def __init__(self, file):
            self.file = file

        def write(self, view):
            # By type: isinstance() asks objects for their __class__, and some answer with more.
            held.extend(one for one in gc.get_objects() if type(one) is memoryview)
            return self.file.write(view)

        def close(self):
            self.file.close()

    log = open_log(tmp_path, max_bytes=10**6)
    log._file._file = Watched(log._file._file)
    with closing(log):
        for number in range(3):
            log.write(line(number, reason="because " * (number + 1)))
    assert held
    [(_, lines)] = parts(tmp_path)
    assert [each.frame for each in lines] == [0, 1, 2]


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "decisions-old.jsonl").write_text("mine")
    (tmp_path / "notes").write_text("mine too")
    for _ in range(5):
        open_log(tmp_path, files=1).close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["decisions-000005.jsonl", "decisions-old.jsonl", "notes"]


@pytest.mark.parametrize("wrong", [{"max_bytes": 0}, {"files": 0}])
def test_bounds_that_bound_nothing_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="start at 1"):
        DecisionLog(tmp_path, lambda: HEADER, **{"max_bytes": 1, "files": 1} | wrong)


# ------------------------------------------------------------ a disk that is full


def test_a_full_disk_is_told_once_and_writing_goes_on_when_there_is_room(tmp_path):
    done = run_on_small_disk(SCRIPT, tmp_path, size="256k")
    assert done.stdout.startswith("written")
    assert done.stderr.count("decisions are not logged in") == 1  # logging's last resort
    assert done.stderr.count("decisions are logged again") == 1


def test_a_file_that_may_not_grow_is_followed_by_the_next(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = len(read_header_bytes(tmp_path / "one")) + 700
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        log = open_log(tmp_path / "log", max_bytes=10**6, files=5)
        for number in range(30):
            log.write(line(number))
            if log.problem:
                break
        failed = number
        assert "file too large" in log.problem
        log.write(line(failed + 1, now_s=0.1 * failed + RETRY_S + 1))
        assert log.problem == ""
        log.write(line(failed + 2))
        log.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (_, whole), (header, rest) = parts(tmp_path / "log")
    assert [each.frame for each in whole] == list(range(failed))  # the torn line is left out
    assert [each.frame for each in rest] == [failed + 2]
    assert header.goes_on
    assert log.lost == 2
    assert caplog.text.count("decisions are not logged") == 1


def test_a_folder_that_can_not_be_made_stops_nobody(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    log = open_log(tmp_path / "file" / "log")
    assert "not a directory" in log.problem
    log.write(line(0))
    log.write(line(1, now_s=RETRY_S + 1))
    assert log.lost == 2
    (tmp_path / "file").unlink()
    log.write(line(2, now_s=3 * RETRY_S))
    assert log.problem == ""
    log.close()
    assert caplog.text.count("decisions are not logged") == 1


# ------------------------------------------------------------ with a loop, replayed


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """Rotated logs of the predictive controller over an emulated board, two streams."""
    folder = tmp_path_factory.mktemp("decisions")
    limits = Limits(deadline_s=0.2, period_s=0.02, power_w=12.0, temp_c=70.0)
    board = EmulatedBoard(SPEC, CLOCK, loads=loads_from_profile(PROFILE))
    header = RunHeader(
        family="f",
        source="two streams",
        device="cpu",
        controller="predictive",
        limits=limits,
        configurations=list(NAMES),
        profile=PROFILE,
        telemetry=board.name,
        provenance="emulated",
    )
    engines = FakeEngines()
    engines.busy_s = 0.002
    controller = open_controller("predictive", PROFILE, limits)
    serving = serving_of(engines, controller, board=board, header=header, limits=limits)
    log = DecisionLog(folder, serving.header_now, max_bytes=60_000, files=9)
    sources = [FakeStreamSource(), FakeStreamSource()]
    rig = Rig(
        serving=serving,
        streams=[Stream(name, source) for name, source in zip("ab", sources, strict=True)],
        log=log,
        limits=limits,
    )
    with rig.running():
        for number in range(250):
            for source in sources:
                source.push()
            until(lambda number=number: len(rig.told) == 2 * number + 2)
    assert rig.error is None
    return folder


def test_the_first_file_of_several_streams_replays_to_the_last_digit(logged, capsys):
    first = sorted(logged.iterdir())[0]
    header, lines = read_run(first)
    assert not header.goes_on
    assert {each.stream for each in lines} == {"a", "b"}
    assert lines[0].limits == Limits(deadline_s=0.01, period_s=0.01, power_w=12.0, temp_c=70.0)
    assert any(each.met_deadline for each in lines)
    replay = replay_run(header, lines, controller_from_header(header))
    assert replay.differences == []
    assert main(["replay", str(first)]) == 0
    assert "decisions are the same" in capsys.readouterr().out


def test_a_file_that_goes_on_replays_its_configurations(logged, capsys):
    paths = sorted(logged.iterdir())
    assert len(paths) >= 3
    for path in paths[1:]:
        header, lines = read_run(path)
        assert header.goes_on
        assert header.state is not None
        replay = replay_run(header, lines, controller_from_header(header))
        assert {difference.field for difference in replay.differences} <= {"configuration", "skip"}
        if len(lines) > 100:
            assert replay.same > len(lines) / 2
    assert main(["replay", str(paths[1])]) == 0
    assert "goes on from an earlier file" in capsys.readouterr().out


def test_all_lines_are_in_the_files(logged):
    found = parts(logged)
    numbers = [(each.stream, each.frame) for _, lines in found for each in lines]
    assert sorted(numbers) == sorted((name, number) for name in "ab" for number in range(250))
