"""What a service manager hears, over real sockets."""

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from edgert.daemon.systemd import Heartbeat, Patience, ServiceManager
from edgert.settings import SystemdVariables, systemd_variables


class Ear:
    """A manager's socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(5.0)
        self.socket.bind(address)

    def hear(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")


@pytest.fixture(params=["path", "abstract"])
def ear_and_address(request, tmp_path: Path):
    if request.param == "path":
        address = bound = str(tmp_path / "notify")
    else:
        address = f"@edgert-test-{os.getpid()}-{time.monotonic_ns()}"
        bound = f"\0{address[1:]}"
    ear = Ear(bound)
    yield ear, address
    ear.socket.close()


def test_every_word_arrives(ear_and_address):
    ear, address = ear_and_address
    manager = ServiceManager(address)
    manager.status("two\nlines are one")
    assert ear.hear() == ["STATUS=two lines are one"]
    manager.ready("4 engines")
    assert ear.hear() == ["READY=1", "STATUS=4 engines"]
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.reloading()
    word, stamp = ear.hear()
    assert word == "RELOADING=1"
    assert 0 <= int(stamp.removeprefix("MONOTONIC_USEC=")) - before_us < 5_000_000
    manager.extend(1.5)
    assert ear.hear() == ["EXTEND_TIMEOUT_USEC=1500000"]
    manager.stopping("draining")
    assert ear.hear() == ["STOPPING=1", "STATUS=draining"]
    manager.alive()
    assert ear.hear() == ["WATCHDOG=1"]


def test_nobody_there_is_no_error(tmp_path: Path):
    ServiceManager("").ready("x")
    ServiceManager(str(tmp_path / "nobody")).ready("x")


def test_the_watchdog_is_fed_twice_in_its_time_and_only_while_work_goes_on(tmp_path: Path):
    ear = Ear(str(tmp_path / "notify"))
    alive = threading.Event()
    alive.set()
    manager = ServiceManager(str(tmp_path / "notify"), watchdog_s=0.1)
    with Heartbeat(manager, alive.is_set):
        start_s = time.monotonic()
        for _ in range(5):
            assert ear.hear() == ["WATCHDOG=1"]
        assert 0.15 < time.monotonic() - start_s < 2.0
        alive.clear()
        ear.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):  # at most what was on its way
            for _ in range(5):
                ear.hear()
        alive.set()
        assert ear.hear() == ["WATCHDOG=1"]
    ear.socket.close()


def test_without_a_watchdog_there_is_no_thread():
    before = threading.active_count()
    with Heartbeat(ServiceManager(), lambda: True):
        assert threading.active_count() == before


def test_more_time_is_asked_for_until_it_is_enough(tmp_path: Path):
    ear = Ear(str(tmp_path / "notify"))
    with Patience(ServiceManager(str(tmp_path / "notify")), step_s=0.09):
        for _ in range(4):
            assert ear.hear() == ["EXTEND_TIMEOUT_USEC=90000"]
    ear.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        for _ in range(3):
            ear.hear()
    ear.socket.close()


def test_variables_are_read_and_another_process_s_watchdog_is_not_mine():
    mine = {
        "NOTIFY_SOCKET": "/run/n",
        "WATCHDOG_USEC": "2000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    assert ServiceManager.from_variables(systemd_variables(mine)).watchdog_s == 2.0
    other = {**mine, "WATCHDOG_PID": "1"}
    assert ServiceManager.from_variables(systemd_variables(other)).watchdog_s is None
    assert systemd_variables({"WATCHDOG_USEC": "soon"}) == SystemdVariables()
    two = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}
    assert systemd_variables(two).state_directory == "/var/lib/a"
