"""Stand-ins for source, pool, sink, overlay and telemetry, in time that only a test moves."""

from pathlib import Path

import numpy as np

from edgert.clock import VirtualClock
from edgert.control import open_controller
from edgert.emulator.board import EmulatedBoard, loads_from_profile, read_board_spec
from edgert.records import Decision, Limits, Profile, ProfileEntry, RunHeader
from edgert.runtime import FrameLoop
from edgert.video.frame import Frame

SPEC = read_board_spec(Path(__file__).parents[2] / "profiles/boards/emulated-orin-nano.yaml")
PROFILE = Profile(
    family="f",
    device="cpu",
    entries=[
        ProfileEntry(name="full", latency_s=0.060, macs=8_000, power_w=13.8),
        ProfileEntry(name="c70", latency_s=0.046, macs=5_600, power_w=12.9),
        ProfileEntry(name="c50", latency_s=0.035, macs=4_000, power_w=12.3),
        ProfileEntry(name="c30", latency_s=0.024, macs=2_400, power_w=11.2),
    ],
)


class Stopwatch:
    """Work takes as long as the fakes say."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class FakeSource:
    width, height, fps, live, uri = 8, 6, 10.0, False, "test://"

    def __init__(self, frames=10, *, fail_at=None, error=None, damage=None, close_error=None):
        self.frames, self.fail_at, self.error = frames, fail_at, error
        self.damage, self.close_error, self.dropped, self.closed = damage, close_error, 2, 0
        self.index = 0

    def read(self):
        if self.index == self.fail_at:
            raise self.error
        if self.index == self.frames:
            return None
        image = np.full((self.height, self.width, 3), self.index % 256, np.uint8)
        frame = Frame(index=self.index, time_s=self.index / self.fps, image=image)
        self.index += 1
        return frame

    def close(self):
        self.closed += 1
        if self.close_error:
            raise self.close_error


class FakePool:
    """Engines that take their profile's time; one in `missing` is not loaded: c30 runs instead."""

    def __init__(self, stopwatch, profile=PROFILE, *, fail_at=None, error=None, switch_s=0.0002):
        self.stopwatch, self.switch_s, self.missing, self.asked = stopwatch, switch_s, set(), []
        self.latencies_s = {entry.name: entry.latency_s for entry in profile.entries}
        self.active = profile.entries[0].name
        self.runs, self.fail_at, self.error = [], fail_at, error
        self.beside, self.beside_error = [], None

    def activate(self, name):
        self.asked.append(name)
        name = "c30" if name in self.missing else name
        if name != self.active:
            self.stopwatch.now_s += self.switch_s
        self.active = name
        return name

    def absence(self, name):
        return "not loaded yet" if name in self.missing else ""

    def run(self, tensor):
        if len(self.runs) == self.fail_at:
            raise self.error
        self.runs.append(self.active)
        self.stopwatch.now_s += self.latencies_s[self.active]
        return np.full((1, 2, 3, 4), len(self.runs), np.float32)

    def run_beside(self, name, tensor):
        """Writes into what `run` returned last, as engines with one buffer do."""
        self.beside.append((name, len(self.runs)))
        if self.beside_error:
            raise self.beside_error
        self.stopwatch.now_s += self.latencies_s[name]
        return np.full((1, 2, 3, 4), -1.0, np.float32)


class FakeSink:
    def __init__(self, *, fail_at=None, error=None, close_error=None):
        self.images, self.fail_at, self.error = [], fail_at, error
        self.close_error, self.closed = close_error, 0

    def write(self, image):
        if len(self.images) == self.fail_at:
            raise self.error
        self.images.append(image.copy())

    def close(self):
        self.closed += 1
        if self.close_error:
            raise self.close_error


class FakeOverlay:
    """Writes the number of the run that its logits come from into the picture."""

    def __init__(self, *, error=None):
        self.strips, self.error = [], error

    def draw(self, image, logits, strip):
        if self.error:
            raise self.error
        self.strips.append(strip)
        image = image.copy()
        image[0, 0, 0] = int(logits[0, 0, 0, 0]) % 256
        return image


class ScriptedPolicy:
    """Decisions as listed, the last one for ever."""

    def __init__(self, *script, loop=None):
        self.script, self.outcomes, self.samples, self.times_s = list(script), [], [], []

    def decide(self, now_s, telemetry):
        self.times_s.append(now_s)
        self.samples.append(telemetry)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        name, skip = step if isinstance(step, tuple) else (step, False)
        return Decision(configuration=name, reason=f"as told: {name}", skip=skip, numbers={"a": 1})

    def observe(self, outcome):
        self.outcomes.append(outcome)


class Telemetry:
    """Hands out what it is given; an exception is raised."""

    name = "listed"

    def __init__(self, *samples):
        self.samples = list(samples)

    def read(self):
        sample = self.samples.pop(0) if len(self.samples) > 1 else self.samples[0]
        if isinstance(sample, Exception):
            raise sample
        return sample

    def close(self):
        pass


class Rig:
    """Everything a loop needs, each part replaceable."""

    def __init__(self, policy="full", *, limits=None, frames=10, board=False, **parts):
        self.stopwatch = Stopwatch()
        self.clock = parts.pop("clock", None) or VirtualClock()
        self.limits = limits or Limits(period_s=0.069)
        self.source = parts.pop("source", None) or FakeSource(frames)
        self.pool = parts.pop("pool", None) or FakePool(self.stopwatch)
        self.pool.stopwatch = self.stopwatch
        self.sink = parts.pop("sink", None) or FakeSink()
        self.policy = ScriptedPolicy(policy) if isinstance(policy, str) else policy
        self.board = None
        if board:
            self.board = EmulatedBoard(SPEC, self.clock, loads=loads_from_profile(PROFILE))
        self.header = RunHeader(
            family="f",
            source="test://",
            device="cpu",
            controller="test",
            profile=parts.pop("profile", None),
            limits=self.limits,
            configurations=[entry.name for entry in PROFILE.entries],
        )
        preprocess_s = parts.pop("preprocess_s", 0.0)
        self.lines = []
        self.loop = FrameLoop(
            self.source,
            self.pool,
            self.policy,
            preprocess=lambda image: self.preprocess(image, preprocess_s),
            sink=self.sink,
            board=self.board,
            clock=self.clock,
            limits=self.limits,
            header=self.header,
            on_frame=self.lines.append,
            stopwatch=self.stopwatch,
            **parts,
        )

    def preprocess(self, image, preprocess_s):
        self.stopwatch.now_s += preprocess_s
        return np.zeros((1, 3, 2, 2), np.float32)

    def run(self):
        return self.loop.run()


def controlled(name, limits):
    return open_controller(name, PROFILE, limits)
