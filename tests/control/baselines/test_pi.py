"""The PI controller, situation by situation, and its loop."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgert.control.baselines.pi import PiController, PiTuning
from edgert.control.baselines.pi_loop import PiGains, PiLoop
from edgert.records import FrameOutcome, Limits
from tests.control.baselines.bench_of_frames import PERIOD_S, Bench, profile_of, sample_at

PROFILE = profile_of()
GAINS = PiGains(proportional=0.1, integral_s=10, tracking_s=5)


def pi_of(limits, *, profile=PROFILE, **tuning):
    return Bench(PiController(profile, limits, tuning=PiTuning(**tuning)), profile)


def at_a_constant_error(error, *, seconds, applied=None, loop=None):
    loop = loop or PiLoop(GAINS, start=0.5)
    for _ in range(seconds):
        loop.update(error, elapsed_s=1.0, applied=loop.output if applied is None else applied)
    return loop


# ---------------------------------------------------------------- the loop


def test_the_first_measurement_acts_in_proportion():
    loop = PiLoop(GAINS, start=0.5)
    assert loop.output == 0.5
    loop.update(-2.0, elapsed_s=0.0, applied=0.5)
    assert loop.output == pytest.approx(0.3)


def test_a_lasting_error_moves_the_output_as_much_again_in_the_integral_time():
    loop = at_a_constant_error(-2.0, seconds=11)  # the first of them only tells the error
    assert loop.output == pytest.approx(0.5 - 0.2 - 0.2)


@given(error=st.floats(1, 50), seconds=st.integers(1, 500))
def test_an_output_that_does_not_rule_does_not_wind_up(error, seconds):
    loop = at_a_constant_error(error, seconds=seconds, applied=1.0)
    ratio = GAINS.tracking_s / GAINS.integral_s
    assert loop.output - 1 <= GAINS.proportional * error * max(1.0, ratio) + 1e-9
    loop = at_a_constant_error(-error, seconds=40, loop=loop)
    assert loop.output < 0.5


def test_without_tracking_it_would_wind_up():
    wound = at_a_constant_error(10.0, seconds=500)
    assert wound.output > 20


def test_after_a_rest_it_starts_anew():
    loop = at_a_constant_error(-5.0, seconds=100)
    loop.rest(1.0)
    assert loop.output == 1.0


# ---------------------------------------------------------------- temperature and power


def test_without_limits_it_stays_at_the_dearest():
    bench = pi_of(Limits())
    assert set(bench.frames(100, temp_c=150.0, power_w=99.0)) == {"full"}
    assert bench.decisions[-1].reason == "hold full: no power or temperature limit"


def test_heat_leads_down_rung_by_rung_and_then_skips_frames():
    bench = pi_of(Limits(temp_c=70))
    ran = [bench.frame(temp_c=min(68 + frame / 300, 78.0)).configuration for frame in range(5000)]
    assert list(dict.fromkeys(ran)) == ["full", "c70", "c50", "c30"]
    skipped = sum(decision.skip for decision in bench.decisions[-300:])
    assert bench.decisions[-1].numbers["position"] == -1.0
    assert skipped / 300 == pytest.approx(0.75, abs=0.02)
    assert "75% of frames are skipped" in bench.decisions[-1].reason
    assert "78.0 °C of 70.0 °C" in bench.decisions[-1].reason


def test_when_it_is_cool_again_it_comes_back_without_delay_of_a_wound_up_integral():
    bench = pi_of(Limits(temp_c=70))
    bench.frames(9000, temp_c=78.0)
    assert bench.frames(30 * 60, temp_c=60.0)[-1] == "full"
    assert not bench.decisions[-1].skip


def closed_loop(limits, *, slowdown=1.0, seconds=60):
    bench = pi_of(limits)
    name, watts = "full", []
    for _ in range(seconds * 30):
        power_w = bench.mean_power_w(name, slowdown=slowdown)
        decision = bench.frame(power_w=power_w, slowdown=slowdown)
        name = decision.configuration
        watts.append(power_w)
    return bench, watts


def test_power_comes_under_its_budget_in_seconds_and_stays():
    bench, watts = closed_loop(Limits(power_w=8.5, period_s=PERIOD_S))
    assert watts[0] > 11
    over_s = [place * PERIOD_S for place, power_w in enumerate(watts) if power_w > 8.5]
    assert max(over_s) < 5
    assert bench.decisions[-1].configuration == "c70"
    assert "W of 8.50 W" in bench.decisions[-1].reason


def test_room_that_no_rung_can_fill_is_left_alone():
    """c50 draws 5.25 W, c70 7.62 W: up and down for ever without the dead band."""
    limits = Limits(power_w=6.2, period_s=PERIOD_S)
    calm, restless = pi_of(limits), pi_of(limits, power_deadband_ratio=0.0)
    switches = []
    for bench in (calm, restless):
        name = "full"
        for _ in range(60 * 30):
            name = bench.frame(power_w=bench.mean_power_w(name)).configuration
        ran = [decision.configuration for decision in bench.decisions[300:]]
        switches.append(sum(a != b for a, b in itertools.pairwise(ran)))
    assert switches[0] == 0
    assert switches[1] > 5


def test_the_lower_of_the_two_loops_rules():
    bench = pi_of(Limits(temp_c=70, power_w=100))
    bench.frames(600, temp_c=80.0, power_w=5.0)
    assert bench.decisions[-1].configuration == "c30"
    assert "°C of 70.0 °C" in bench.decisions[-1].reason
    other = pi_of(Limits(temp_c=90, power_w=4))
    other.frames(600, temp_c=40.0, power_w=8.0)
    assert other.decisions[-1].configuration == "c30"
    assert "W of 4.00 W" in other.decisions[-1].reason


def test_a_mission_counts_as_a_power_budget():
    bench = pi_of(Limits(energy_j=4 * 100, mission_s=100))
    assert bench.frames(600, power_w=8.0)[-1] == "c30"


# ---------------------------------------------------------------- whole rungs


def test_a_position_near_the_middle_of_two_rungs_does_not_toggle():
    bench = pi_of(Limits(temp_c=70), guard_c=0.0, rounding=0.2)
    temps_c = (70.0 + math.sin(frame / 40) for frame in range(6000))
    ran = [bench.frame(temp_c=temp_c).configuration for temp_c in temps_c]
    switches = sum(a != b for a, b in itertools.pairwise(ran))
    assert switches <= 6


def test_between_two_switches_lies_the_dwell():
    bench = pi_of(Limits(temp_c=70), dwell_s=2.0)
    ran = [bench.frame(temp_c=70 + 5 * math.sin(frame / 15)).configuration for frame in range(900)]
    changes = [i for i, (a, b) in enumerate(itertools.pairwise(ran)) if a != b]
    assert len(changes) > 5
    gaps = (after - before for before, after in itertools.pairwise(changes))
    assert all(gap * PERIOD_S >= 2.0 - 1e-9 for gap in gaps)


# ---------------------------------------------------------------- deadline


def test_it_starts_at_the_dearest_that_the_profile_says_fits():
    assert pi_of(Limits(deadline_s=0.025)).frame().configuration == "c70"


def test_contention_leads_down_at_once_and_back_when_the_frames_are_forgotten():
    bench = pi_of(Limits(deadline_s=PERIOD_S), recent_frames=10)
    bench.frames(30)
    assert bench.frames(3, slowdown=1.4)[-1] == "c70"
    assert "recent frames are 1.40 times as long as profiled" in bench.decisions[-1].reason
    assert bench.frames(60)[-1] == "full"


def test_a_lone_hiccup_moves_nothing():
    bench = pi_of(Limits(deadline_s=PERIOD_S))
    bench.frames(30)
    bench.frame(slowdown=3.0)
    assert set(bench.frames(20)) == {"full"}


def test_climbing_leaves_room_before_the_deadline():
    bench = pi_of(Limits(deadline_s=PERIOD_S), latency_margin_ratio=0.05)
    bench.frames(3, slowdown=1.5)
    assert set(bench.frames(60, slowdown=1.08)[40:]) == {"c70"}  # 32.4 of 33.3 ms fit barely
    assert bench.frames(60, slowdown=1.05)[-1] == "full"


def test_time_before_the_engine_counts():
    assert pi_of(Limits(deadline_s=PERIOD_S)).frames(5, preprocess_s=0.01)[-1] == "c70"


def test_a_deadline_that_nothing_meets_runs_the_cheapest():
    assert set(pi_of(Limits(deadline_s=1e-4)).frames(30)) == {"c30"}


# ---------------------------------------------------------------- what is missing or wrong


@pytest.mark.parametrize("values", [{}, {"temp_c": math.nan, "power_w": math.inf}])
def test_without_fresh_telemetry_the_position_stays(values):
    bench = pi_of(Limits(temp_c=70, power_w=8))
    bench.frames(100, temp_c=73.0, power_w=7.0)
    before = bench.decisions[-1].numbers["position"]
    bench.frames(300, **values)
    assert bench.decisions[-1].numbers["position"] == before
    if not values:
        assert "no fresh telemetry, the position stays" in bench.decisions[-1].reason


def test_a_sample_that_is_handed_in_again_counts_once():
    bench = pi_of(Limits(temp_c=70))
    sample = sample_at(bench.now_s, temp_c=75.0)
    bench.frame(telemetry=sample)
    before = bench.decisions[-1].numbers["position"]
    bench.frames(30, telemetry=sample)
    assert bench.decisions[-1].numbers["position"] == before


def test_time_that_stands_still_or_goes_back_stops_nothing():
    bench = pi_of(Limits(temp_c=70))
    for _ in range(50):
        bench.frame(temp_c=75.0)
        bench.now_s = 100.0
    assert len({decision.numbers["position"] for decision in bench.decisions}) == 1
    bench.now_s = -5000.0
    assert bench.frames(3000, temp_c=78.0)[-1] == "c30"


@pytest.mark.parametrize("latency_s", [math.nan, math.inf, -1.0])
def test_a_latency_that_is_no_number_teaches_nothing(latency_s):
    bench = pi_of(Limits(deadline_s=PERIOD_S))
    for _ in range(30):
        bench.controller.observe(
            FrameOutcome(configuration="full", latency_s=latency_s, met_deadline=False)
        )
    assert bench.frame().configuration == "full"
    assert bench.decisions[-1].numbers["slowdown"] == 1.0


def test_one_wild_reading_does_not_throw_it_off_for_long():
    bench = pi_of(Limits(temp_c=70, power_w=12))
    bench.frames(60, temp_c=40.0, power_w=9.0)
    bench.frame(temp_c=1e300, power_w=1e300)
    assert bench.frames(30 * 20, temp_c=40.0, power_w=9.0)[-1] == "full"


def test_a_limit_that_is_taken_away_gives_the_dearest_back():
    bench = pi_of(Limits(temp_c=70, power_w=4))
    bench.frames(600, temp_c=80.0, power_w=9.0)
    bench.controller.limits = Limits()
    assert bench.frames(60, temp_c=80.0, power_w=9.0)[-1] == "full"


def test_a_profile_without_power_or_accuracy_is_enough():
    bench = pi_of(Limits(temp_c=70), profile=profile_of(power=False, accuracy=False))
    assert bench.frames(900, temp_c=80.0)[-1] == "c30"


def test_one_configuration_skips_frames_when_it_is_too_hot():
    bench = pi_of(Limits(temp_c=70), profile=profile_of(names=("c50",)))
    bench.frames(3000, temp_c=80.0)
    assert sum(decision.skip for decision in bench.decisions[-100:]) == 75
