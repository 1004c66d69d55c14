"""ALERT, situation by situation."""

import math

import pytest

from edgert.control.baselines.alert import PUBLISHED, Alert, AlertTuned, AlertTuning
from edgert.records import FrameOutcome, Limits, Profile, ProfileEntry, ThermalConstants
from tests.control.baselines.bench_of_frames import (
    IDLE_W,
    PERIOD_S,
    Bench,
    profile_of,
    sample_at,
)

PROFILE = profile_of()


def alert_of(limits, *, kind=Alert, profile=PROFILE, **options):
    return Bench(kind(profile, limits, **options), profile)


def thermal_of(idle_w):
    return ThermalConstants(
        die_j_per_k=5,
        sink_j_per_k=50,
        die_to_sink_k_per_w=0.5,
        sink_to_ambient_k_per_w=2,
        idle_w=idle_w,
    )


# ---------------------------------------------------------------- deadline


def test_without_limits_the_most_accurate_runs():
    bench = alert_of(Limits())
    assert set(bench.frames(5, slowdown=3.0)) == {"full"}
    assert bench.decisions[-1].reason == (
        "full: the most accurate expected within the goals; accuracy 0.800 expected"
    )


def test_the_first_choice_is_the_best_expected_accuracy_by_hand():
    # sigma(0) = .3162; Pr = Phi((T / t - 1) / sigma) with T = 33.3 ms:
    # full .6368 * .80 = .509, c70 .9483 * .76 = .721, c50 .9999 * .70 = .700
    decision = alert_of(Limits(deadline_s=PERIOD_S)).frame()
    assert decision.configuration == "c70"
    assert decision.numbers["in_time"] == pytest.approx(0.9483, abs=1e-3)
    assert decision.numbers["expected_accuracy"] == pytest.approx(0.7207, abs=1e-3)
    assert "accuracy 0.721 expected, 94.8% in time" in decision.reason


def test_published_constants_stay_below_what_a_quiet_board_allows_and_tuned_ones_do_not():
    limits = Limits(deadline_s=PERIOD_S)
    assert "full" not in alert_of(limits).frames(200)
    assert alert_of(limits, kind=AlertTuned).frames(200)[-1] == "full"


def test_a_late_result_that_is_worth_something_favours_the_dearer():
    tuning = AlertTuning(late_accuracy=0.78)
    assert alert_of(Limits(deadline_s=PERIOD_S), tuning=tuning).frame().configuration == "full"


@pytest.mark.parametrize("kind", [Alert, AlertTuned])
def test_contention_leads_down_and_its_end_back_up(kind):
    bench = alert_of(Limits(deadline_s=PERIOD_S), kind=kind)
    before = bench.frames(50)[-1]
    during = bench.frames(50, slowdown=2.0)[-1]
    after = bench.frames(100)[-1]
    assert during in {"c50", "c30"}
    assert before == after != during


def test_time_before_the_engine_is_taken_off_the_deadline():
    bench = alert_of(Limits(deadline_s=PERIOD_S), kind=AlertTuned)
    assert bench.frames(100, preprocess_s=0.007)[-1] == "c70"
    assert bench.decisions[-1].numbers["slowdown"] == pytest.approx(1.0)


def test_a_deadline_that_nothing_meets_runs_the_most_likely():
    bench = alert_of(Limits(deadline_s=0.0001), profile=profile_of(power=False))
    assert set(bench.frames(20)) == {"c30"}
    assert "no configuration is likely to be in time" in bench.decisions[-1].reason


# ---------------------------------------------------------------- energy


def test_the_energy_of_a_choice_is_the_published_sum():
    bench = alert_of(Limits(power_w=9.0, period_s=PERIOD_S))
    decision = bench.frame()
    # phi = .3, mu = 1; c70: 10 * .022 + .3 * 10 * (.03333 - .022) = .254 J of .3 J
    assert decision.configuration == "c70"
    assert decision.numbers["expected_energy_j"] == pytest.approx(0.254)
    assert "0.254 J of 0.300 J" in decision.reason


@pytest.mark.parametrize(("power_w", "runs"), [(12, "full"), (9, "c70"), (6, "c50"), (4, "c30")])
def test_the_most_accurate_within_the_power_budget_runs(power_w, runs):
    bench = alert_of(Limits(power_w=power_w, period_s=PERIOD_S), kind=AlertTuned)
    for _ in range(60):
        name = bench.decisions[-1].configuration if bench.decisions else "full"
        bench.frame(power_w=bench.mean_power_w(name))
    assert bench.decisions[-1].configuration == runs
    assert bench.mean_power_w(runs) <= power_w


def test_the_idle_ratio_is_told_from_mean_power():
    bench = alert_of(Limits(power_w=6, period_s=PERIOD_S))
    for _ in range(60):
        bench.frame(power_w=bench.mean_power_w("c50"))
    assert bench.decisions[-1].configuration == "c50"
    assert bench.decisions[-1].numbers["idle_ratio"] == pytest.approx(IDLE_W / 8.0, rel=0.02)


def test_power_that_was_read_right_after_a_switch_says_nothing_of_idle():
    tuning = AlertTuning(settled_s=1.0)
    bench = alert_of(Limits(power_w=6, period_s=PERIOD_S), tuning=tuning)
    bench.frames(25, power_w=50.0)
    assert bench.decisions[-1].numbers["idle_ratio"] == pytest.approx(0.3)


def test_idle_power_from_the_thermal_constants_is_where_the_ratio_starts():
    bench = alert_of(Limits(), thermal=thermal_of(IDLE_W))
    assert bench.frame().numbers["idle_ratio"] == pytest.approx(IDLE_W / 12.0)


