"""tools/profile_power.py: several families or boards in one table."""

import json
from pathlib import Path

import profile_power
import pytest

from edgert.artifacts import load_profile, save_profile
from edgert.cli.main import main
from tests.cli.energy_boards import SHORT, board_file
from tests.profile_figures import entry, profile


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    file = tmp_path / "p.json"
    save_profile(file, profile(entry("full", 0.447, 0.9), entry("c1", 0.2, 0.8, baseline=0.45)))
    return file


def test_profiles_that_were_measured_before(measured: Path, tmp_path: Path, capsys):
    other = tmp_path / "q.json"
    save_profile(other, profile(entry("full", 0.9, 0.9, "emulated", board="toy-board")))
    assert profile_power.main(["--read", str(measured), str(other)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "energy (measured)" in lines[0]
    assert "energy (emulated)" in lines[0]
    edge = lines[0].index("power (emulated)")
    assert "447 ± 12 mJ" in lines[1][:edge]
    assert "45.0 ± 2.0 %" in lines[2][:edge]
    assert "mJ" not in lines[3][:edge]
    assert lines[3].startswith("toy on toy-board by sysfs")
    assert f"  files: {other}" in lines


def test_claims_are_held_against_it_and_never_against_the_emulated(
    measured: Path, tmp_path: Path, capsys
):
    other = tmp_path / "q.json"
    full, c1 = entry("full", 0.9, 0.9, "emulated"), entry("c1", 0.3, 0.9, "emulated")
    save_profile(other, profile(full, c1))
    assert profile_power.main(["--read", str(measured), str(other), "--claims"]) == 0
    text = capsys.readouterr().out
    first, second = text.split("claims against ")[1:]
    assert "segformer-energy" in first
    assert "our energy is emulated, not measured" not in first
    assert "our energy is emulated, not measured" in second
    assert " met" not in second.replace("not met", "")


def test_a_baseline_that_is_not_there_is_one_line(measured: Path, capsys):
    words = ["--read", str(measured), "--claims", "--baseline", "c9"]
    assert profile_power.main(words) == 1
    assert "a baseline among full, c1" in capsys.readouterr().err


def test_json(measured: Path, capsys):
    assert profile_power.main(["--read", str(measured), "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert told["entries"][0]["energy"]["provenance"] == "measured"


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        ([], 2, "expected a family, or profiles behind --read"),
        (["f", "--sources", "sysfs", "--boards", "b"], 2, "expected --sources or --boards"),
        (["f", "g", "--", "-o", "p.json"], 2, "expected one family in one place, got 2 in 1"),
        (["f", "--boards", "a", "b", "--", "--output", "p"], 2, "got 1 in 2"),
        (["--read", "nowhere.json"], 1, "nowhere.json"),
        (["nowhere"], 1, "nowhere"),
    ],
)
def test_what_can_t_be_done_is_one_line(capsys, words: list[str], status: int, line: str):
    assert profile_power.main(words) == status
    [told] = capsys.readouterr().err.splitlines()
    assert told.startswith("profile_power: ")
    assert line in told


def test_two_boards_measured_one_behind_the_other(
    tiny_family: Path, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGERT_THREADS", "1")
    assert main(["build", str(tiny_family)]) == 0
    one = board_file(tmp_path)
    two = tmp_path / "other-board.yaml"
    two.write_text(one.read_text().replace("idle_w: 3.0", "idle_w: 6.0"))
    capsys.readouterr()
    words = [str(tiny_family), "--boards", str(one), str(two), "--", *SHORT, "--plots", "none"]
    assert profile_power.main(words) == 0
    text = capsys.readouterr().out
    files = sorted(Path("profiles/measured").glob("*/tiny.json"))
    assert [file.parent.name.split(".")[1] for file in files] == ["other-board", "test-board"]
    idle_w = [load_profile(file).entries[0].energy.idle_w for file in files]
    assert idle_w == pytest.approx([6.0, 3.0], rel=0.01)
    for file in files:
        assert str(file) in text
