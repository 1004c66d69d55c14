"""Small days, boards and policies for the tests of this room."""

import msgspec

from edgert.emulator.throttle import ThrottleSpec
from edgert.evaluation.board import WorldBoard
from edgert.evaluation.day import Day
from edgert.records import Decision, Limits, Profile, ProfileEntry, ThermalConstants

CONSTANTS = ThermalConstants(
    die_j_per_k=8.0,
    sink_j_per_k=50.0,
    die_to_sink_k_per_w=0.5,
    sink_to_ambient_k_per_w=2.0,
    idle_w=3.5,
    ambient_c=25.0,
    provenance="modelled",
)
COOL = ThrottleSpec(trip_c=95.0, release_c=91.0)
PERIOD_S = 0.1  # few frames, and a tick's multiple: exact figures by hand


def entry(name: str, latency_s: float, power_w: float = 10.0, accuracy: float = 0.8):
    return ProfileEntry(name=name, latency_s=latency_s, power_w=power_w, accuracy=accuracy)


def profile_of(*entries: ProfileEntry) -> Profile:
    return Profile(family="toy", device="modelled", entries=list(entries))


TWO = profile_of(entry("big", 0.06, 10.0, 0.8), entry("small", 0.02, 6.0, 0.6))


def board_of(**values) -> WorldBoard:
    plain = {
        "thermal": CONSTANTS,
        "fan_stopped_k_per_w": 3.0,
        "throttle": COOL,
        "power_spread_ratio": 0.0,
        "leakage_per_k": 0.0,
    }
    return WorldBoard(**{**plain, **values})


def day_of(duration_s: int = 10, *, limits: Limits | None = None, **values) -> Day:
    """A day on which nothing happens, except what is given."""
    frames = round(duration_s / PERIOD_S)
    plain = {
        "scenario": "toy",
        "seed": 1,
        "duration_s": duration_s,
        "period_s": PERIOD_S,
        "board": board_of(),
        "slowdown": [1.0] * frames,
        "ambient_c": [25.0] * duration_s,
        "fan_running": [True] * duration_s,
        "limits": [limits or Limits()] * duration_s,
    }
    return Day(**{**plain, **values})


def with_limits(day: Day, *limits: Limits) -> Day:
    """The day with these limits, for an equal part each."""
    part = day.duration_s // len(limits)
    return msgspec.structs.replace(day, limits=[each for each in limits for _ in range(part)])


class Scripted:
    """Decides what it is told to, in turn; keeps what it saw."""

    def __init__(self, *names: str, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.names = names
        self.seen = []
        self.outcomes = []
        self.limits_seen = []

    def decide(self, now_s, telemetry):
        name = self.names[len(self.seen) % len(self.names)]
        self.seen.append((now_s, telemetry))
        self.limits_seen.append(self.limits)
        return Decision(configuration=name or "big", reason="told to", skip=not name)

    def observe(self, outcome):
        self.outcomes.append(outcome)
