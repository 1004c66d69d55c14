"""What the ladder keeps to, whatever the board does."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edgert.control.baselines.figures import rungs_from_profile
from edgert.control.baselines.ladder import HysteresisLadder
from edgert.control.baselines.ladder_tuning import LadderTuning
from edgert.records import FrameOutcome, Limits, Profile, ProfileEntry, TelemetrySample

TUNING = LadderTuning()
LIMITS = st.builds(
    Limits,
    deadline_s=st.none() | st.floats(0.005, 0.2),
    power_w=st.none() | st.floats(2, 20),
    temp_c=st.none() | st.floats(40, 90),
)
ENTRIES = st.lists(
    st.tuples(st.floats(0.005, 0.1), st.none() | st.floats(3, 20)), min_size=1, max_size=6
)


class Ladder(RuleBasedStateMachine):
    """Random boards, random gaps in time and telemetry."""

    @initialize(entries=ENTRIES, limits=LIMITS)
    def start(self, entries, limits):
        profile = Profile(
            family="f",
            device="cpu",
            entries=[
                ProfileEntry(name=f"c{index}", latency_s=latency_s, power_w=power_w)
                for index, (latency_s, power_w) in enumerate(entries)
            ],
        )
        self.limits = limits
        self.entries = {entry.name: entry for entry in profile.entries}
        self.order = [entry.name for entry in rungs_from_profile(profile)]
        self.ladder = HysteresisLadder(profile, limits, tuning=TUNING)
        self.needs_telemetry = limits.power_w is not None or limits.temp_c is not None
        self.now_s, self.rung, self.up_s, self.reason = 0.0, None, None, "none yet"
        self.skips = 0

    @rule(
        pause_s=st.floats(0.01, 3),
        temp_c=st.floats(20, 110),
        power_w=st.floats(1, 25),
        throttled=st.booleans(),
        slowdown=st.floats(0.5, 3),
    )
    def frame_with_telemetry(self, pause_s, temp_c, power_w, throttled, slowdown):
        self.now_s += pause_s
        sample = TelemetrySample(
            time_s=self.now_s,
            source="test",
            provenance="emulated",
            temp_c=temp_c,
            power_w=power_w,
            throttled=throttled,
        )
        limits = self.limits
        before = self.rung
        self.decide(sample, slowdown)
        too_hot = limits.temp_c is not None and temp_c > limits.temp_c
        if before is not None and (too_hot or (throttled and self.needs_telemetry)):
            assert self.rung >= before

    @rule(pause_s=st.floats(0.01, 3), stale=st.booleans(), slowdown=st.floats(0.5, 3))
    def frame_without_telemetry(self, pause_s, stale, slowdown):
        self.now_s += pause_s
        sample = None
        if stale:
            sample = TelemetrySample(
                time_s=self.now_s - TUNING.stale_s - 0.1,
                source="test",
                provenance="emulated",
                temp_c=20.0,
                power_w=1.0,
            )
        before = self.rung
        self.decide(sample, slowdown)
        if before is not None and self.needs_telemetry:
            assert self.rung >= before

    @rule()
    def cool_down(self):
        """With room everywhere, what fits the deadline comes back, and nothing is skipped."""
        if not hasattr(self, "ladder"):
            return
        for _ in range(600):
            self.now_s += 1.0
            sample = TelemetrySample(
                time_s=self.now_s, source="test", provenance="emulated", temp_c=20.0, power_w=0.01
            )
            self.decide(sample, 1.0)
        deadline_s = self.limits.deadline_s or 1e9
        margin = 1 + TUNING.latency_margin_ratio + 1e-3  # the slowdown is a smoothed figure
        fits = [self.entries[name].latency_s * margin <= deadline_s for name in self.order]
        # Rungs are climbed one by one, by latency, so the dearest that fits is reached.
        expected = fits.index(True) if True in fits else len(fits) - 1
        assert self.rung <= expected
        assert self.skips == 0

    def decide(self, sample, slowdown):
        decision = self.ladder.decide(self.now_s, sample)
        assert decision.configuration in self.order
        rung = self.order.index(decision.configuration)
        if self.rung is not None and rung < self.rung:
            assert rung == self.rung - 1
            assert self.up_s is None or self.now_s - self.up_s >= TUNING.dwell_s
            self.up_s = self.now_s
        self.rung, self.reason = rung, decision.reason
        self.skips = self.skips + 1 if decision.skip else 0
        if not decision.skip:
            latency_s = self.entries[decision.configuration].latency_s * slowdown
            deadline_s = self.limits.deadline_s
            self.ladder.observe(
                FrameOutcome(
                    configuration=decision.configuration,
                    latency_s=latency_s,
                    met_deadline=deadline_s is None or latency_s <= deadline_s,
                )
            )

    @invariant()
    def gives_a_reason_and_skips_boundedly(self):
        if hasattr(self, "reason"):
            assert self.reason
            assert self.skips <= 3


TestLadder = Ladder.TestCase
TestLadder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
