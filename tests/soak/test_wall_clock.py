"""The wall's clock steps by an hour, both ways: only stamps follow it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.daemon.real_daemon import Daemon, wait_for
from tests.soak.conftest import served

SOURCE = Path(__file__).with_name("wall_clock.c")


@pytest.fixture
def shim(tmp_path: Path) -> tuple[Path, Path]:
    """A library to be preloaded, and the file with the seconds that it moves the clock by."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("NOT TESTED WITH A CLOCK THAT STEPS: there is no C compiler")
    library, seconds = tmp_path / "wall_clock.so", tmp_path / "seconds"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True
    )
    seconds.write_text("0\n")
    return library, seconds


@pytest.mark.parametrize("step_s", [3600, -3600])
def test_a_step_of_the_walls_clock_moves_stamps_and_nothing_else(
    daemon: Daemon, shim: tuple[Path, Path], step_s: int, note
):
    library, seconds = shim
    environment = {
        "LD_PRELOAD": str(library), "WALL_CLOCK": str(seconds), "WATCHDOG_USEC": "1000000",
    }  # fmt: skip
    daemon.start(environment=environment).ready()
    before = served(daemon, 10)
    assert daemon.patch(power_w=20.0).status_code == 200
    seconds.write_text(f"{step_s}\n")
    after = served(daemon, 20)
    # The step arrived: without this the rest would say nothing.
    passed_s = after["uptime_s"] - before["uptime_s"]
    assert 0 < passed_s < 60
    assert after["unix_s"] - before["unix_s"] == pytest.approx(step_s + passed_s, abs=2.0)
    assert after["ready"]
    assert after["reasons"] == []
    assert after["telemetry"]["age_s"] < 2.0
    assert after["streams"][0]["source"]["state"] == "running"
    assert after["streams"][0]["served_fps"] > 5.0
    assert after["streams"][0]["wait_p95_s"] < 1.0
    assert daemon.patch(deadline_s=0.5).status_code == 200
    changed = daemon.events(until="deadline_s none → 0.5", kind="limits")
    earlier = daemon.events(until="power_w none → 20", kind="limits")
    assert 0 < changed["time_s"] - earlier["time_s"] < 60
    assert changed["unix_s"] - earlier["unix_s"] == pytest.approx(step_s, abs=60)
    for _ in range(3):
        daemon.hear("WATCHDOG=1")
    seconds.write_text("0\n")  # and back
    wait_for(lambda: abs(daemon.status()["unix_s"] - before["unix_s"]) < 120, "the clock back")
    back = served(daemon, 10)
    assert back["ready"]
    assert back["reasons"] == []
    assert back["misses"] == before["misses"]
    note(step_s=step_s, frames=back["frames"], misses=back["misses"])
    assert daemon.stop() == 0
