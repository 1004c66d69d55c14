"""The ladder, situation by situation."""

import itertools
import math

import pytest

from edgert.control.baselines.ladder import HysteresisLadder
from edgert.control.baselines.ladder_tuning import LadderTuning
from edgert.records import FrameOutcome, Limits, Profile, ProfileEntry, TelemetrySample

RUNGS = {"full": (0.060, 14.0), "c70": (0.045, 13.0), "c55": (0.033, 12.0), "c40": (0.024, 11.0)}
PERIOD_S = 0.1


def profile_of(names=tuple(RUNGS), *, powers=True):
    entries = [
        ProfileEntry(
            name=name, latency_s=RUNGS[name][0], power_w=RUNGS[name][1] if powers else None
        )
        for name in names
    ]
    return Profile(family="f", device="cpu", entries=entries)


class Bench:
    """A ladder with a clock: every call of `frame` is one frame."""

    def __init__(self, limits, *, profile=None, tuning=None):
        options = {} if tuning is None else {"tuning": tuning}
        self.ladder = HysteresisLadder(profile or profile_of(), limits, **options)
        self.now_s = 100.0
        self.decision = None

    def frame(self, *, temp_c=None, power_w=None, slowdown=1.0, late=None, age_s=0.0, **sample):
        telemetry = None
        if temp_c is not None or power_w is not None or sample:
            telemetry = TelemetrySample(
                time_s=self.now_s - age_s,
                source="test",
                provenance="emulated",
                temp_c=temp_c,
                power_w=power_w,
                **sample,
            )
        self.decision = self.ladder.decide(self.now_s, telemetry)
        if not self.decision.skip:
            latency_s = RUNGS[self.decision.configuration][0] * slowdown
            deadline_s = self.ladder.limits.deadline_s
            met = not late if late is not None else not deadline_s or latency_s <= deadline_s
            self.ladder.observe(
                FrameOutcome(
                    configuration=self.decision.configuration,
                    latency_s=latency_s,
                    met_deadline=met,
                )
            )
        self.now_s += PERIOD_S
        return self.decision

    def frames(self, seconds, **frame):
        return [self.frame(**frame) for _ in range(round(seconds / PERIOD_S))]


def names(decisions):
    return [decision.configuration for decision in decisions]


# ---------------------------------------------------------------- start


def test_without_limits_it_stays_at_the_dearest():
    bench = Bench(Limits())
    decisions = bench.frames(5, temp_c=150.0, power_w=99.0, throttled=True)
    assert set(names(decisions)) == {"full"}
    assert bench.decision.reason == "full is the dearest and the limits hold"


def test_it_starts_at_the_dearest_that_fits_deadline_and_power():
    assert Bench(Limits(deadline_s=0.050)).frame().configuration == "c70"
    assert Bench(Limits(deadline_s=0.060)).frame().configuration == "c70"  # no margin left
    first = Bench(Limits(deadline_s=0.060)).frame()
    assert first.reason == "start with c70, the dearest that the profile says fits"
    assert Bench(Limits(power_w=12.5)).frame(power_w=9.0).configuration == "c55"


def test_a_deadline_that_nothing_fits_runs_the_cheapest_and_says_so():
    bench = Bench(Limits(deadline_s=0.005))
    assert set(names(bench.frames(3))) == {"c40"}
    assert bench.decision.reason == (
        "no configuration fits the deadline: c40, the cheapest, runs on"
    )


def test_late_frames_at_the_cheapest_are_told_and_keep_it_there():
    bench = Bench(Limits(deadline_s=0.08), profile=profile_of(["c55", "c40"]))
    assert set(names(bench.frames(3, late=True))[2:]) == {"c40"}
    bench.frames(10, late=True)
    assert bench.decision.reason == (
        "10 of the last 10 frames over 80.0 ms: c40 is the cheapest there is"
    )


def test_heat_at_the_cheapest_counts_although_frames_are_late():
    bench = Bench(Limits(deadline_s=0.005, temp_c=70))
    assert any(decision.skip for decision in bench.frames(3, temp_c=80.0))
    assert not any(decision.skip for decision in bench.frames(10, temp_c=50.0)[-20:])


def test_a_single_entry_is_enough():
    bench = Bench(Limits(deadline_s=0.05, temp_c=70), profile=profile_of(["full"]))
    assert set(names(bench.frames(20, temp_c=90.0))) == {"full"}


# ---------------------------------------------------------------- down


