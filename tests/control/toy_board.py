"""A small board of the tests' own, so that the controller is not held against its own models.

Heat goes in Euler steps of a millisecond's size relative to its time constants, sensors mean over
a third of a second, round and add noise, samples come late.
"""

import math
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

from edgert.control.controller import Controller
from edgert.records import (
    Decision,
    FrameOutcome,
    Limits,
    Profile,
    ProfileEntry,
    TelemetrySample,
    ThermalConstants,
)

IDLE_W = 3.0
PERIOD_S = 1 / 30
TRUE = ThermalConstants(
    die_j_per_k=8.0,
    sink_j_per_k=50.0,
    die_to_sink_k_per_w=0.5,
    sink_to_ambient_k_per_w=2.0,
    idle_w=IDLE_W,
)


def entry(name: str, latency_s: float, power_w: float | None, accuracy: float | None):
    return ProfileEntry(name=name, latency_s=latency_s, power_w=power_w, accuracy=accuracy)


def profile_of(*entries: ProfileEntry, **values) -> Profile:
    return Profile(**{"family": "toy", "device": "modelled", "entries": list(entries), **values})


# 4 to 32 ms; at 30 frames a second these draw 3.5 to 11.6 W.
EIGHT = profile_of(
    *(
        entry(f"c{place}", 0.004 * place, 7.0 + 0.62 * place, 0.5 + 0.05 * place)
        for place in range(1, 9)
    )
)
NAMES = [each.name for each in EIGHT.entries]


def sample(time_s: float, *, power_w=None, temp_c=None, **values) -> TelemetrySample:
    return TelemetrySample(
        time_s=time_s,
        source="toy",
        provenance="emulated",
        power_w=power_w,
        temp_c=temp_c,
        **values,
    )


def outcome(name: str, latency_s: float, *, met: bool = True, **values) -> FrameOutcome:
    return FrameOutcome(configuration=name, latency_s=latency_s, met_deadline=met, **values)


@dataclass
class Frame:
    """One frame as it was decided on and as it went."""

    now_s: float
    decision: Decision
    power_w: float  # true mean until the next frame
    die_c: float  # at its end
    late: bool

    @property
    def name(self) -> str:
        return self.decision.configuration


@dataclass
class ToyBoard:
    """Truth and sensors; `run` drives a controller over it.

    power_ratio: True dynamic power over the profile's; own_ratios: of single configurations.
    every_s, delay_s: Time between samples and until one arrives. quiet: Spans without samples.
    """

    profile: Profile = EIGHT
    thermal: ThermalConstants = TRUE
    ambient_c: float = 25.0
    slowdown: float = 1.0
    spread: float = 0.01
    power_ratio: float = 1.0
    own_ratios: dict[str, float] = field(default_factory=dict)
    every_s: float = 0.1
    delay_s: float = 0.1
    temp_step_c: float = 0.25
    quiet: tuple[tuple[float, float], ...] = ()
    events: dict[str, int] = field(default_factory=dict)
    seed: int = 0
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.die_c = self.sink_c = self.ambient_c
        self.seen_w = IDLE_W
        self.chance = random.Random(self.seed)
        self.pending: deque[tuple[float, TelemetrySample]] = deque()
        self.newest: TelemetrySample | None = None
        self.next_read_s = 0.0

    def telemetry(self) -> TelemetrySample | None:
        while self.pending and self.pending[0][0] <= self.now_s:
            self.newest = self.pending.popleft()[1]
        return self.newest

    def latency_s(self, name: str) -> float:
        noise = math.exp(self.chance.gauss(0.0, self.spread))
        return self.profile.entry(name).latency_s * self.slowdown * noise

    def live(self, name: str | None, duration_s: float, busy_s: float) -> float:
        """Let time pass with `name` at work for `busy_s` of it; the mean power."""
        power_w = IDLE_W
        if name is not None:
            full_w = self.profile.entry(name).power_w or 10.0
            ratio = self.power_ratio * self.own_ratios.get(name, 1.0)
            power_w += (full_w - IDLE_W) * ratio * min(busy_s / duration_s, 1.0)
        steps = max(1, math.ceil(duration_s / 0.02))
        for _ in range(steps):
            self._heat(duration_s / steps, power_w)
        self.seen_w += (1 - math.exp(-duration_s / 0.35)) * (power_w - self.seen_w)
        self.now_s += duration_s
        self._read()
        return power_w

    def _heat(self, step_s: float, power_w: float) -> None:
        truth = self.thermal
        through_w = (self.die_c - self.sink_c) / truth.die_to_sink_k_per_w
        lost_w = (self.sink_c - self.ambient_c) / truth.sink_to_ambient_k_per_w
        self.die_c += (power_w - through_w) * step_s / truth.die_j_per_k
        self.sink_c += (through_w - lost_w) * step_s / truth.sink_j_per_k

    def _read(self) -> None:
        if self.now_s < self.next_read_s:
            return
        self.next_read_s = self.now_s + self.every_s
        if any(start_s <= self.now_s < end_s for start_s, end_s in self.quiet):
            return
        step_c = self.temp_step_c
        read = sample(
            self.now_s,
            power_w=self.seen_w * (1 + self.chance.gauss(0, 0.01)),
            temp_c=round((self.die_c + self.chance.gauss(0, 0.1)) / step_c) * step_c,
            over_current_events=dict(self.events),
        )
        self.pending.append((self.now_s + self.delay_s, read))

    def run(self, controller: Controller, duration_s: float) -> list[Frame]:
        """Drive a controller for a while, a frame each period or when the last one is done."""
        frames = []
        until_s = self.now_s + duration_s
        while self.now_s < until_s - 1e-9:
            now_s = self.now_s
            decision = controller.decide(now_s, self.telemetry())
            name = None if decision.skip else decision.configuration
            busy_s = 0.0 if name is None else self.latency_s(name)
            deadline_s = controller.limits.deadline_s
            late = deadline_s is not None and busy_s > deadline_s
            power_w = self.live(name, max(PERIOD_S, busy_s), busy_s)
            if name is not None:
                controller.observe(outcome(name, busy_s, met=not late))
            frames.append(Frame(now_s, decision, power_w, self.die_c, late))
        return frames


def mean_w(frames: list[Frame]) -> float:
    return sum(frame.power_w for frame in frames) / len(frames)


def names(frames: list[Frame]) -> list[str]:
    return [frame.name for frame in frames]


def switches(frames: list[Frame]) -> int:
    return sum(one.name != other.name for one, other in pairwise(frames))


def power_at(name: str, *, period_s: float = PERIOD_S, profile: Profile = EIGHT) -> float:
    """True mean power of a configuration of the toy board with a frame each period."""
    row = profile.entry(name)
    return IDLE_W + ((row.power_w or 10.0) - IDLE_W) * min(row.latency_s / period_s, 1.0)


FAST = Limits(deadline_s=0.03, period_s=PERIOD_S)
BUDGET = Limits(deadline_s=0.03, period_s=PERIOD_S, power_w=6.5)
COOL = Limits(deadline_s=0.04, period_s=PERIOD_S, temp_c=42.0)
ALL = Limits(
    deadline_s=0.03, period_s=PERIOD_S, power_w=8.0, temp_c=45.0, energy_j=4000.0, mission_s=600.0
)


def driven(limits, duration_s, *, controller=None, thermal=TRUE, profile=EIGHT, **board):
    controller = controller or Controller(profile, limits, thermal)
    toy = ToyBoard(profile=profile, **board)
    return controller, toy, toy.run(controller, duration_s)


def reasons(frames) -> set[str]:
    return {frame.decision.reason for frame in frames}
