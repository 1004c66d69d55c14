"""What our jtop source makes of each failure of the real service: a gap with its reason, and a
recovery. The failures are those of the project's notes on jetson-stats."""

import os
import signal
import subprocess
import sys

import pytest

from edgert import errors
from edgert.telemetry import jtop
from tests.board.stand import rest, until

pytestmark = pytest.mark.board

INTERVAL_S = 0.1


@pytest.fixture
def open_jtop(stand):
    """Opens jtop sources on the stand; closes them."""
    opened = []

    def open_jtop(interval_s=INTERVAL_S, *, prefix=()):
        child = [*prefix, stand.tools.python, jtop.CHILD, str(interval_s)]
        source = jtop.JtopSource(
            interval_s=interval_s,
            root=stand.tree.folder,
            clock=stand.clock,
            command=stand.inside(child),
        )
        opened.append(source)
        return source

    yield open_jtop
    for source in opened:
        source.close()


def fresh(source):
    """A sample without a gap of the whole source."""
    sample = source.read()
    return sample if sample is not None and "jtop" not in sample.gaps else None


def gap(source):
    sample = source.read()
    return sample.gaps.get("jtop", "") if sample is not None else ""


def assert_recovers(stand, source):
    """The next sample tells of power that is drawn now."""
    stand.tree.book_run("any", 30.0)
    until(
        lambda: (sample := fresh(source)) and sample.power_w > 8 and sample.age_s < 1.0,
        seconds=40,
        what="a sample of the present",
    )


def test_without_a_service_a_source_that_looks_for_its_socket_says_so(stand):
    with pytest.raises(errors.SourceUnavailableError, match=r"run/jtop\.sock"):
        jtop.JtopSource(root=stand.tree.folder)


def test_without_a_service_there_is_a_gap_until_it_starts(stand, open_jtop):
    source = open_jtop()
    assert "service does not answer" in until(lambda: gap(source), what="a gap")
    stand.start_service()
    assert_recovers(stand, source)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_service_that_is_ended_and_started_again(stand, open_jtop, number):
    stand.start_service()
    source = open_jtop()
    until(lambda: fresh(source), what="a sample")
    stand.kill_service(number)
    reason = until(lambda: gap(source), what="a gap")
    assert reason
    assert source.read().power_w is None
    stand.start_service()
    assert_recovers(stand, source)
    assert source.starts >= 2


def test_a_service_that_hangs_and_goes_on(stand, open_jtop):
    stand.start_service()
    source = open_jtop()
    until(lambda: fresh(source), what="a sample")
    stand.tree.fault("hung", pid=stand.service_pid)
    reason = until(lambda: gap(source), what="a gap")
    assert "no new sample" in reason or "silent" in reason
    rest(4.0)  # long enough for a restart of our process in the middle of it
    stand.tree.recover("hung")
    assert_recovers(stand, source)


def test_a_torn_file_that_ends_the_service_s_sampling(stand, open_jtop):
    stand.start_service()
    source = open_jtop()
    until(lambda: fresh(source), what="a sample")
    stand.tree.fault("torn", lasting=True)
    rest(0.5)
    stand.tree.recover("torn")
    assert until(lambda: gap(source), what="a gap")
    stand.kill_service()
    stand.start_service()
    assert_recovers(stand, source)


def test_an_nvpmodel_that_hangs_ends_the_service_s_sampling(stand, open_jtop):
    """Seen here with 7.2.2: after its 4 s of patience the timer thread is gone, and the next
    client's start takes the whole service down. On a board systemd starts it again."""
    stand.start_service()
    source = open_jtop()
    until(lambda: fresh(source), what="a sample")
    stand.tree.fault("nvpmodel-hung")
    until(lambda: gap(source), what="a gap")
    until(lambda: "nvpmodel command unavailable" in stand.log(), what="the end of its patience")
    stand.tree.recover("nvpmodel-hung")
    assert gap(source)
    stand.kill_service()
    stand.start_service()
    assert_recovers(stand, source)


def test_a_second_client_that_is_slower_and_came_first(stand, open_jtop):
    stand.start_service()
    with stand.client(1.0) as client:
        client.next()
        source = open_jtop(0.1)
        until(lambda: fresh(source), what="a sample")
        reasons = set()
        for _ in range(40):
            rest(0.05)
            reasons.add(gap(source))
        assert reasons == {""}
        assert source.read().age_s < 3.0


def test_a_second_client_of_the_same_speed(stand, open_jtop):
    stand.start_service()
    first, second = open_jtop(), open_jtop()
    for source in (first, second):
        until(lambda source=source: fresh(source), what="a sample")
    rest(2.0)
    assert [gap(source) for source in (first, second)] == ["", ""]
    first.close()
    assert_recovers(stand, second)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_who_may_not_ask_is_told_which_group(stand, open_jtop):
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    if subprocess.run([*nobody, sys.executable, "-c", ""], check=False).returncode:
        pytest.skip(f"no other user may run {sys.executable}: it lies in a closed folder")
    stand.start_service()
    source = open_jtop(prefix=nobody)
    assert "usermod -aG jtop" in until(lambda: gap(source), what="a gap")
    allowed = open_jtop()
    assert until(lambda: fresh(allowed), what="root's sample").power_w > 3


def test_a_wall_clock_that_steps_back(stand, open_jtop):
    """The service sleeps by the wall clock: a step back within a tick makes it sleep that long.

    Steps come often here, because only one that falls into a tick does it.
    """
    if stand.tools.shim is None:
        pytest.skip("no C compiler here: the wall clock can't be stepped")
    stand.start_service()
    source = open_jtop()
    until(lambda: fresh(source), what="a sample")
    seen = ""
    for step in range(1, 1800):  # chance decides: usually one of the first hundred
        stand.tree.fault("clock-back", step_s=6.0 * step)
        rest(0.033)
        seen = gap(source)
        if "no new sample" in seen:
            break
    assert "no new sample" in seen
    assert_recovers(stand, source)
