"""The verbs that a device's user types, one after the other, on a family of a few kilobytes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.artifacts import load_profile, read_run
from edgert.cli.main import main

BOARD = Path(__file__).resolve().parents[2] / "profiles" / "boards" / "emulated-orin-nano.yaml"
SOURCE = "test://?width=64&height=48&fps=25&frames=12"


@pytest.fixture
def profiled(built: Path, tmp_path: Path) -> Path:
    words = ["profile", str(built), "--rounds", "2", "--frame-count", "3"]
    assert main([*words, "--frames", SOURCE, "--board", str(BOARD)]) == 0
    return built


def said(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_build_says_what_stands_there_and_why(tiny_family: Path, capsys):
    assert main(["build", str(tiny_family)]) == 0
    text = capsys.readouterr().out
    assert "built because" in text
    assert "of exported" in text
    assert "of merged" in text
    assert main(["build", str(tiny_family), "--json"]) == 0
    assert said(capsys)["rebuilt"] is False


def test_profile_measures_and_marks_what_is_emulated(built: Path, capsys):
    capsys.readouterr()
    words = ["profile", str(built), "--rounds", "1", "--frames", SOURCE, "--board", str(BOARD)]
    assert main([*words, "-o", "p.json"]) == 0
    text = capsys.readouterr().out
    assert "power (emulated)" in text
    assert "not measured on a board" in text
    profile = load_profile(Path("p.json"))
    assert [entry.name for entry in profile.entries] == ["full", "c2", "c1"]
    assert profile.entries[0].agreement == 1
    assert profile.entries[0].accuracy == 1  # the family states a score of this one alone
    assert {entry.accuracy_from for entry in profile.entries} == {"agreement with full"}
    energies = [entry.energy_j for entry in profile.entries]
    assert energies == sorted(energies, reverse=True)


def test_profile_without_engines_says_how_to_get_them(tiny_family: Path, capsys):
    assert main(["profile", str(tiny_family)]) == 1
    assert "Build it: edgert build" in capsys.readouterr().err


def test_profile_of_nothing_is_refused(built: Path, capsys, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert main(["profile", str(built), "--frames", str(tmp_path / "empty")]) == 2
    assert "expected pictures, got none" in capsys.readouterr().err


def test_run_writes_video_log_and_report(profiled: Path, capsys, tmp_path: Path):
    capsys.readouterr()
    words = [
        "run",
        str(profiled),
        SOURCE,
        "--board",
        str(BOARD),
        "--virtual-time",
        "--threads",
        "1",
    ]
    words += ["--deadline-s", "5", "--temp-c", "70", "-o", "a.mp4", "--report", "r.html", "--json"]
    assert main(words) == 0
    summary = said(capsys)["summary"]
    assert summary["frames"] == 12
    assert summary["misses"] == 0
    assert summary["energy_from"] == "emulated"
    header, frames = read_run(tmp_path / "r.jsonl")
    assert header.limits.temp_c == 70
    assert header.board == str(BOARD)
    assert len(frames) == 12
    assert all(frame.reason for frame in frames)
    assert "emulated" in (tmp_path / "r.html").read_text()
    assert (tmp_path / "a.mp4").stat().st_size > 1000


def test_run_on_the_wall_clock_without_a_board(profiled: Path, capsys, tmp_path: Path):
    [profile] = (tmp_path / "profiles" / "measured").glob("*/tiny.json")
    capsys.readouterr()
    assert (
        main(["run", str(profiled), SOURCE, "--profile", str(profile), "--max-frames", "4"]) == 0
    )
    text = capsys.readouterr().out
    assert text.startswith("4 frames in")
    assert "emulated" not in text


def test_run_without_a_profile_says_how_to_get_one(built: Path, capsys):
    assert main(["run", str(built), SOURCE]) == 1
    assert "Measure one: edgert profile" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--board", "no-such-board"], 2, "expected a board among"),
        (["--controller", "magic"], 1, "expected one of predictive"),
        (["--deadline-s", "-1"], 1, "limits.deadline_s: expected float > 0"),
        (["-o", "a.avi"], 1, "path ending in .mp4"),
    ],
)
def test_a_wrong_setting_is_one_line(
    profiled: Path, capsys, tmp_path: Path, words: list[str], status: int, line: str
):
    [profile] = (tmp_path / "profiles" / "measured").glob("*/tiny.json")
    capsys.readouterr()
    command = ["run", str(profiled), SOURCE, "--profile", str(profile), *words]
    assert main(command) == status
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert line in errors[0]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("EDGERT_BACKEND", "magic", "expected one of onnxruntime"),
        ("EDGERT_CONTROLLER", "magic", "expected one of predictive"),
        ("EDGERT_LATENCY_SCALE", "2", "Add --virtual-time"),
        ("EDGERT_LATENCY_SCALE", "0", "latency_scale: expected float > 0"),
        ("EDGERT_LIMITS_TEMP_C", "hot", "limits.temp_c: expected float"),
    ],
)
def test_the_environment_is_heard(
    profiled: Path, capsys, monkeypatch, tmp_path: Path, variable: str, value: str, line: str
):
    [profile] = (tmp_path / "profiles" / "measured").glob("*/tiny.json")
    capsys.readouterr()
    monkeypatch.setenv(variable, value)
    assert main(["run", str(profiled), SOURCE, "--profile", str(profile)]) in (1, 2)
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert line in errors[0]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "F", SOURCE, "--loops", "0"],
        ["run", "F", SOURCE, "--max-frames", "-1"],
        ["profile", "F", "--frame-count", "many"],
        ["build", "F", "--threads", "0"],
    ],
)
def test_counts_start_at_one(capsys, words: list[str]):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "expected a whole number of 1 or more" in capsys.readouterr().err


def test_a_source_that_is_not_there_is_one_line(profiled: Path, capsys):
    words = ["run", str(profiled), "missing.mp4", "--board", str(BOARD)]
    assert main(words) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_keeps_what_was_written(
    profiled: Path, tmp_path: Path, number: signal.Signals
):
    command = [sys.executable, "-m", "edgert", "run", str(profiled), "test://?width=64&height=48",
               "--board", str(BOARD), "--log", "d.jsonl", "-o", "a.mp4", "--json"]  # fmt: skip
    log = tmp_path / "d.jsonl"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not (log.exists() and log.read_bytes().count(b"\n") > 5):
            os.sched_yield()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["summary"]["stopped"] is True
    _, frames = read_run(log)
    assert json.loads(out)["summary"]["frames"] == len(frames) >= 5
    assert (tmp_path / "a.mp4").stat().st_size > 500


def test_stale_engines_are_refused_in_words(profiled: Path, capsys):
    [manifest] = (profiled / "built").glob("*/manifest.json")
    content = json.loads(manifest.read_text())
    content["built_for"]["cpu"] = "another processor"
    manifest.write_text(json.dumps(content))
    assert main(["run", str(profiled), SOURCE, "--board", str(BOARD)]) == 1
    error = capsys.readouterr().err
    assert "cpu was another processor, is" in error
    assert "Build them again" in error


def test_engines_of_another_edgert_are_refused(profiled: Path, capsys):
    [manifest] = (profiled / "built").glob("*/manifest.json")
    content = json.loads(manifest.read_text())
    content["built_from"]["edgert"] = "0.0.1"
    manifest.write_text(json.dumps(content))
    assert main(["run", str(profiled), SOURCE, "--board", str(BOARD)]) == 1
    assert "got edgert was 0.0.1, is " in capsys.readouterr().err


def test_a_stale_profile_is_used_with_a_warning_and_the_log_says_so(
    profiled: Path, capsys, tmp_path: Path
):
    words = ["run", str(profiled), SOURCE, "--board", str(BOARD), "--virtual-time"]
    assert main([*words, "--threads", "2", "--log", "d.jsonl"]) == 0
    told = capsys.readouterr()
    [line] = [line for line in told.err.splitlines() if not line.startswith("run:")]
    assert line.endswith(
        f": threads was 1, is 2: measure again: edgert profile {profiled} --board {BOARD}"
    )
    assert "  profile       stale: threads was 1, is 2\n" in told.out
    header, _ = read_run(tmp_path / "d.jsonl")
    assert header.stale == ["threads was 1, is 2"]
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    assert not [line for line in told.err.splitlines() if not line.startswith("run:")]
    assert json.loads(told.out)["header"]["stale"] == []


def renamed(profiled: Path, *, of: dict[str, str]) -> None:
    """Let the profile have figures of other configurations than are built."""
    [file] = Path("profiles/measured").glob("*/tiny.json")
    content = json.loads(file.read_text())
    for entry in content["entries"]:
        entry["name"] = of.get(entry["name"], entry["name"])
    file.write_text(json.dumps(content))


def test_what_a_profile_has_of_engines_that_there_are_not_is_left_out(
    profiled: Path, capsys, tmp_path: Path
):
    renamed(profiled, of={"full": "c99"})  # the most accurate: it would be chosen at once
    words = ["run", str(profiled), SOURCE, "--board", str(BOARD), "--virtual-time"]
    assert main([*words, "--log", "d.jsonl"]) == 0
    told = capsys.readouterr()
    assert "full not measured; c99 no longer built: measure again: " in told.err
    header, lines = read_run(tmp_path / "d.jsonl")
    assert header.profile is not None
    assert [entry.name for entry in header.profile.entries] == ["c2", "c1"]
    assert {line.configuration for line in lines} <= {"c1", "c2"}


def test_a_profile_of_other_engines_altogether_is_refused_in_one_line(profiled: Path, capsys):
    renamed(profiled, of={"full": "c99", "c2": "c98", "c1": "c97"})
    assert main(["run", str(profiled), SOURCE, "--board", str(BOARD), "--virtual-time"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "expected figures of the engines that are built: full, c2, c1, got figures of" in line
    assert "c99, c98, c97. Measure them: edgert profile" in line


def test_a_profile_states_what_it_was_measured_under_and_of_which_engines(profiled: Path):
    [file] = Path("profiles/measured").glob("*/tiny.json")
    profile = load_profile(file)
    assert profile.measured_under["threads"] == "1"
    [manifest] = (profiled / "built").glob("*/manifest.json")
    engines = {e["name"]: e for e in json.loads(manifest.read_text())["engines"]}
    for entry in profile.entries:
        assert entry.engine_sha256 == engines[entry.name]["sha256"]
        assert entry.graph_sha256 == engines[entry.name]["graph_sha256"]


def test_the_settings_reach_the_pool(profiled: Path, capsys, monkeypatch):
    [profile] = Path("profiles/measured").glob("*/tiny.json")
    monkeypatch.setenv("EDGERT_ENGINES_MEMORY_BYTES", "1000")
    assert main(["run", str(profiled), SOURCE, "--profile", str(profile)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "plan the pool's memory" in line
