"""The power sensor of an emulated board fails for a minute under a real daemon, and comes back."""

import sys
import time
from pathlib import Path

import pytest

from edgert.emulator import namespace
from tests.daemon.real_daemon import Daemon, wait_for

TOOL = Path(__file__).resolve().parents[2] / "tools" / "emulate_board.py"
RAIL = "VDD_IN"
LOST_S = 60.0
FROM_S = 10.0


@pytest.mark.slow
def test_a_sensor_that_fails_for_a_minute_is_a_gap_and_never_a_zero(place, note):
    if why := namespace.why_not():
        pytest.skip(f"NOT TESTED WITHOUT A SENSOR: {why}")
    fault = f"unreadable,file={RAIL}@{FROM_S:g}s+{LOST_S:g}s"
    inside = (sys.executable, str(TOOL), "--board", "orin-nano", "--quiet", "--fault", fault, "--")
    sensors = {"source": "sysfs", "interval_s": 0.1}
    with Daemon(place, family="", board="", streams=[], telemetry=sensors) as daemon:
        daemon.start(before=inside).ready()
        fresh = wait_for(lambda: daemon.status()["telemetry"], "telemetry")
        assert fresh["power_w"] > 0
        lost = daemon.events(until=f"{RAIL} can't be read", kind="telemetry")
        powers, temps, asked, end_s = [], [], 0, time.monotonic() + 0.9 * LOST_S
        while time.monotonic() < end_s:
            sample = daemon.status()["telemetry"]
            powers.append(sample.get("power_w"))
            temps.append(sample.get("temp_c"))
            asked += 1
            time.sleep(0.5)
        back = daemon.events(until=f"{RAIL} can be read again", kind="telemetry")
        again = wait_for(
            lambda: (sample := daemon.status()["telemetry"]).get("power_w") and sample, "power"
        )
        without_s = back["time_s"] - lost["time_s"]
        note(lost=lost["text"], back=back["text"], without_s=round(without_s, 1), asked=asked)
        assert set(powers) == {None}  # neither the last value nor a zero
        assert all(temp_c is not None for temp_c in temps)  # the others go on
        assert without_s == pytest.approx(LOST_S, abs=5.0)
        assert again["power_w"] > 0
        daemon.stop()
