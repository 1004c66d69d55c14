"""The tool that starts an emulated board by hand."""

import subprocess
import sys
from pathlib import Path

import emulate_board
import pytest

from edgert.emulator import namespace
from edgert.errors import UsageError

TOOL = Path(emulate_board.__file__)


def test_a_fault_is_a_name_with_options_and_times():
    fault = emulate_board.planned_from_text("torn,file=VDD_SOC,lasting=True@12s+2.5s")
    assert fault == ("torn", {"file": "VDD_SOC", "lasting": True}, 12.0, 14.5)
    lasting = emulate_board.planned_from_text("over-current,events=3,counter=2@0.5")
    assert lasting == ("over-current", {"events": 3, "counter": 2}, 0.5, None)


@pytest.mark.parametrize("text", ["torn", "tear@3", "torn@", "torn@x", "torn,file@3", "@3"])
def test_a_fault_that_is_none_is_refused_with_the_names_that_there_are(text):
    with pytest.raises(UsageError, match=r"torn, vanished, .* Write for example torn@12s"):
        emulate_board.planned_from_text(text)


def test_a_load_is_busy_and_period_in_milliseconds():
    assert emulate_board.load_from_text("13/33.3") == pytest.approx((0.013, 0.0333))


@pytest.mark.parametrize("text", ["13", "0/33", "34/33", "a/b", "13/33s"])
def test_a_load_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="BUSY at most PERIOD"):
        emulate_board.load_from_text(text)


def test_a_board_runs_with_load_and_faults_and_leaves_its_files(tmp_path, capsys):
    arguments = ["--board", "agx-orin", "--jetpack", "7", "--folder", str(tmp_path)]
    arguments += ["--load", "20/20", "--fault", "over-current@0", "--seconds", "0.4"]
    assert emulate_board.main([*arguments, "--fault", "fan-stop@0+0.1"]) == 0
    told = capsys.readouterr().err
    assert "emulated NVIDIA Jetson AGX Orin" in told
    assert str(tmp_path / "load") in told
    assert "over: fan-stop" in told
    assert (tmp_path / "sys/class/hwmon/hwmon3/oc3_event_cnt").read_text() == "1\n"
    current_ma = int((tmp_path / "sys/class/hwmon/hwmon1/curr1_input").read_text())
    assert current_ma > 1000  # idle: 166 mA at 19 V


def test_bad_words_are_one_line_and_status_2(capsys):
    assert emulate_board.main(["--fault", "tear@3"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("emulate_board: --fault tear@3: expected NAME")
    assert len(told.splitlines()) == 1


def test_a_board_file_that_is_missing_is_one_line_and_status_1(tmp_path, capsys):
    assert emulate_board.main(["--physics", str(tmp_path / "none.yaml")]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.board
@pytest.mark.skipif(bool(namespace.why_not()), reason="mount namespaces are forbidden here")
def test_a_program_runs_on_the_board_and_its_status_is_the_tool_s():
    script = "cat /proc/device-tree/model; nvpmodel -q; exit 3"
    done = subprocess.run(
        [sys.executable, str(TOOL), "--board", "orin-nx", "--", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=TOOL.parents[1],
    )
    assert done.returncode == 3
    assert "Jetson Orin NX" in done.stdout
    assert "NV Power Mode: 40W" in done.stdout
