"""Decoders that do as a script says, and a wait for what another thread brings about."""

import time

import numpy as np

from edgert.video.decoder import Picture


class ScriptedDecoder:
    """Gives `count` pictures, then ends or raises; `gate` is waited for before the last one."""

    name, reason = "scripted", "it is a test"

    def __init__(
        self, count=3, *, live=True, size=(8, 6), sizes=None, error=None, damage=None, gate=None
    ):
        self.count, self.live, self.error, self.damage, self.gate = (
            count,
            live,
            error,
            damage,
            gate,
        )
        self.width, self.height = size
        self.sizes = sizes or [size] * count
        self.fps, self.damaged = 10.0, int(damage is not None)
        self.stopped, self.closed = False, 0

    def pictures(self):
        for place in range(self.count):
            if self.stopped:
                return
            if self.gate is not None and place == self.count - 1:
                assert self.gate.wait(20.0)
            width, height = self.sizes[place]
            yield Picture(place / self.fps, np.full((height, width, 3), place, np.uint8))
        if self.error:
            raise self.error

    def stop(self):
        self.stopped = True
        if self.gate is not None:
            self.gate.set()

    def close(self):
        self.closed += 1


class Script:
    """What connecting brings, one after the other: decoders or errors; the last one for ever."""

    def __init__(self, *steps):
        self.steps, self.asked = list(steps), 0

    def __call__(self):
        step = self.steps[min(self.asked, len(self.steps) - 1)]
        self.asked += 1
        if isinstance(step, BaseException):
            raise step
        return step() if callable(step) else step


def wait_until(condition, limit_s=20.0):
    """Wait for a condition, and return what it was in the end."""
    end_s = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(0.005)
    return found
