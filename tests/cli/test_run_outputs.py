"""`edgert run -o`: pictures and results to several places at once."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from edgert.artifacts import read_run
from edgert.cli.main import main
from edgert.video.source import open_source
from tests.cli.runs import profiled_family, run_words
from tests.video.clips import read_all
from tests.video.gstreamer.rtsp_server import needs_rtsp_server
from tests.video.waiting import in_time


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    return profiled_family(tmp_path_factory.mktemp("outputs"))


@pytest.fixture
def here(workplace: Path, tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("EDGERT_THREADS", "1")
    return tmp_path


def results_in(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_pictures_and_results_are_written_side_by_side(here: Path, capsys):
    words = ["--log", str(here / "log.jsonl"), "-o", str(here / "a.mp4")]
    words += ["-o", str(here / "b.mp4"), "-o", f"file://{here}/said.jsonl"]
    assert main(run_words(*words)) == 0
    for name in ("a.mp4", "b.mp4"):
        with open_source(str(here / name)) as video:
            assert len(in_time(lambda video=video: read_all(video))) == 40
    results, (_, lines) = results_in(here / "said.jsonl"), read_run(here / "log.jsonl")
    assert [result["frame"] for result in results] == [line.frame for line in lines]
    assert [result["time_s"] for result in results] == pytest.approx([k / 25 for k in range(40)])
    assert [result["configuration"] for result in results] == [
        line.configuration for line in lines
    ]
    for result, line in zip(results, lines, strict=True):
        assert result.get("latency_s") == line.latency_s
        if not line.skip:
            assert sum(result["shares"].values()) == pytest.approx(1.0, abs=1e-4)


def test_frames_that_are_left_out_have_no_result(here: Path):
    assert main(run_words("-o", str(here / "said.jsonl"), "--power-w", "0.5", "--log",
                          str(here / "log.jsonl"))) == 0  # fmt: skip
    _, lines = read_run(here / "log.jsonl")
    skipped = [line.frame for line in lines if line.skip]
    assert skipped
    assert [r["frame"] for r in results_in(here / "said.jsonl") if r.get("skip")] == skipped


def test_results_alone_need_no_pictures(here: Path):
    assert main(run_words("-o", str(here / "said.jsonl"), "--max-frames", "3")) == 0
    assert len(results_in(here / "said.jsonl")) == 3


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("out.avi", "a path ending in .mp4"),
        ("http://127.0.0.1/", "http://HOST:PORT/"),
        ("no/such/folder/r.jsonl", "a file that can be written"),
    ],
)
def test_a_place_that_makes_no_sense_is_one_line_before_any_frame(
    here: Path, capsys, place, expected
):
    assert main(run_words("-o", str(here / "a.mp4"), "-o", place)) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert expected in error
    assert not (here / "a.mp4").exists()
    assert not list(here.glob("*.partial.mp4"))


def start_run(*words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "edgert", "run", "tiny",
         "test://?width=64&height=48&fps=25&frames=100000", "--board", run_words()[4],
         "--period-s", "0.04", *words],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def served_at(process: subprocess.Popen) -> str:
    """The address that the run tells on stderr."""

    def told() -> str:
        for line in process.stderr:
            if "pictures at " in line:
                return line.rsplit("pictures at ", 1)[1].strip()
        raise AssertionError("it told no address")

    return in_time(told)


def test_a_run_can_be_watched_over_http_and_ends_by_a_signal(here: Path):
    process = start_run("-o", "http://127.0.0.1:0/")
    try:
        address = served_at(process)
        with urllib.request.urlopen(f"{address}picture.jpg", timeout=20) as answer:
            assert answer.read(2) == b"\xff\xd8"
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")
            assert b"image/jpeg" in answer.read(200)
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.system
def test_a_run_can_be_watched_over_rtsp(here: Path):
    needs_rtsp_server()
    process = start_run("-o", "rtsp://127.0.0.1:0/live", "-o", str(here / "said.jsonl"))
    try:
        address = served_at(process)
        with open_source(address, decoder="pyav", max_frames=5) as video:
            assert len(in_time(lambda: read_all(video))) >= 1
            assert video.live
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert results_in(here / "said.jsonl")


def test_a_decoder_that_is_none_is_refused(here: Path, capsys):
    with pytest.raises(SystemExit):
        main(run_words("--decoder", "cuda"))
    assert "invalid choice" in capsys.readouterr().err
