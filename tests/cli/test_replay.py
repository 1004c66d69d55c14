"""A run's log, as `edgert run` wrote it, decided once more."""

import json
from pathlib import Path

import msgspec
import pytest

from edgert.artifacts import read_run
from edgert.cli.main import main
from edgert.control import CONTROLLERS
from tests.cli.runs import BOARD, TRACE_LINES, profiled_family, run_words


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    return profiled_family(tmp_path_factory.mktemp("replay"))


@pytest.fixture
def here(workplace: Path, monkeypatch) -> Path:
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("EDGERT_THREADS", "1")
    return workplace


def said(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_a_run_on_an_emulated_board_replays_to_the_last_digit(here: Path, capsys, controller: str):
    log = here / f"{controller}.jsonl"
    (here / "trace.jsonl").write_text(TRACE_LINES)
    words = run_words("--trace", "trace.jsonl", "--controller", controller, "--log", str(log))
    assert main(words) == 0
    header, frames = read_run(log)
    assert header.profile is not None
    assert [frame.frame for frame in frames if frame.limits] == [10, 20]
    assert any(frame.sample_s is None for frame in frames)
    capsys.readouterr()
    assert main(["replay", str(log)]) == 0
    assert capsys.readouterr().out == "40 of 40 decisions are the same\n"
    assert main(["replay", str(log), "--json"]) == 0
    told = said(capsys)
    assert (told["same"], told["frames"], told["open_loop"]) == (40, 40, False)
    assert told["differences"] == []


@pytest.fixture
def log(here: Path, capsys) -> Path:
    log = here / "ladder.jsonl"
    (here / "trace.jsonl").write_text(TRACE_LINES)
    words = run_words("--trace", "trace.jsonl", "--controller", "ladder", "--log", str(log))
    assert main(words) == 0
    capsys.readouterr()
    return log


def meddled(log: Path, number: int, **values) -> Path:
    """The log with one frame's fields changed."""
    lines = log.read_bytes().splitlines()
    line = {**json.loads(lines[number + 1]), **values}
    lines[number + 1] = json.dumps(line).encode()
    other = log.with_name("meddled.jsonl")
    other.write_bytes(b"\n".join([*lines, b""]))
    return other


def test_a_changed_temperature_is_told_and_the_status_is_1(log: Path, capsys):
    other = meddled(log, 30, temp_c=95.0)
    assert main(["replay", str(other)]) == 1
    text = capsys.readouterr().out
    assert "of 40 decisions are the same" in text
    assert not text.startswith("40 of")
    assert "95.0" in text
    assert "logged" in text
    assert main(["replay", str(other), "--json"]) == 1
    told = said(capsys)
    assert told["differences"][0]["frame"] == 30
    assert told["same"] < 40


def test_many_differences_are_counted_beyond_the_first(log: Path, capsys):
    for number in range(12):
        log = meddled(log, number, reason="because")
    assert main(["replay", str(log)]) == 1
    text = capsys.readouterr().out
    assert "28 of 40 decisions are the same" in text
    assert "and 2 more differences" in text


def test_another_controller_is_open_loop_and_no_failure(log: Path, capsys):
    assert main(["replay", str(log), "--controller", "fixed-cheapest"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("fixed-cheapest on the inputs of ladder's run, open loop")
    assert "would have run the same configuration" in text
    assert main(["replay", str(log), "--controller", "fixed-cheapest", "--json"]) == 0
    told = said(capsys)
    assert told["open_loop"] is True
    assert {decision["configuration"] for decision in told["decisions"]} == {"c1"}


def test_what_can_not_be_replayed_is_one_line(log: Path, capsys):
    assert main(["replay", str(log), "--controller", "magic"]) == 1
    assert "expected one of" in capsys.readouterr().err
    header, frames = read_run(log)
    old = msgspec.structs.replace(header, profile=None)
    path = log.with_name("old.jsonl")
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in (old, *frames)))
    assert main(["replay", str(path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "expected a log with its profile and the time of every decision" in line
    assert main(["replay", "missing.jsonl"]) == 1


def test_a_frame_stays_under_half_a_kilobyte(log: Path):
    """Of an hour at 30 frames a second, that is 54 MB."""
    header, *lines = log.read_bytes().splitlines()
    assert sum(map(len, lines)) / len(lines) < 520
    assert len(header) < 20_000


def test_runs_are_compared_from_their_logs_alone(log: Path, capsys, here: Path):
    other = here / "cheapest.jsonl"
    words = run_words(
        "--trace", "trace.jsonl", "--controller", "fixed-cheapest", "--log", str(other)
    )
    assert main(words) == 0
    capsys.readouterr()
    words = ["compare", str(log), str(other), "--trace", "trace.jsonl"]
    assert main([*words, "-o", "c.html"]) == 0
    text = capsys.readouterr()
    assert [e for e in text.err.splitlines() if not e.startswith("The machine")] == []
    assert text.out.count("\n") == 3
    assert "energy (emulated)" in text.out
    assert (here / "c.html").stat().st_size > 10_000
    assert main([*words, "-o", "c.png", "--json"]) == 0
    assert [run["controller"] for run in said(capsys)["runs"]] == ["ladder", "fixed-cheapest"]
    assert (here / "c.png").read_bytes().startswith(b"\x89PNG")


def test_what_can_not_be_compared_is_one_line(log: Path, capsys, here: Path):
    assert main(["compare", str(log), "-o", "c.pdf"]) == 2
    assert "expected a path ending in .html or .png" in capsys.readouterr().err
    header, _ = read_run(log)
    (here / "bare.jsonl").write_bytes(msgspec.json.encode(header) + b"\n")
    assert main(["compare", "bare.jsonl"]) == 1
    assert "got no frame" in capsys.readouterr().err
    assert main(["compare", str(log), str(log.with_name("nothing.jsonl"))]) == 1


def test_a_board_is_needed_for_what_happens_around_one(here: Path, capsys):
    (here / "trace.jsonl").write_text('{"time_s": 0, "ambient_c": 20}\n')
    [profile] = (here / "profiles" / "measured").glob("*/tiny.json")
    words = [word for word in run_words("--trace", "trace.jsonl") if word != "--virtual-time"]
    place = words.index("--board")
    del words[place : place + 2]
    assert main([*words, "--profile", str(profile)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "expected an emulated board" in line
    assert BOARD.is_file()
