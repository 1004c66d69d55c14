"""`edgert profile --energy` in virtual time on an emulated board, killed, damaged and resumed."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.artifacts import load_profile
from edgert.cli.main import main
from edgert.profiling.journal import windows_from
from edgert.records import Profile, ProfileEntry
from tests.cli.energy_boards import SHORT, board_file


@pytest.fixture
def words(built: Path, tmp_path: Path) -> list[str]:
    board = board_file(tmp_path)
    return ["profile", str(built), "--energy", "--board", str(board), "-o", "p.json", *SHORT]


def error_line(capsys) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def true_marginal_j(profile: Profile, entry: ProfileEntry) -> float:
    """What the board draws above idle for one run: 10 W for the longest, by MACs for others."""
    longest = max(profile.entries, key=lambda each: each.latency_s)
    assert entry.macs
    assert longest.macs
    return 10 * longest.latency_s * entry.macs / longest.macs


def test_every_engine_gets_an_energy_with_its_interval(words: list[str], capsys):
    capsys.readouterr()
    assert main([*words, "--plots", "none"]) == 0
    profile = load_profile(Path("p.json"))
    for entry in profile.entries:
        figure = entry.energy
        assert figure is not None
        assert (figure.provenance, entry.energy_from) == ("emulated", "emulated")
        assert (figure.board, figure.rails) == ("test-board", ["VDD_IN"])
        assert figure.paced_hz == 200
        assert figure.windows == 2
        assert entry.energy_j == figure.total_j
        low, high = figure.total_interval_j
        assert low < figure.total_j < high
        above_idle_j = true_marginal_j(profile, entry)
        assert figure.marginal_j == pytest.approx(above_idle_j, rel=0.1)
        assert figure.idle_w == pytest.approx(3.0, rel=1e-3)
        assert figure.total_j == pytest.approx(3 / 200 + above_idle_j, rel=0.01)
        # Worked out for back to back.
        assert entry.power_w == pytest.approx(3 + above_idle_j / entry.latency_s, rel=0.1)
    _, c2, _ = profile.entries
    assert "worked out for back to back" in profile.method
    assert c2.energy is not None
    assert c2.energy.baseline is not None
    assert c2.energy.baseline.baseline == "full"
    text = capsys.readouterr().out
    assert "energy (emulated)" in text
    assert " ± " in text
    assert "not measured on a board" in text


def test_table_plots_and_windows_lie_beside_the_profile_and_the_journal_is_gone(
    words: list[str], tmp_path: Path
):
    assert main(words) == 0
    names = {path.name for path in tmp_path.iterdir() if path.name.startswith("p.")}
    plots = {"p.energy.png", "p.power.png", "p.latency.png"}
    assert names == {"p.json", "p.csv", "p.windows.jsonl", *plots}
    for name in plots:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    profile = load_profile(Path("p.json"))
    assert [row["configuration"] for row in rows] == [entry.name for entry in profile.entries]
    assert float(rows[0]["energy_j"]) == profile.entries[0].energy_j
    assert rows[0]["energy_from"] == "emulated"
    assert rows[0]["energy_of_baseline_ratio"] == ""
    assert float(rows[1]["energy_of_baseline_ratio"]) > 0
    windows = windows_from((tmp_path / "p.windows.jsonl").read_bytes())
    assert [window.engine for window in windows] == [
        "",
        "full",
        "c2",
        "c1",
        "c1",
        "c2",
        "full",
        "",
    ]


def test_plots_as_svg(words: list[str], tmp_path: Path):
    assert main([*words, "--plots", "svg"]) == 0
    assert "<svg" in (tmp_path / "p.power.svg").read_text()
    assert not list(tmp_path.glob("p.*.png"))


def run_until(words: list[str], journal: Path, lines: int) -> "subprocess.Popen[bytes]":
    """Start edgert in a process of its own and wait until that many windows are kept."""
    windows = journal / "energy.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "edgert", *words, "--plots", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while process.poll() is None and not (
        windows.exists() and windows.read_bytes().count(b"\n") > lines
    ):
        os.sched_yield()
    return process


def test_a_killed_measurement_goes_on_where_it_was(words: list[str], tmp_path: Path, capsys):
    many = [*words, "--windows", "12"]
    journal = tmp_path / "p.journal"
    with run_until(many, journal, 3) as process:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "p.json").exists()
    kept = windows_from(b"".join((journal / "energy.jsonl").read_bytes().splitlines(True)))
    parts = json.loads((journal / "parts.json").read_text())
    assert main([*many, "--plots", "none"]) == 0
    windows = windows_from((tmp_path / "p.windows.jsonl").read_bytes())
    assert windows[: len(kept)] == kept
    assert {window.session for window in windows} == {0, 1}
    assert len([w for w in windows if w.kind == "load"]) == 3 * 12
    profile = load_profile(Path("p.json"))
    # Latencies were not measured again: they are those of the process that was killed.
    full = [s for times in parts["rounds"] for s in times["full"]]
    assert profile.entries[0].latency_s == pytest.approx(sorted(full)[len(full) // 2], rel=0.5)
    assert profile.entries[0].latency is not None
    assert profile.entries[0].latency.runs == len(full)
    assert not journal.exists()


def test_ctrl_c_says_where_finished_parts_are(words: list[str], tmp_path: Path):
    with run_until([*words, "--windows", "40"], tmp_path / "p.journal", 2) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.decode().splitlines() == [
        "profile: finished parts are kept in p.journal; the same command goes on from there",
        "edgert profile: stopped",
    ]
    assert (tmp_path / "p.journal" / "energy.jsonl").is_file()
    assert not (tmp_path / "p.json").exists()


@pytest.fixture
def broken_off(words: list[str], tmp_path: Path, monkeypatch) -> Path:
    """The journal of a measurement whose last step, writing the profile, failed."""
    (tmp_path / "p.json").mkdir()
    assert main([*words, "--plots", "none"]) == 1
    (tmp_path / "p.json").rmdir()
    return tmp_path / "p.journal"


def test_nothing_is_measured_twice(words: list[str], broken_off: Path, tmp_path: Path):
    kept = (broken_off / "energy.jsonl").read_bytes()
    assert main([*words, "--plots", "none"]) == 0
    assert (tmp_path / "p.windows.jsonl").read_bytes() == kept


def test_a_torn_line_is_measured_again(words: list[str], broken_off: Path, tmp_path: Path):
    file = broken_off / "energy.jsonl"
    content = file.read_bytes()
    file.write_bytes(content[:-100])  # the idle after
    assert main([*words, "--plots", "none"]) == 0
    again = (tmp_path / "p.windows.jsonl").read_bytes()
    whole = content[: content[:-1].rfind(b"\n") + 1]
    assert again.startswith(whole)
    assert windows_from(again)[-1].session == 1


@pytest.mark.parametrize(
    ("name", "line"),
    [("energy.jsonl", "energy.jsonl line 3: expected a window"), ("parts.json", "")],
)
def test_a_damaged_journal_is_one_line(
    words: list[str], broken_off: Path, tmp_path: Path, capsys, name: str, line: str
):
    content = (broken_off / name).read_bytes()
    lines = content.splitlines(True)
    (broken_off / name).write_bytes(
        b"".join([*lines[:2], b"{}\n", *lines[3:]]) if line else content[:40]
    )
    capsys.readouterr()
    assert main([*words, "--plots", "none"]) == 1
    told = error_line(capsys)
    assert line in told
    assert name in told
    assert not (tmp_path / "p.json").exists()
    assert main([*words, "--plots", "none", "--restart"]) == 0


def test_another_measurement_s_journal_is_refused_and_restart_throws_it_away(
    words: list[str], broken_off: Path, tmp_path: Path, capsys
):
    capsys.readouterr()
    other = [*words, "--windows", "3", "--plots", "none"]
    assert main(other) == 1
    told = error_line(capsys)
    assert "energy " in told
    assert "3 windows of 2 s" in told
    assert "--restart" in told
    assert main([*other, "--restart"]) == 0
    figure = load_profile(Path("p.json")).entries[0].energy
    assert figure is not None
    assert figure.windows == 3


def test_a_board_that_throttles_is_told_and_leaves_no_profile(
    words: list[str], tmp_path: Path, capsys
):
    board_file(tmp_path, trip_c=25)
    capsys.readouterr()
    assert main([*words, "--plots", "none"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("edgert profile: measure energy, ")
    assert "throttled: " in lines[-1]
    assert not (tmp_path / "p.json").exists()
    assert (tmp_path / "p.journal").is_dir()


@pytest.mark.parametrize(
    ("flags", "status", "line"),
    [
        (["--window-s", "3"], 2, "--window-s: expected --energy or --sustained beside it"),
        (["--source", "sysfs"], 2, "--source: expected --energy"),
        (["--energy", "--board", "x", "--source", "sysfs"], 2, "sensors, got both"),
        (["--energy", "--root", "nowhere"], 1, "sysfs: a power sensor (sys/class/hwmon"),
        (["--energy", "--source", "magic"], 1, "expected one of sysfs, jtop"),
        (["--energy", "--board", "no-such-board"], 2, "expected a board among"),
        (["--sustained", "--root", "nowhere"], 1, "got none of them"),
        (["-o", "p.csv"], 2, "got that of the table beside it"),
    ],
)
def test_flags_that_can_t_be_followed_are_one_line_and_leave_nothing(
    built: Path, capsys, tmp_path: Path, flags: list[str], status: int, line: str
):
    capsys.readouterr()
    before = set(tmp_path.rglob("*"))
    assert main(["profile", str(built), *flags]) == status
    assert line in error_line(capsys)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("flag", ["--window-s", "--idle-s", "--paced-fps", "--sustained"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_has_to_be_above_zero(capsys, flag: str, value: str):
    with pytest.raises(SystemExit) as stopped:
        main(["profile", "F", "--energy", flag, value])
    assert stopped.value.code == 2
    assert f"{flag}: expected a number above 0, got '{value}'" in capsys.readouterr().err


def test_two_measurements_of_one_profile_are_refused(words: list[str], tmp_path: Path, capsys):
    from edgert.profiling.journal import ProfileJournal

    with ProfileJournal(tmp_path / "p.journal", {}):
        capsys.readouterr()
        assert main([*words, "--plots", "none"]) == 1
    assert "got one that is at it" in error_line(capsys)
    shutil.rmtree(tmp_path / "p.journal")


def test_sustained_shows_the_throttle(built: Path, tmp_path: Path, capsys):
    board = board_file(tmp_path, trip_c=32, heat_k_per_w=0.2)
    capsys.readouterr()
    words = ["profile", str(built), "--sustained", "0.5", "--board", str(board), "-o", "p.json"]
    assert main([*words, "--plots", "png"]) == 0
    text = capsys.readouterr().out
    assert "first throttled after " in text
    assert "latency (emulated)" in text
    played = json.loads((tmp_path / "p.sustained.json").read_text())
    assert [one["to_s"] for one in played["bins"]] == pytest.approx([10, 20, 30], abs=0.1)
    assert played["bins"][-1]["throttled"]
    assert played["bins"][-1]["clock_ratio"] == pytest.approx(0.5)
    assert 0.1 < played["first_throttle_s"] < 10
    with (tmp_path / "p.sustained.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3
    assert (tmp_path / "p.sustained.png").stat().st_size > 1000
    assert not (tmp_path / "p.json").exists()


def test_sustained_at_a_pace_and_as_json(built: Path, tmp_path: Path, capsys):
    board = board_file(tmp_path)
    capsys.readouterr()
    words = ["profile", str(built), "--sustained", "0.2", "--paced-fps", "50", "--json"]
    assert main([*words, "--board", str(board), "-o", "p.json", "--plots", "none"]) == 0
    played = json.loads(capsys.readouterr().out)
    assert sum(one["inferences"] for one in played["bins"]) == pytest.approx(600, abs=2)
    assert played["first_throttle_s"] is None
    assert played["provenance"] == played["latency_from"] == "emulated"
