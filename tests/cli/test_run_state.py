"""`edgert run --state FILE`: what the controller learns survives, whatever ends the run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.artifacts import load_state, read_run
from edgert.cli.main import main
from tests.cli.runs import BOARD, profiled_family, run_words


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    return profiled_family(tmp_path_factory.mktemp("state"))


@pytest.fixture
def here(workplace: Path, monkeypatch) -> Path:
    monkeypatch.chdir(workplace)
    monkeypatch.setenv("EDGERT_THREADS", "1")
    for name in ("state.json", "state.json.refused", "d.jsonl"):
        (workplace / name).unlink(missing_ok=True)
    return workplace


def words(*more: str, controller: str = "predictive") -> list[str]:
    return run_words("--controller", controller, "--log", "d.jsonl", *more)


def said_of_state(capsys) -> list[str]:
    """Lines on stderr but those of progress and of heat, which are not this file's."""
    others = ("run:", "no thermal constants")
    return [e for e in capsys.readouterr().err.splitlines() if not e.startswith(others)]


def test_the_next_run_goes_on_from_what_was_learned(here: Path, capsys):
    assert main(words("--state", "state.json")) == 0
    learned = load_state(Path("state.json"))
    assert read_run(Path("d.jsonl"))[0].state is None
    capsys.readouterr()
    assert main(words("--state", "state.json")) == 0
    header, frames = read_run(Path("d.jsonl"))
    assert header.state == learned
    assert header.state_note == ""
    assert frames[0].numbers["slowdown"] == learned.slowdown != 1.0
    assert said_of_state(capsys) == []
    capsys.readouterr()
    assert main(["replay", "d.jsonl"]) == 0
    assert capsys.readouterr().out.endswith("40 of 40 decisions are the same\n")


def test_without_its_state_the_log_does_not_replay(here: Path, capsys):
    """The control of the one above: the state has to be in the header."""
    for _ in range(2):
        assert main(words("--state", "state.json")) == 0
    lines = Path("d.jsonl").read_bytes().splitlines(keepends=True)
    header = {**json.loads(lines[0]), "state": None}
    Path("other.jsonl").write_bytes(json.dumps(header).encode() + b"\n" + b"".join(lines[1:]))
    assert main(["replay", "other.jsonl"]) == 1


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"board": "another"}, "state.json is not used: restore the controller's state: expected"),
        ({"profile": "0000"}, "state.json is not used: restore the controller's state: expected"),
        ({"family": "other"}, "state.json is not used: restore the controller's state: expected"),
        ({"format": 7}, "state.json is not used: read state.json"),
        ({"slowdown": "fast"}, "state.json is not used: read state.json at slowdown: expected"),
    ],
)
def test_a_state_of_something_else_is_refused_and_the_run_goes_on(
    here: Path, capsys, change: dict, line: str
):
    assert main(words("--state", "state.json")) == 0
    kept = {**json.loads(Path("state.json").read_text()), **change}
    Path("state.json").write_text(json.dumps(kept))
    capsys.readouterr()
    assert main(words("--state", "state.json")) == 0
    errors = said_of_state(capsys)
    assert len(errors) == 1
    assert errors[0].startswith(line)
    header, frames = read_run(Path("d.jsonl"))
    assert (header.state, header.state_note) == (None, errors[0])
    assert len(frames) == 40
    load_state(Path("state.json"))  # and a whole one of this run lies there again
    assert errors[0].endswith("It lies in state.json.refused now.")
    assert json.loads(Path("state.json.refused").read_text()) == kept  # nothing is lost


def test_a_cut_off_file_is_one_line(here: Path, capsys):
    Path("state.json").write_text('{"family": "ti')
    assert main(words("--state", "state.json")) == 0
    [error] = said_of_state(capsys)
    assert error.startswith("state.json is not used: read state.json: expected JSON")


def test_a_controller_that_learns_nothing_says_so_and_writes_nothing(here: Path, capsys):
    assert main(words("--state", "state.json", controller="ladder")) == 0
    [error] = said_of_state(capsys)
    assert error == "ladder learns nothing that could be kept in state.json"
    assert not Path("state.json").exists()


def test_the_settings_name_the_file_beside_themselves(here: Path):
    (here / "conf").mkdir(exist_ok=True)
    (here / "conf" / "s.yaml").write_text("state_file: kept/state.json\nstate_every_s: 5\n")
    assert main(words("--settings", "conf/s.yaml")) == 0
    load_state(here / "conf" / "kept" / "state.json")


def endless(*more: str) -> list[str]:
    run = [word for word in words("--state", "state.json", *more) if word != "--virtual-time"]
    return [sys.executable, "-m", "edgert", *run, "--loops", "100000", "--json"]


def wait_for(process: subprocess.Popen, file: Path, enough) -> None:
    while process.poll() is None and not (file.exists() and enough(file.read_bytes())):
        os.sched_yield()
    assert process.poll() is None, process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_the_state(here: Path, number: signal.Signals):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(endless(), **pipes) as process:
        wait_for(process, here / "d.jsonl", lambda log: log.count(b"\n") > 10)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert load_state(Path("state.json")).slowdown != 1.0


def test_kill_leaves_the_last_one_whole(here: Path, monkeypatch):
    monkeypatch.setenv("EDGERT_STATE_EVERY_S", "0.05")
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for _ in range(2):
        (here / "state.json").unlink(missing_ok=True)
        (here / "d.jsonl").unlink(missing_ok=True)
        with subprocess.Popen(endless(), **pipes) as process:
            wait_for(process, here / "state.json", len)
            wait_for(process, here / "d.jsonl", lambda log: log.count(b"\n") > 30)
            process.kill()
        load_state(Path("state.json"))
    assert main(words("--state", "state.json")) == 0
    assert read_run(Path("d.jsonl"))[0].state is not None
    assert BOARD.is_file()
