"""Signals as requests."""

import signal

import pytest

from edgert.runtime import install_signal_handlers


class Loop:
    stops = 0

    def request_stop(self):
        self.stops += 1


def test_sigterm_and_the_first_sigint_request_a_stop_and_the_second_interrupts():
    loop = Loop()
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), install_signal_handlers(loop):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert loop.stops == 3
        signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_handlers_are_put_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="inside"), install_signal_handlers(Loop()):
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGTERM) is before
