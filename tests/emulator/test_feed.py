"""The pipe through which other processes heat the board."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.emulator.feed import FedRun, FeedReader, LoadFeed
from edgert.errors import SourceUnavailableError


@pytest.fixture
def reader(tmp_path):
    reader = FeedReader(tmp_path / "load")
    yield reader
    reader.close()


def test_runs_arrive_in_order_with_what_was_told(reader):
    with LoadFeed(reader.path) as feed:
        feed.run("c60", 0.012)
        feed.run("full", 0.030, start_s=12.5, macs=10)
    assert reader.read() == [
        FedRun(engine="c60", busy_s=0.012),
        FedRun(engine="full", busy_s=0.030, start_s=12.5, macs=10),
    ]
    assert reader.read() == []


def test_the_pipe_outlives_its_writers(reader):
    for _ in range(3):
        with LoadFeed(reader.path) as feed:
            feed.run("c60", 0.01)
        assert len(reader.read()) == 1


def test_another_process_can_write_with_nothing_but_json(reader):
    line = json.dumps({"engine": "c60", "busy_s": 0.02})
    script = f"open({str(reader.path)!r}, 'w').write({line!r} + chr(10))"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert reader.read() == [FedRun(engine="c60", busy_s=0.02)]


@pytest.mark.parametrize(
    "line",
    [b"nonsense\n", b'{"engine": "x"}\n', b'{"engine": "x", "busy_s": -1}\n', b'{"busy_s": 1}\n'],
)
def test_a_line_that_is_no_run_is_counted_and_left_out(reader, line):
    descriptor = os.open(reader.path, os.O_WRONLY)
    os.write(descriptor, line + b'{"engine": "good", "busy_s": 0.5}\n')
    os.close(descriptor)
    assert [run.engine for run in reader.read()] == ["good"]
    assert reader.refused == 1


def test_half_a_line_waits_for_its_rest_and_an_endless_one_is_thrown_away(reader):
    descriptor = os.open(reader.path, os.O_WRONLY)
    os.write(descriptor, b'{"engine": "c60", ')
    assert reader.read() == []
    os.write(descriptor, b'"busy_s": 0.5}\n')
    assert len(reader.read()) == 1
    os.write(descriptor, b"x" * 2000)
    assert reader.read() == []
    assert reader.refused == 1
    os.close(descriptor)


def test_a_board_that_does_not_read_costs_lines_and_never_blocks(reader):
    with LoadFeed(reader.path) as feed:
        for _ in range(5000):
            feed.run("c60", 0.01)
        assert feed.lost > 0
    assert len(reader.read()) + feed.lost <= 5000


def test_without_a_board_the_writer_says_what_to_start(tmp_path):
    with pytest.raises(SourceUnavailableError, match=r"no such pipe.*emulate_board"):
        LoadFeed(tmp_path / "load")
    os.mkfifo(tmp_path / "load")
    with pytest.raises(SourceUnavailableError, match="nobody who reads it"):
        LoadFeed(tmp_path / "load")


def test_closing_takes_the_pipe_away(tmp_path):
    FeedReader(tmp_path / "load").close()
    assert not Path(tmp_path / "load").exists()
