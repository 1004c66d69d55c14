"""A daemon's drain while its cameras are there and say nothing, at the real time limits."""

import time
from pathlib import Path

import pytest

from tests.daemon.real_daemon import Daemon, wait_for
from tests.daemon.sets import Workplace
from tests.runtime.silent_server import Silent

YARD = {"name": "yard", "source": "test://?width=64&height=48&fps=25", "policy": "latest",
        "sinks": ["yard.mp4"]}  # fmt: skip


@pytest.mark.slow
def test_four_cameras_that_say_nothing_hold_the_end_up_once(profiled_once: Path, tmp_path: Path):
    place = Workplace(profiled_once, tmp_path / "w")
    with Silent() as server:
        silent = [
            {"name": f"camera{place}", "source": f"{scheme}://127.0.0.1:{server.port}/live",
             "decoder": "pyav"}
            for place, scheme in enumerate(["rtsp", "http", "rtsp", "http"])
        ]  # fmt: skip
        with Daemon(place, streams=[YARD, *silent]) as daemon:
            daemon.start().ready()
            wait_for(lambda: len(server.taken) >= 4, "four connections")
            wait_for(lambda: daemon.status()["frames"] >= 3, "frames of the one that is well")
            begin_s = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - begin_s < 13.0  # one time limit of opening, and the rest
    assert (place.folder / "yard.mp4").is_file()
