"""Killed at random moments while engines are exchanged: a set that is whole serves again."""

import random
import signal
import time

import pytest

from tests.daemon.real_daemon import Daemon, wait_for
from tests.soak.conftest import served

KILLS = 20


@pytest.mark.slow
def test_killed_at_random_moments_of_a_swap_it_serves_a_whole_set_again(daemon: Daemon, note):
    daemon.start().ready()
    served(daemon)
    took_s = swap_s(daemon)
    chance, outcomes, ready_s = random.Random(7), {"old": 0, "new": 0}, []
    for _ in range(KILLS):
        before = daemon.status()["engine_set"]
        daemon.place.another_set()
        daemon.send(signal.SIGHUP)
        time.sleep(chance.uniform(0.0, 1.6 * took_s))  # the random moment; nothing is waited for
        daemon.kill()
        begin_s = time.monotonic()
        daemon.start().ready()
        ready_s.append(round(time.monotonic() - begin_s, 2))
        status = served(daemon)
        assert status["ready"]
        outcomes["old" if status["engine_set"] == before else "new"] += 1
        with daemon.client() as client:  # whatever was begun can be done now
            assert client.post("/v1/reload", json={}).status_code == 200
        assert daemon.status()["engine_set"] != before
        folders = [p for p in (daemon.place.folder / "state/engines").iterdir() if p.is_dir()]
        whole = [p for p in folders if not p.is_symlink() and not p.name.startswith(".")]
        assert len(whole) <= 2
    note(kills=KILLS, swap_s=round(took_s, 2), served_after=outcomes, most_ready_s=max(ready_s))
    assert daemon.stop() == 0


def swap_s(daemon: Daemon) -> float:
    """How long one takes here and now."""
    before, begin_s = daemon.status()["engine_set"], time.monotonic()
    daemon.place.another_set()
    daemon.send(signal.SIGHUP)
    wait_for(lambda: daemon.status()["engine_set"] != before, "the other set")
    return time.monotonic() - begin_s