def test_heat_leads_down_at_once_with_the_figures_in_the_reason():
    bench = Bench(Limits(temp_c=70))
    bench.frame(temp_c=60.0)
    decision = bench.frame(temp_c=71.2)
    assert decision.configuration == "c70"
    assert decision.reason == "temperature 71.2 °C over the limit 70.0 °C: from full down to c70"
    assert decision.numbers["temp_c"] == 71.2


def test_the_next_step_down_for_heat_waits_for_the_first_to_act():
    bench = Bench(Limits(temp_c=70))
    decisions = bench.frames(2.5, temp_c=72.0)
    assert names(decisions).index("c55") == pytest.approx(10, abs=1)
    assert "its effect is still to come" in decisions[5].reason
    assert names(decisions)[-1] == "c40"


def test_within_the_guard_it_steps_down_once_and_holds_while_that_works():
    bench = Bench(Limits(temp_c=70))
    assert "within 1.0 °C of the limit" in bench.frame(temp_c=69.4).reason
    assert set(names(bench.frames(10, temp_c=69.2))) == {"c70"}
    assert bench.frame(temp_c=69.5).configuration == "c55"


def test_a_throttled_board_leads_down():
    bench = Bench(Limits(temp_c=90))
    decision = bench.frame(temp_c=80.0, throttled=True, clock_ratio=0.8)
    assert decision.reason == "the board lowered its clock to 80%: from full down to c70"
    assert (
        "lowered its clock:" in Bench(Limits(power_w=20)).frame(power_w=9.0, throttled=True).reason
    )


def test_power_over_budget_leads_to_the_first_rung_expected_to_fit():
    bench = Bench(Limits(power_w=15))
    bench.frames(1, power_w=14.0)
    bench.frames(2, power_w=18.0)
    assert bench.decision.configuration in {"c70", "c55"}
    costly = [("full", 0.060, 14.0), ("c70", 0.045, 20.0), ("c55", 0.033, 12.0)]
    entries = [ProfileEntry(name=n, latency_s=t, power_w=p) for n, t, p in costly]
    profile = Profile(family="f", device="cpu", entries=entries)
    jump = Bench(Limits(power_w=14), profile=profile).frames(1, power_w=16.0)
    assert jump[0].configuration == "c55"
    assert jump[0].reason == "power 16.00 W over the budget 14.00 W: from full down to c55"


def test_power_over_budget_without_known_powers_goes_one_rung():
    bench = Bench(Limits(power_w=10), profile=profile_of(powers=False))
    assert bench.frame(power_w=12.0).configuration == "c70"


def test_one_late_frame_is_forgiven_and_two_of_ten_are_not():
    bench = Bench(Limits(deadline_s=0.08))
    bench.frame(late=True)
    assert set(names(bench.frames(3, late=False))) == {"full"}
    bench.frame(late=True)
    bench.frame(late=True)
    decision = bench.frame()
    assert decision.configuration == "c70"
    assert "frames over 80.0 ms: from full down to c70" in decision.reason


def test_a_slowed_machine_leads_to_a_rung_that_still_fits():
    bench = Bench(Limits(deadline_s=0.063))
    assert bench.frames(2, slowdown=1.9)[-1].configuration == "c55"  # 62.7 ms
    assert bench.frames(2, slowdown=2.0)[-1].configuration == "c40"


# ---------------------------------------------------------------- up


def test_it_climbs_rung_by_rung_when_it_is_cool_again():
    bench = Bench(Limits(temp_c=70))
    bench.frames(5, temp_c=75.0)
    assert bench.decision.configuration == "c40"
    decisions = bench.frames(120, temp_c=50.0)
    order = list(dict.fromkeys(names(decisions)))
    assert order == ["c40", "c55", "c70", "full"]


def test_within_the_band_it_holds():
    bench = Bench(Limits(temp_c=70))
    bench.frame(temp_c=71.0)
    assert set(names(bench.frames(60, temp_c=67.0))) == {"c70"}
    assert bench.decision.reason == "hold c70: temperature 67.0 °C, the next step needs 66.0 °C"


def test_a_rung_expected_to_be_late_is_not_climbed():
    bench = Bench(Limits(deadline_s=0.064))
    bench.frames(2, slowdown=1.3)
    assert set(names(bench.frames(30, slowdown=1.3))) == {"c70"}
    assert "full would take 78.0 ms of 64.0 ms" in bench.decision.reason
    assert bench.frames(5, slowdown=1.0)[-1].configuration == "full"


