"""Signals reach the main thread whichever thread the kernel interrupts."""

import os
import signal
import threading
import time

import pytest

from edgert.daemon.orders import Orders


def test_orders_come_one_after_the_other_from_any_thread():
    with Orders() as orders:
        threading.Thread(target=orders.give, args=("failed",)).start()
        assert orders.next() == "failed"
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert [orders.next(), orders.next()] == ["reload", "stop"]


def test_a_signal_that_another_thread_takes_wakes_the_main_one():
    """What a lock or a queue sleeps through: pthread_kill hands it to the other for sure."""
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()

    def send_late():
        time.sleep(0.2)  # until the main thread waits
        signal.pthread_kill(other.ident, signal.SIGTERM)
        signal.pthread_kill(other.ident, signal.SIGHUP)

    sender = threading.Thread(target=send_late)
    sender.start()
    with Orders() as orders:
        assert {orders.next(), orders.next()} == {"stop", "reload"}
    over.set()
    other.join()
    sender.join()


def test_a_second_ctrl_c_is_not_waited_for_and_handlers_are_put_back():
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    orders = Orders()
    signal.raise_signal(signal.SIGINT)
    assert orders.next() == "stop"
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    orders.close()
    orders.close()
    assert {n: signal.getsignal(n) for n in before} == before
