"""A disk that is full while a daemon serves: told, survived, and made up for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.daemon.real_daemon import Daemon, wait_for
from tests.soak.conftest import served

MOUNT = ("unshare", "-m", "--propagation", "private", "sh", "-c",
         'mount -t tmpfs -o size=1m,mode=700 none "$0" && exec "$@"')  # fmt: skip


@pytest.fixture
def small_disk(daemon: Daemon) -> Path:
    """The folder of the daemon's state, on which a disk of 1 MB is to be mounted."""
    state = daemon.place.folder / "state"
    state.mkdir(mode=0o700)
    if shutil.which("unshare") is None or os.geteuid():
        pytest.skip("NOT TESTED ON A FULL DISK: no unshare, or not root")
    probe = subprocess.run([*MOUNT, str(state), "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"NOT TESTED ON A FULL DISK: no mount of one's own: {probe.stderr.decode()}")
    return state


def fill(folder: Path) -> int:
    """Write until there is no room; how much that took."""
    written = 0
    with (folder / "ballast").open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    written += file.write(b"x" * size)
            except OSError:
                continue
    return written


@pytest.mark.slow
def test_a_full_disk_is_told_frames_go_on_and_all_is_kept_again_when_there_is_room(
    daemon: Daemon, small_disk: Path, note
):
    daemon.start(before=(*MOUNT, str(small_disk))).ready()
    status = served(daemon, 5)
    assert (status["log_problem"], status["reasons"]) == ("", [])
    # The same folder as the daemon sees it.
    inside = Path(f"/proc/{daemon.process.pid}/root{small_disk}")
    size = sum(path.stat().st_size for path in inside.rglob("*") if path.is_file())
    filled = fill(inside)
    full = wait_for(
        lambda: (s := daemon.status())["log_problem"] and s, "told that nothing is logged"
    )
    assert "no space left on device" in full["log_problem"]
    assert daemon.patch(deadline_s=0.25).status_code == 200  # holds, though it can't be kept
    told = daemon.status()
    assert any("what is asked for is not kept" in reason for reason in told["reasons"])
    assert told["wanted"]["limits"]["deadline_s"] == 0.25
    assert told["ready"]
    during = served(daemon, 40)
    assert during["misses"] == full["misses"]
    # Another set can't be copied: refused, and what there was goes on.
    before = daemon.status()["engine_set"]
    daemon.place.another_set()
    with daemon.client() as client:
        refused = client.post("/v1/reload", json={})
    assert refused.status_code >= 400
    assert "no space" in refused.text.lower()
    assert served(daemon, 5)["engine_set"] == before
    (inside / "ballast").unlink()
    assert daemon.patch(deadline_s=0.3).status_code == 200
    assert daemon.status()["reasons"] == []
    again = wait_for(lambda: not daemon.status()["log_problem"] and daemon.status(), "a log again")
    with daemon.client() as client:
        assert client.post("/v1/reload", json={}).status_code == 200
    assert daemon.status()["engine_set"] != before
    note(
        disk_bytes=1 << 20, used_bytes=size, filled_bytes=filled,
        frames_while_full=again["frames"] - full["frames"], refused=refused.json()["error"],
    )  # fmt: skip
    assert daemon.stop() == 0