def test_a_rung_expected_over_budget_is_not_climbed():
    bench = Bench(Limits(power_w=13.2))
    assert bench.frame(power_w=12.8).configuration == "c70"
    bench.frames(10, power_w=12.8)
    assert bench.decision.configuration == "c70"
    assert "full would draw 13." in bench.decision.reason
    # With slack between frames the board draws less than back to back: there is room.
    assert bench.frames(5, power_w=8.0)[-1].configuration == "full"


def test_a_step_up_that_is_undone_doubles_the_wait():
    bench = Bench(Limits(temp_c=70))
    ups = []
    for _ in range(400):
        before = bench.decision.configuration if bench.decision else None
        hot = before == "full"
        bench.frame(temp_c=71.0 if hot else 60.0)
        if before == "c70" and bench.decision.configuration == "full":
            ups.append(bench.now_s)
    waits = [late - early for early, late in itertools.pairwise(ups)]
    assert waits[:3] == pytest.approx([4.1, 8.1, 16.1], abs=0.21)


def test_a_step_up_that_holds_resets_the_wait():
    bench = Bench(Limits(temp_c=70))
    bench.frame(temp_c=71.0)
    assert bench.frames(2.3, temp_c=60.0)[-1].configuration == "full"
    bench.frame(temp_c=71.0)
    assert bench.frames(2.3, temp_c=60.0)[-1].configuration == "c70"  # doubled
    assert bench.frames(14, temp_c=60.0)[-1].configuration == "full"
    bench.frame(temp_c=71.0)
    assert bench.frames(2.3, temp_c=60.0)[-1].configuration == "full"


def test_the_wait_is_bounded():
    bench = Bench(Limits(temp_c=70), tuning=LadderTuning(longest_wait_s=3))
    for _ in range(5):
        bench.frame(temp_c=71.0)
        assert bench.frames(3.3, temp_c=60.0)[-1].configuration == "full"


# ---------------------------------------------------------------- missing telemetry


@pytest.mark.parametrize("missing", [{}, {"temp_c": 40.0, "age_s": 3.0}, {"temp_c": math.nan}])
def test_without_usable_telemetry_it_holds_then_goes_down_and_never_up(missing):
    bench = Bench(Limits(temp_c=70))
    bench.frame(temp_c=71.0)
    decisions = bench.frames(4.5, **missing)
    assert set(names(decisions)) == {"c70"}
    assert "no telemetry" in bench.decision.reason
    assert bench.frames(1.0, **missing)[-1].configuration == "c55"
    assert names(bench.frames(100, **missing))[-1] == "c40"
    assert "no telemetry for" in bench.decision.reason
    assert not bench.decision.skip


def test_a_sample_that_lacks_what_a_limit_needs_counts_as_missing():
    bench = Bench(Limits(power_w=15))
    assert bench.frames(6, temp_c=40.0)[-1].configuration == "c70"


def test_telemetry_that_no_limit_needs_may_be_missing():
    bench = Bench(Limits(deadline_s=0.08))
    bench.frame(late=True)
    bench.frame(late=True)
    assert bench.frame().configuration == "c70"
    assert bench.frames(10)[-1].configuration == "full"


# ---------------------------------------------------------------- skipping


def test_when_the_cheapest_is_too_hot_frames_are_skipped_up_to_the_bound():
    bench = Bench(Limits(temp_c=70), profile=profile_of(["c40"]))
    decisions = bench.frames(10, temp_c=80.0)
    assert not decisions[0].skip
    assert sum(decision.skip for decision in decisions[-20:]) == 15
    assert "no more frames may be skipped; 75% of frames are skipped" in bench.decision.reason
    decisions = bench.frames(30, temp_c=50.0)
    assert not any(decision.skip for decision in decisions[-50:])
    assert bench.decision.numbers["skip_ratio"] == 0


def test_power_over_budget_at_the_cheapest_skips_too():
    bench = Bench(Limits(power_w=5), profile=profile_of(["c40"]))
    assert any(decision.skip for decision in bench.frames(3, power_w=9.0))


def test_a_deadline_does_not_skip():
    bench = Bench(Limits(deadline_s=0.01), profile=profile_of(["c40"]))
    assert not any(decision.skip for decision in bench.frames(5))


def test_rungs_come_back_only_after_skipping_has_ended():
    bench = Bench(Limits(temp_c=70))
    bench.frames(8, temp_c=80.0)
    for decision in bench.frames(200, temp_c=50.0):
        assert decision.configuration == "c40" or decision.numbers["skip_ratio"] == 0
    assert bench.decision.configuration == "full"