def test_a_mission_paces_its_energy_by_the_frame():
    limits = Limits(energy_j=6 * 600, mission_s=600, period_s=PERIOD_S)
    bench = alert_of(limits, thermal=thermal_of(IDLE_W))
    assert bench.frame().configuration == "c50"
    assert "of 0.200 J" in bench.decisions[-1].reason


def test_without_a_period_the_deadline_is_the_horizon_and_without_both_the_frame():
    by_deadline = alert_of(Limits(power_w=9, deadline_s=2 * PERIOD_S)).frame()
    assert "of 0.600 J" in by_deadline.reason
    back_to_back = alert_of(Limits(power_w=9)).frame()
    assert back_to_back.configuration == "c50"
    assert "0.120 J of 0.135 J" in back_to_back.reason


def test_when_nothing_is_within_the_goal_power_yields_as_published():
    decision = alert_of(Limits(power_w=1, period_s=PERIOD_S)).frame()
    assert decision.configuration == "full"
    assert decision.reason.startswith("full: no configuration within the energy goal, it yields")


def test_when_nothing_is_within_the_goal_the_tuned_one_runs_the_least_energy():
    decision = alert_of(Limits(power_w=1, period_s=PERIOD_S), kind=AlertTuned).frame()
    assert decision.configuration == "c30"
    assert "no configuration within the energy goal, the least energy" in decision.reason


# ---------------------------------------------------------------- heat


def test_near_the_limit_a_rung_is_taken_away_and_given_back():
    bench = alert_of(Limits(temp_c=70))
    assert bench.frame(temp_c=60.0).configuration == "full"
    assert bench.frame(temp_c=69.5).configuration == "c70"
    assert "temperature 69.5 °C near 70.0 °C, cap 1 below" in bench.decisions[-1].reason
    assert set(bench.frames(200, temp_c=68.0)) == {"c70"}
    assert bench.frames(200, temp_c=60.0)[-1] == "full"


def test_lasting_heat_leads_to_the_cheapest_and_no_further():
    bench = alert_of(Limits(temp_c=70))
    assert bench.frames(300, temp_c=75.0)[-1] == "c30"
    assert not any(decision.skip for decision in bench.decisions)


# ---------------------------------------------------------------- what is missing or wrong


def test_a_profile_without_power_says_that_the_budget_is_not_held():
    bench = alert_of(Limits(power_w=4, period_s=PERIOD_S), profile=profile_of(power=False))
    decision = bench.frame(power_w=20.0)
    assert decision.configuration == "full"
    assert "the profile states no power to hold the budget by" in decision.reason


def test_an_entry_without_power_counts_as_the_hungriest():
    profile = Profile(
        family="f",
        device="cpu",
        entries=[
            ProfileEntry(name="a", latency_s=0.02, accuracy=0.9),
            ProfileEntry(name="b", latency_s=0.01, accuracy=0.5, power_w=9),
        ],
    )
    limits = Limits(power_w=6, period_s=PERIOD_S)
    assert alert_of(limits, profile=profile).frame().configuration == "b"


def test_a_profile_without_accuracy_prefers_the_dearer():
    profile = profile_of(accuracy=False)
    assert alert_of(Limits(), profile=profile).frame().configuration == "full"


@pytest.mark.parametrize("latency_s", [math.nan, math.inf, 0.0, -1.0])
def test_a_latency_that_is_no_number_teaches_nothing(latency_s):
    bench = alert_of(Limits(deadline_s=PERIOD_S))
    bench.frames(5)
    before = bench.controller.slowdown.mean
    outcome = FrameOutcome(configuration="c70", latency_s=latency_s, met_deadline=False)
    bench.controller.observe(outcome)
    assert bench.controller.slowdown.mean == before


def test_a_configuration_that_is_not_in_the_profile_teaches_nothing():
    bench = alert_of(Limits())
    bench.controller.observe(
        FrameOutcome(configuration="other", latency_s=9.0, met_deadline=False)
    )
    assert bench.controller.slowdown.mean == 1.0


def test_a_frame_of_a_million_years_leaves_figures_finite():
    bench = alert_of(Limits(deadline_s=PERIOD_S))
    bench.frames(3, slowdown=1e300)
    assert math.isfinite(bench.controller.slowdown.mean)
    assert bench.frames(300)[-1] == "c70"


def test_limits_that_change_between_frames_hold_from_the_next_on():
    bench = alert_of(Limits(), thermal=thermal_of(IDLE_W))
    assert bench.frame().configuration == "full"
    bench.controller.limits = Limits(power_w=6, period_s=PERIOD_S)
    assert bench.frame().configuration == "c50"
    bench.controller.limits = Limits()
    assert bench.frame().configuration == "full"


@pytest.mark.parametrize("age_s", [5.0, -5.0])
def test_telemetry_of_another_time_changes_neither_cap_nor_idle_ratio(age_s):
    bench = alert_of(Limits(temp_c=70, power_w=20, period_s=PERIOD_S))
    for _ in range(60):
        bench.frame(telemetry=sample_at(bench.now_s - age_s, temp_c=99.0, power_w=1.0))
    assert bench.decisions[-1].numbers["cap"] == 0
    assert bench.decisions[-1].numbers["idle_ratio"] == PUBLISHED.start_idle_ratio
    assert "no fresh temperature" in bench.decisions[-1].reason


def test_after_time_went_back_idle_power_is_learned_on():
    bench = alert_of(Limits(power_w=6, period_s=PERIOD_S))
    bench.now_s = 10_000.0
    bench.frames(30, power_w=20.0)
    bench.now_s = 100.0
    for _ in range(90):
        bench.frame(power_w=bench.mean_power_w(bench.decisions[-1].configuration))
    assert bench.decisions[-1].configuration == "c50"
