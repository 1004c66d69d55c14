"""`edgert profile --energy` on the files of an emulated board, read by sysfs in real time."""

import threading
from pathlib import Path

import pytest

from edgert.artifacts import load_profile
from edgert.cli.main import main
from edgert.clock import MonotonicClock
from tests.emulator.trees import make_tree

# A window leads for a second and more, so a whole profile takes half a minute.
SHORT = [
    "--rounds", "2", "--frame-count", "2", "--windows", "1", "--window-s", "0.5",
    "--idle-s", "0.5", "--warm-up-s", "0.5", "--plots", "none", "-o", "p.json",
]  # fmt: skip


def test_no_permission_is_one_line_and_leaves_nothing(built: Path, tmp_path: Path, capsys):
    tree, _ = make_tree(tmp_path / "board")
    with tree:
        tree.fault("unreadable", file="VDD_IN")
        capsys.readouterr()
        words = ["profile", str(built), "--energy", "--root", str(tmp_path / "board"), *SHORT]
        assert main(words) == 1
    [told] = [x for x in capsys.readouterr().err.splitlines() if x.startswith("edgert profile")]
    assert told.startswith("edgert profile: measure energy with sysfs: expected the board's power")
    assert not list(tmp_path.glob("p.*"))


@pytest.mark.slow
def test_a_whole_profile_from_files(built: Path, tmp_path: Path, capsys):
    tree, _ = make_tree(tmp_path / "board", clock=MonotonicClock())
    with tree, tree.run(50):
        words = ["profile", str(built), "--energy", "--root", str(tmp_path / "board"), *SHORT]
        assert main(words) == 0
    figure = load_profile(Path("p.json")).entries[0].energy
    assert figure is not None
    assert (figure.source, figure.provenance) == ("sysfs", "emulated")
    assert figure.board.startswith("jetson-orin-nano")
    assert figure.rails == ["VDD_IN"]
    assert "INA3221" in figure.sensor_bound
    # Nobody told the tree of the runs, so it idles all the time.
    assert figure.power_w == pytest.approx(figure.idle_w, rel=0.02)
    assert "energy (emulated)" in capsys.readouterr().out


@pytest.mark.slow
def test_a_rail_that_disappears_on_the_way_is_told_and_finished_windows_stay(
    built: Path, tmp_path: Path, capsys
):
    tree, _ = make_tree(tmp_path / "board", clock=MonotonicClock())
    journal = tmp_path / "p.journal" / "energy.jsonl"
    gone = threading.Event()

    def take_away() -> None:
        while not gone.wait(0.02):
            if journal.exists() and journal.read_bytes().count(b"\n") >= 2:
                tree.fault("vanished", file="VDD_IN")
                return

    watcher = threading.Thread(target=take_away)
    with tree, tree.run(50):
        watcher.start()
        capsys.readouterr()
        words = ["profile", str(built), "--energy", "--root", str(tmp_path / "board"), *SHORT]
        assert main(words) == 1
        gone.set()
        watcher.join()
    told = capsys.readouterr().err.splitlines()[-1]
    assert "3 in a row that do not, the last: " in told
    assert "vanished" in told
    assert not (tmp_path / "p.json").exists()
    assert journal.read_bytes().count(b"\n") >= 2


@pytest.mark.slow
def test_sustained_from_files(built: Path, tmp_path: Path, capsys):
    tree, _ = make_tree(tmp_path / "board", clock=MonotonicClock())
    with tree, tree.run(50):
        words = ["profile", str(built), "--sustained", "0.05", "--root", str(tmp_path / "board")]
        assert main([*words, "--plots", "none", "-o", "p.json"]) == 0
    text = capsys.readouterr().out
    assert "latency (measured)" in text
    assert "power (emulated)" in text
    assert "not throttled in 3.0 s" in text
