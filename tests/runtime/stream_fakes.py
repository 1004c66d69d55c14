"""Stand-ins for streams, engines and shadow runs, driven by a real thread."""

import threading
import time
from collections import deque
from contextlib import contextmanager

import msgspec
import numpy as np

from edgert.clock import MonotonicClock
from edgert.records import (
    Family,
    Limits,
    RunHeader,
    SourceFigures,
    Wanted,
)
from edgert.runtime.serving import Serving
from edgert.runtime.stream import Stream
from edgert.runtime.stream_loop import StreamLoop
from edgert.video.frame import Frame
from tests.runtime.fakes import PROFILE, ScriptedPolicy

CLOCK = MonotonicClock()
NAMES = tuple(entry.name for entry in PROFILE.entries)
HEADER = RunHeader(
    family="f",
    source="streams",
    device="cpu",
    controller="predictive",
    limits=Limits(),
    configurations=list(NAMES),
    profile=PROFILE,
)


def until(condition, timeout_s=10.0):
    """Wait for something that another thread does."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come"
        time.sleep(0.001)


def family(task="segmentation", labels=("sky", "road")):
    content = {
        "format": 1,
        "name": "f",
        "task": task,
        "base": {"graph": "m.onnx", "sha256": "0" * 64},
        "input": {"name": "x", "shape": [1, 3, 4, 4]},
        "labels": list(labels),
        "configurations": [{"name": "full"}],
    }
    return msgspec.convert(content, Family)


class FakeStreamSource:
    """Frames that a test pushes, from any thread."""

    fps, uri = 30.0, "rtsp://camera/1"

    def __init__(self, frames=0, *, live=True, state="running", size=(8, 6), fps=30.0):
        self.live = self.in_own_time = live
        self.state, self.size, self.fps = state, size, fps
        self.pending = deque()
        self.error = None
        self.closed = self.stopped = self.index = 0
        self.wake = lambda: None
        for _ in range(frames):
            self.push()

    def push(self, *, arrived_s=None):
        width, height = self.size
        image = np.full((height, width, 3), self.index % 256, np.uint8)
        arrived_s = CLOCK.now_s() if arrived_s is None else arrived_s
        self.pending.append(Frame(self.index, self.index / self.fps, image, arrived_s))
        self.index += 1
        self.wake()

    def set_state(self, state):
        self.state = state
        self.wake()

    def on_news(self, wake):
        self.wake = wake
        wake()

    def poll(self):
        if self.error is not None and not self.pending:
            raise self.error
        return self.pending.popleft() if self.pending else None

    def figures(self):
        return SourceFigures(
            state=self.state, uri=self.uri, live=self.live, dropped={"newer frame": 1}
        )

    def stop(self):
        self.stopped += 1

    def close(self, timeout_s):
        self.closed += 1


class FakeEngines:
    """A pool whose engines take no time, or wait for `gate`."""

    def __init__(self, names=NAMES, *, resident=None, shape=(1, 2, 3, 4)):
        self.names, self.active = tuple(names), names[0]
        self.resident = self.names if resident is None else tuple(resident)
        self.runs, self.error, self.errors_left = [], None, 0
        self.gate = threading.Event()
        self.gate.set()
        self.threads = set()
        self.logits = np.zeros(shape, np.float32)
        self.busy_s = 0.0

    def activate(self, name):
        self.active = name if name in self.resident else self.resident[-1]
        return self.active

    def absence(self, name):
        return "" if name in self.resident else "not loaded yet"

    def run(self, tensor):
        self.threads.add(threading.get_ident())
        assert self.gate.wait(10)
        if self.errors_left:
            self.errors_left -= 1
            raise self.error
        if self.busy_s:
            time.sleep(self.busy_s)
        self.runs.append(self.active)
        self.logits.fill(len(self.runs))
        return self.logits

    def run_beside(self, name, tensor):
        self.threads.add(threading.get_ident())
        self.logits.fill(len(self.runs))
        return self.logits


class TimedEngines(FakeEngines):
    """Each run lets the profile's time pass on the clock, and fails where a test says so."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.latencies_s = {entry.name: entry.latency_s for entry in PROFILE.entries}

    def run(self, tensor):
        self.clock.sleep(self.latencies_s[self.active])
        return super().run(tensor)


class KeepingPolicy(ScriptedPolicy):
    """Decides as told, can be pinned, and keeps what it is told."""

    def __init__(self, *script):
        super().__init__(*script)
        self.limits = Limits()
        self.held = []
        self.pins = []

    def decide(self, now_s, telemetry):
        self.held.append(self.limits)
        decision = super().decide(now_s, telemetry)
        if self.pins and self.pins[-1] is not None:
            name = self.pins[-1]
            return decision.__class__(configuration=name, reason=f"{name} is pinned")
        return decision

    def pin(self, configuration):
        if configuration is not None and configuration not in NAMES:
            raise KeyError(f"{configuration!r} is not among {list(NAMES)}")
        self.pins.append(configuration)


class FailingSink:
    def __init__(self, error, times=10**9):
        self.error, self.times, self.images, self.closed = error, times, [], 0

    def write(self, image):
        if self.times:
            self.times -= 1
            raise self.error
        self.images.append(image.copy())

    def close(self):
        self.closed += 1


class FakeLive:
    def __init__(self, *, watched=True):
        self.watched, self.images, self.closed = watched, [], 0

    def show(self, image):
        self.images.append(image.copy())

    def close(self):
        self.closed += 1


def serving_of(engines=None, policy=None, **parts):
    limits = parts.pop("limits", Limits())
    parts.setdefault("header", HEADER)
    return Serving(
        engines or FakeEngines(),
        policy or KeepingPolicy("full"),
        preprocess=parts.pop("preprocess", lambda image: np.zeros((1, 3, 4, 4), np.float32)),
        clock=parts.pop("clock", CLOCK),
        limits=limits,
        **parts,
    )


class Rig:
    """A loop over streams, with all that it told."""

    def __init__(self, *sources, serving=None, streams=None, **parts):
        self.sources = sources
        self.engines = parts.pop("engines", None) or FakeEngines()
        self.policy = parts.pop("policy", None) or KeepingPolicy("full")
        self.serving = serving or serving_of(
            self.engines, self.policy, **parts.pop("serving_parts", {})
        )
        self.streams = streams or [
            Stream(f"s{place}", source) for place, source in enumerate(sources)
        ]
        self.told = []
        limits = parts.pop("limits", Limits())
        parts.setdefault("wanted", Wanted(limits=limits))
        parts.setdefault("listener", self.told.append)
        self.loop = StreamLoop(
            self.serving, self.streams, clock=parts.pop("clock", CLOCK), **parts
        )
        self.error = None

    def order(self):
        return [each.stream for each in list(self.told)]

    def _run(self):
        try:
            self.loop.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._run, name="loop-under-test")
        thread.start()
        try:
            yield self.loop
        finally:
            self.loop.request_stop()
            thread.join(10)
            assert not thread.is_alive()

    def run_until(self, frames):
        """Serve until so many frames were told, then stop."""
        with self.running():
            until(lambda: len(self.told) >= frames or self.error)
        if self.error:
            raise self.error
        return self
