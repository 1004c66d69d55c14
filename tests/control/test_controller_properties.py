"""What the predictive controller keeps to whatever board, clock, operator and telemetry do."""

import math

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from edgert.control.controller import Controller
from edgert.control.tuning import Tuning
from edgert.records import Decision, Limits, TelemetrySample
from tests.control.toy_board import EIGHT, NAMES, PERIOD_S, TRUE, ToyBoard, outcome

TUNING = Tuning()
ROOMY = Limits(deadline_s=0.2, period_s=PERIOD_S, power_w=60.0, temp_c=95.0)
LIMITS = st.builds(
    Limits,
    deadline_s=st.none() | st.floats(0.002, 0.1),
    period_s=st.none() | st.just(PERIOD_S),
    power_w=st.none() | st.floats(1.0, 14.0),
    temp_c=st.none() | st.floats(20.0, 80.0),
    energy_j=st.none() | st.floats(1.0, 1e4),
    mission_s=st.none() | st.floats(1.0, 1e3),
)
BROKEN = st.sampled_from([math.nan, math.inf, -math.inf, -256.0, 1e9, 0.0])
PLACES = {name: place for place, name in enumerate(NAMES)}


class Driven(RuleBasedStateMachine):
    """A controller and its twin, fed the same; every decision is looked at."""

    @initialize(
        limits=LIMITS,
        calibrated=st.booleans(),
        with_power=st.booleans(),
        ambient_c=st.floats(0, 50),
        start_s=st.sampled_from([0.0, 1e5, -50.0]),
    )
    def begin(self, limits, calibrated, with_power, ambient_c, start_s) -> None:
        profile = EIGHT
        if not with_power:
            bare = [msgspec.structs.replace(each, power_w=None) for each in EIGHT.entries]
            profile = msgspec.structs.replace(EIGHT, entries=bare)
        thermal = TRUE if calibrated else None
        self.controller = Controller(profile, limits, thermal, tuning=TUNING)
        self.twin = Controller(profile, limits, thermal, tuning=TUNING)
        self.board = ToyBoard(ambient_c=ambient_c, now_s=start_s)
        self.clock_off_s = 0.0
        self.spoiled: dict[str, float] = {}  # fields of the next samples
        self.samples_left = 0
        self.mute = False
        self.pinned: str | None = None
        self.steady_s, self.last_now_s = 0.0, -math.inf
        self.switched_s, self.before = -math.inf, ""
        self.failed = False

    # -------------------------------------------------------- what may happen

    @rule(count=st.integers(1, 40), spike=st.sampled_from([1.0, 1.0, 1.0, 4.0]))
    def frames(self, count: int, spike: float) -> None:
        for frame in range(count):
            self.frame(spike if frame == 0 else 1.0)

    @rule(slowdown=st.floats(0.4, 8.0))
    def slow(self, slowdown: float) -> None:
        self.board.slowdown = slowdown

    @rule(ambient_c=st.floats(-10, 60))
    def weather(self, ambient_c: float) -> None:
        self.board.ambient_c = ambient_c

    @rule(limits=LIMITS)
    def other_limits(self, limits: Limits) -> None:
        self.controller.limits = self.twin.limits = limits

    @rule(delay_s=st.floats(0, 4), every_s=st.floats(0.05, 2), mute=st.booleans())
    def other_telemetry(self, delay_s: float, every_s: float, mute: bool) -> None:
        self.board.delay_s, self.board.every_s, self.mute = delay_s, every_s, mute

    @rule(
        field=st.sampled_from(["power_w", "temp_c", "time_s"]),
        value=BROKEN,
        samples=st.integers(1, 5),
    )
    def broken_telemetry(self, field: str, value: float, samples: int) -> None:
        self.spoiled, self.samples_left = {field: value}, samples

    @rule(count=st.integers(1, 10**6), cause=st.sampled_from(["oc1", "oc2", "oc3"]))
    def over_current(self, count: int, cause: str) -> None:
        self.board.events[cause] = self.board.events.get(cause, 0) + count

    @rule()
    def reset_counters(self) -> None:
        self.board.events = dict.fromkeys(self.board.events, 0)

    @rule(name=st.none() | st.sampled_from(NAMES))
    def pin(self, name: str | None) -> None:
        self.controller.pin(name)
        self.twin.pin(name)
        self.pinned = name

    @rule(step_s=st.floats(-20, 20) | st.sampled_from([-1e6, 1e4]))
    def clock_steps(self, step_s: float) -> None:
        self.clock_off_s += step_s

    @rule(duration_s=st.floats(0.1, 30))
    def pause(self, duration_s: float) -> None:
        self.board.live(None, duration_s, 0.0)

    @precondition(lambda self: math.isfinite(self.last_now_s))
    @rule(latency_s=st.floats(allow_nan=True, allow_infinity=True))
    def nonsense_outcome(self, latency_s: float) -> None:
        for each in (self.controller, self.twin):
            each.observe(outcome("c3", latency_s, met=False))
            each.observe(outcome("unheard-of", 0.01))

    # -------------------------------------------------------- one frame

    def frame(self, spike: float = 1.0) -> Decision:
        board, now_s = self.board, self.board.now_s + self.clock_off_s
        telemetry = self.telemetry()
        decision = self.controller.decide(now_s, telemetry)
        self.failed = True  # unless it gets to the end of this frame
        self.look_at(decision, now_s)
        assert self.twin.decide(now_s, telemetry) == decision
        busy_s = 0.0
        if not decision.skip:
            busy_s = spike * board.latency_s(decision.configuration)
            deadline_s = self.controller.limits.deadline_s
            met = deadline_s is None or busy_s <= deadline_s
            for each in (self.controller, self.twin):
                each.observe(outcome(decision.configuration, busy_s, met=met))
        board.live(decision.configuration, max(busy_s, PERIOD_S), busy_s)
        self.failed = False
        return decision

    def telemetry(self) -> TelemetrySample | None:
        before, newest = self.board.newest, self.board.telemetry()
        if self.mute or newest is None:
            return None
        if self.samples_left and newest is not before:
            self.samples_left -= 1
        changed = {"time_s": newest.time_s + self.clock_off_s}
        if self.samples_left:
            changed.update(self.spoiled)
        return msgspec.structs.replace(newest, **changed)

    # -------------------------------------------------------- what must hold

    def look_at(self, decision: Decision, now_s: float) -> None:
        name = decision.configuration
        assert name in PLACES
        assert decision.reason
        assert "nan" not in decision.reason.lower().split()
        for key, value in decision.numbers.items():
            assert math.isfinite(value), key
            assert abs(value) < 1e6, (key, value)
        if self.pinned is not None:
            assert name == self.pinned
            assert not decision.skip
        else:
            self.nothing_cheaper_keeps_the_cap(decision)
        self.dwells(name, now_s)

    def nothing_cheaper_keeps_the_cap(self, decision: Decision) -> None:
        numbers = decision.numbers
        cap_w, power_w = numbers.get("cap_w", math.inf), numbers["expected_power_w"]
        if power_w <= cap_w:
            assert not decision.skip
            return
        known, limits = self.controller._known, self.controller.limits
        for option in self.controller._options.rows:
            other_w = known.expected([option], limits, None)[0].power_w
            assert other_w >= power_w - 1e-9
            assert other_w > cap_w

    def power_w(self, name: str) -> float:
        known, limits = self.controller._known, self.controller.limits
        option = self.controller._options.all_rows[name]
        return known.expected([option], limits, None)[0].power_w

    def dwells(self, name: str, now_s: float) -> None:
        past_s = now_s - self.last_now_s
        self.steady_s += past_s if 0 < past_s < math.inf else 0.0
        self.last_now_s = now_s
        if self.before and name != self.before:
            # What is cheaper in time is so in power as well, unless all run back to back.
            down = PLACES[name] < PLACES[self.before]
            if (
                self.pinned is None
                and not down
                and self.power_w(name) >= self.power_w(self.before)
            ):
                assert self.steady_s - self.switched_s >= TUNING.dwell_s - 1e-6
            self.switched_s = self.steady_s
        self.before = name

    def teardown(self) -> None:
        """After anything, with room and telemetry again, the best one runs."""
        if not hasattr(self, "board") or self.failed:
            return
        self.pin(None)
        self.mute, self.samples_left = False, 0
        board = self.board
        board.slowdown, board.ambient_c, board.delay_s, board.every_s = 1.0, 25.0, 0.1, 0.1
        board.pending.clear()
        board.next_read_s = board.now_s
        board.die_c, board.sink_c = min(board.die_c, 60.0), min(board.sink_c, 55.0)
        self.controller.limits = self.twin.limits = ROOMY
        decisions = [self.frame() for _ in range(450)]
        assert decisions[-1].configuration == "c8", decisions[-1].reason
        assert not any(decision.skip for decision in decisions[-30:])
        assert self.controller.state() == self.twin.state()
        assert msgspec.json.decode(
            msgspec.json.encode(self.controller.state()), type=type(self.controller.state())
        )


TestDriven = Driven.TestCase
TestDriven.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
