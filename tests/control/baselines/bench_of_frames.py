"""A controller with a clock and a simple board, for tests of any controller."""

from edgert.control.baselines.figures import rungs_from_profile
from edgert.records import FrameOutcome, Profile, ProfileEntry, TelemetrySample

RUNGS = {
    "full": (0.030, 12.0, 0.80),
    "c70": (0.022, 10.0, 0.76),
    "c50": (0.015, 8.0, 0.70),
    "c30": (0.010, 6.0, 0.60),
}
PERIOD_S = 1 / 30
IDLE_W = 3.0


def profile_of(*, power=True, accuracy=True, without=(), names=tuple(RUNGS)):
    """The test family; `without` names entries that lack power and accuracy."""
    entries = []
    for name in names:
        latency_s, power_w, quality = RUNGS[name]
        known = name not in without
        entries.append(
            ProfileEntry(
                name=name,
                latency_s=latency_s,
                power_w=power_w if power and known else None,
                accuracy=quality if accuracy and known else None,
            )
        )
    return Profile(family="f", device="cpu", entries=entries)


def sample_at(time_s, **values):
    return TelemetrySample(time_s=time_s, source="test", provenance="emulated", **values)


class Bench:
    """Every call of `frame` is one frame, `PERIOD_S` after the one before."""

    def __init__(self, controller, profile):
        self.controller = controller
        self.entries = {entry.name: entry for entry in profile.entries}
        self.order = [entry.name for entry in rungs_from_profile(profile)]
        self.now_s = 100.0
        self.decisions = []

    def frame(self, *, slowdown=1.0, preprocess_s=0.0, telemetry=None, **values):
        sample = telemetry
        if values:
            sample = sample_at(self.now_s, **values)
        decision = self.controller.decide(self.now_s, sample)
        self.decisions.append(decision)
        if not decision.skip:
            latency_s = preprocess_s + self.entries[decision.configuration].latency_s * slowdown
            deadline_s = self.controller.limits.deadline_s
            self.controller.observe(
                FrameOutcome(
                    configuration=decision.configuration,
                    latency_s=latency_s,
                    met_deadline=deadline_s is None or latency_s <= deadline_s,
                    preprocess_s=preprocess_s,
                )
            )
        self.now_s += PERIOD_S
        return decision

    def frames(self, count, **values):
        """Several frames; the names that ran."""
        return [self.frame(**values).configuration for _ in range(count)]

    def mean_power_w(self, name, *, slowdown=1.0):
        """What the simple board draws when it runs this configuration at the frame rate."""
        entry = self.entries[name]
        busy = min(entry.latency_s * slowdown / PERIOD_S, 1.0)
        return IDLE_W + (entry.power_w - IDLE_W) * busy
