"""What a daemon keeps does not grow with the requests, changes and reloads that it has answered.

As in tests/runtime/test_memory.py, in blocks of the interpreter's allocator. No stream is served;
the newest 1000 events, which are kept, are there at both counts.
"""

import gc
import sys
from pathlib import Path

import pytest

from edgert.daemon.metrics import Metrics
from edgert.records import WantedChange
from tests.daemon.sets import Workplace
from tests.daemon.test_metrics import frame
from tests.daemon.test_service import Stand

ROUNDS = 100


@pytest.fixture
def stand(profiled_once: Path, tmp_path: Path):
    (tmp_path / "state").mkdir(mode=0o700)
    one = Stand(Workplace(profiled_once, tmp_path / "w"), tmp_path / "state", streams=())
    one.service.start()
    for number in range(2000):  # the first ids are not counted: the interpreter shares them
        one.service.events.add("limits", f"power_w is {number}", by="nobody")
    yield one
    one.service.close()


def blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


def grown(stand: Stand, keep=lambda _: None) -> float:
    """Blocks a round of all that a daemon is asked, from N rounds to 3 N."""
    metrics, service = Metrics(process=False), stand.service

    def ask(rounds: int) -> None:
        for number in range(rounds):
            service.change(WantedChange(power_w=5.0 + number % 3, paused=number % 2 == 0), by="x")
            metrics.see_frame(frame(switched=True, reason=f"c{number} would draw 8.75 W of 7 W"))
            assert metrics.render(service.status(), service.configurations())
            keep(service.status())
            assert len(service.events.since(0)) == 1000
            if number % 20 == 0:
                service.reload(by="x").result(20)

    ask(ROUNDS)
    before = blocks()
    ask(2 * ROUNDS)
    return (blocks() - before) / (2 * ROUNDS)


def test_nothing_is_kept_of_a_request_for_ever(stand: Stand):
    assert grown(stand) < 2


def test_what_is_kept_of_a_request_is_seen(stand: Stand):
    """The control: one status a round."""
    kept: list = []
    assert grown(stand, kept.append) > 6
