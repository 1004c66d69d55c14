"""The process that jetson-stats lives in: what it writes of a state, and how it ends.

The states below have the shape that the real package's were seen to have.
"""

import datetime
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgert.telemetry import jtop_child


def state(**more):
    rail = {"volt": 5000, "curr": 144, "power": 720, "online": True, "avg": 700}
    total = {"volt": 5000, "curr": 1000, "power": 5000, "online": True, "name": "VDD_IN"}
    freq = {"cur": 1344000, "min": 115200, "max": 1728000}
    fields = {
        "uptime": datetime.timedelta(seconds=123.45),
        "interval": 0.1,
        "power": {"rail": {"VDD_SOC": rail}, "tot": total},
        "temperature": {
            "tj": {"temp": 45.5, "online": True},
            "cv0": {"temp": -256, "online": False},
        },
        "gpu": {
            "gpu": {"status": {"load": 41.5}, "freq": {"cur": 306000, "max": 1020000, "GPC": [1]}}
        },
        "cpu": {
            "total": {"user": 5.0, "idle": 90.0},
            "cpu": [{"online": True, "freq": freq}, {"online": False}],
        },
        "memory": {"RAM": {"tot": 7800000, "used": 2000000}},
        "fan": {"pwmfan": {"speed": [34.5], "profile": "quiet"}},
        "nvpmodel": SimpleNamespace(name="25W", id=1),
    }
    return SimpleNamespace(**(fields | more))


def test_state_is_told_in_si_units():
    sample = jtop_child.sample_from_state(state())
    assert sample["uptime_s"] == 123.45
    assert sample["interval_s"] == 0.1
    assert sample["rails_w"] == {"VDD_SOC": 0.72, "VDD_IN": 5.0}
    assert sample["zones_c"] == {"tj": 45.5, "cv0": None}
    assert sample["clocks_hz"] == {"gpu": 306e6, "cpu0": 1344e6}
    assert sample["clock_caps_hz"] == {"gpu": 1020e6, "cpu0": 1728e6}
    assert sample["utilisation"] == {"gpu": pytest.approx(0.415), "cpu": pytest.approx(0.1)}
    assert sample["power_mode"] == "25W"
    assert sample["fan_ratio"] == pytest.approx(0.345)
    assert sample["memory_used_bytes"] == 2000000 * 1024
    assert json.loads(json.dumps(sample)) == sample


def test_total_without_a_name_is_a_sum_and_left_out():
    sample = jtop_child.sample_from_state(
        state(power={"rail": {"A": {"power": 1000}}, "tot": {"power": 1000, "avg": 900}})
    )
    assert sample["rails_w"] == {"A": 1.0}


def test_what_the_board_does_not_have_is_left_out():
    bare = state(gpu={}, cpu={}, memory={}, fan={}, temperature={}, power={}, nvpmodel=None)
    sample = jtop_child.sample_from_state(bare)
    assert sample["rails_w"] == sample["zones_c"] == sample["clocks_hz"] == {}
    assert (sample["power_mode"], sample["fan_ratio"], sample["memory_used_bytes"]) == (
        "",
        None,
        None,
    )


def test_rail_that_is_offline_and_value_that_is_none_are_left_out():
    rails = {
        "A": {"power": 1000, "online": False},
        "B": {"power": None},
        "C": {"power": float("nan")},
    }
    sample = jtop_child.sample_from_state(state(power={"rail": rails, "tot": {}}))
    assert sample["rails_w"] == {}


class Client:
    """jetson-stats' client: calls back with states, then says how it ends."""

    def __init__(self, states, end, fail=None):
        self.states, self.end, self.fail, self.asked = states, end, fail, []

    def jtop(self, *, interval):
        self.asked.append(interval)
        return self

    def attach(self, callback):
        self.callback = callback

    def start(self):
        if self.fail is not None:
            raise self.fail
        for one in self.states:
            self.callback(one)

    def ok(self, *, spin=False):
        assert spin  # without it the client ends for good after one late sample
        if isinstance(self.end, Exception):
            raise self.end
        return False


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def watch(client):
    return jtop_child.watch(client, 0.1, lambda _: None)


def test_every_state_is_a_line_until_the_service_is_lost(capsys):
    client = Client([state(), state(uptime=datetime.timedelta(seconds=124))], None)
    assert watch(client) == 1
    first, second, end = lines(capsys)
    assert (first["sample"]["uptime_s"], second["sample"]["uptime_s"]) == (123.45, 124.0)
    assert end["kind"] == "lost"
    assert client.asked == [0.1]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("Lost connection with jtop server"), "lost"),
        (BrokenPipeError(32, "Broken pipe"), "lost"),
        (EOFError(), "lost"),
        (ConnectionResetError(104, "reset"), "lost"),
        (RuntimeError("I can't access jtop.service.\nPlease logout or reboot"), "permission"),
        (PermissionError(13, "denied"), "permission"),
        (RuntimeError("Mismatch version jtop service: 4.2 and client: 7.2"), "version"),
        (RuntimeError("The jtop.service is not active"), "service"),
        (KeyError("tot"), "service"),
    ],
)
def test_every_error_is_one_line_with_its_kind(capsys, error, kind):
    assert watch(Client([], None, fail=error)) == 1
    (line,) = lines(capsys)
    assert line["kind"] == kind
    assert line["error"]
    assert "\n" not in line["error"]


def run(arguments, *, before=""):
    program = Path(jtop_child.__file__)
    code = f"{before}import runpy, sys; sys.argv[1:] = {arguments!r}; "
    code += f"sys.path.insert(0, {str(program.parent)!r}); "
    code += f"runpy.run_path({str(program)!r}, run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code], input="", capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip


def test_program_ends_when_its_parent_is_gone(tmp_path):
    package = tmp_path / "jtop.py"
    package.write_text(
        "import time\nclass jtop:\n    def __init__(self, interval): pass\n"
        "    def attach(self, callback): pass\n    def start(self): time.sleep(600)\n"
    )
    done = run(["0.1"], before=f"import sys; sys.path.append({str(tmp_path)!r}); ")
    assert done.returncode == 0  # its standard input was at its end at once
    assert done.stdout == ""


def test_program_takes_jetson_stats_and_not_a_module_beside_it(tmp_path):
    """Beside the program lies a jtop.py, and its folder comes first in the path."""
    package = tmp_path / "jtop.py"
    package.write_text(
        "class jtop:\n    def __init__(self, interval): raise RuntimeError(f'real, {interval}')\n"
    )
    before = f"import sys, os; sys.path.append({str(tmp_path)!r}); "
    before += "r, w = os.pipe(); os.dup2(r, 0); "  # a standard input that stays open
    done = run(["0.25"], before=before)
    assert json.loads(done.stdout) == {"error": "real, 0.25", "kind": "service"}
    assert done.returncode == 1


def test_program_without_jetson_stats_says_so():
    before = "import os, sys; sys.modules['jtop'] = None; r, w = os.pipe(); os.dup2(r, 0); "
    done = run([], before=before)
    assert json.loads(done.stdout)["kind"] == "missing"


def test_program_loads_nothing_of_the_rest():
    """It runs in the interpreter that has jetson-stats, which may have nothing else of ours."""
    code = (
        f"import sys, runpy; runpy.run_path({str(Path(jtop_child.__file__))!r}, run_name='x'); "
        "ours = ('edgert', 'numpy', 'msgspec', 'jtop'); "
        "print([m for m in sys.modules if m.split('.')[0] in ours])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == "[]"
