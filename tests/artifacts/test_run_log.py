from pathlib import Path

import msgspec
import pytest

from edgert.artifacts import read_run
from edgert.errors import ArtifactError
from edgert.records import FrameLog, Limits, RunHeader

HEADER = RunHeader(
    family="tiny",
    source="test://",
    device="cpu",
    controller="ladder",
    limits=Limits(deadline_s=0.1),
    configurations=["full"],
)
FRAME = FrameLog(frame=0, time_s=0.0, configuration="full", reason="start", latency_s=0.01)


def write_run(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_run_log_reads_back_what_was_written(tmp_path: Path):
    lines = [msgspec.json.encode(HEADER), msgspec.json.encode(FRAME)]
    assert read_run(write_run(tmp_path / "d.jsonl", *lines)) == (HEADER, [FRAME])


def test_a_last_line_cut_off_is_left_out(tmp_path: Path):
    path = write_run(tmp_path / "d.jsonl", msgspec.json.encode(HEADER), msgspec.json.encode(FRAME))
    path.write_bytes(path.read_bytes() + b'{"frame": 1, "ti')
    assert read_run(path) == (HEADER, [FRAME])


def test_a_damaged_line_is_named(tmp_path: Path):
    path = write_run(tmp_path / "d.jsonl", msgspec.json.encode(HEADER), b"{", b"{}")
    with pytest.raises(ArtifactError, match=r"d\.jsonl line 2: expected a FrameLog"):
        read_run(path)


def test_a_missing_log_is_one_line(tmp_path: Path):
    with pytest.raises(ArtifactError, match="no such file"):
        read_run(tmp_path / "d.jsonl")
