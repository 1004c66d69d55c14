"""What a shadow run takes and whether deadline, power and temperature leave room for it."""

import pytest

from edgert.records import EnergyFigure, FrameLog, Limits, Profile, ProfileEntry
from edgert.runtime.shadow_cost import MARGIN, FullRun, room_for_shadow

PROFILE = Profile(
    family="f",
    device="cpu",
    entries=[
        ProfileEntry(name="full", latency_s=0.060, power_w=13.0),
        ProfileEntry(name="c50", latency_s=0.030, power_w=9.0),
    ],
)
IDLE_W = 5.0
FULL = FullRun(PROFILE, "full", idle_w=IDLE_W)
# By the profile and a frame each 0.1 s: idle + 0.03 * 4 / 0.1.
C50_W = IDLE_W + 1.2


def line(**values):
    plain = {
        "frame": 0, "time_s": 0.0, "configuration": "c50", "reason": "r", "latency_s": 0.030,
        "met_deadline": True, "temp_c": 50.0, "power_w": C50_W, "now_s": 0.0,
    }  # fmt: skip
    return FrameLog(**{**plain, **values})


def room(limits=None, full=FULL, **values):
    return room_for_shadow(line(**values), limits or Limits(period_s=0.1), full)


def test_without_limits_there_is_room():
    assert room() == ""
    assert room(power_w=None, temp_c=None, met_deadline=None) == ""


@pytest.mark.parametrize(
    ("limits", "values", "why"),
    [
        (Limits(), {"skip": True, "latency_s": None}, "frame skipped"),
        (Limits(deadline_s=0.02), {"met_deadline": False}, "late"),
        (Limits(), {"throttled": True}, "throttled"),
        (Limits(temp_c=50.5), {}, "too hot"),
        (Limits(temp_c=52.0), {}, ""),
        (Limits(temp_c=52.0), {"temp_c": None}, "no temperature read"),
    ],
)
def test_what_speaks_against_it(limits, values, why):
    assert room(limits, **values) == why


def test_power_must_leave_room_for_the_whole_run():
    # A run adds 0.06 * 8 J to a period of 0.1 s: 4.8 W above what is drawn.
    enough, short = C50_W + 4.9, C50_W + 4.7
    assert room(Limits(period_s=0.1, power_w=enough)) == ""
    assert room(Limits(period_s=0.1, power_w=short)) == "no power to spare"
    # What the controller expects goes before what was read, and its cap is the one that counts.
    numbers = {"expected_power_w": C50_W, "cap_w": short}
    assert room(Limits(period_s=0.1, power_w=100.0), numbers=numbers) == "no power to spare"
    numbers["cap_w"] = enough
    assert room(Limits(period_s=0.1, temp_c=90.0), numbers=numbers) == ""
    assert room(Limits(period_s=0.1, power_w=short), numbers=numbers) == "no power to spare"


def test_without_a_period_power_is_that_of_both_runs_back_to_back():
    limits = Limits(power_w=12.0)
    assert room(limits, power_w=9.0) == ""
    assert room(Limits(power_w=9.5), power_w=9.0) == "no power to spare"


def test_a_budget_without_power_readings_leaves_none():
    assert room(Limits(power_w=15.0), power_w=None) == "no power read"


def test_energy_follows_the_board_as_it_is_and_states_where_from():
    by_profile_j = 0.060 * (13.0 - IDLE_W)
    assert FULL.energy_j(line(), 0.06, 0.1) == pytest.approx(by_profile_j)
    warm = line(power_w=IDLE_W + 2.4)  # twice the profile's
    assert FULL.energy_j(warm, 0.06, 0.1) == pytest.approx(2 * by_profile_j)
    assert FULL.energy_from(warm) == "telemetry"
    modelled = line(power_w=None, numbers={"expected_power_w": C50_W})
    assert FULL.energy_j(modelled, 0.06, 0.1) == pytest.approx(by_profile_j)
    assert FULL.energy_from(modelled) == "controller"
    blind = line(power_w=None)
    assert FULL.energy_j(blind, 0.07, 0.1) == pytest.approx(0.07 * 8.0)
    assert FULL.energy_from(blind) == "profile"


def test_shadow_runs_are_taken_out_of_a_reading():
    often = FullRun(PROFILE, "full", share=0.1, idle_w=IDLE_W)
    by_profile_j = 0.060 * (13.0 - IDLE_W)
    reading_w = IDLE_W + (0.030 * 4.0 + 0.1 * by_profile_j) / 0.1
    assert often.energy_j(line(power_w=reading_w), 0.06, 0.1) == pytest.approx(by_profile_j)


def test_an_idle_power_that_is_guessed_is_no_base_for_a_reading():
    guessed = FullRun(PROFILE, "full")
    assert guessed.energy_from(line()) == "profile"
    assert guessed.energy_j(line(), 0.06, 0.1) == pytest.approx(0.06 * (13.0 - 0.3 * 9.0))
    figure = EnergyFigure(
        total_j=0.8, total_interval_j=(0.7, 0.9), marginal_j=0.5, marginal_interval_j=(0.4, 0.6),
        power_w=13.0, idle_w=IDLE_W, provenance="measured", source="s", board="b", windows=5,
        window_s=10.0, inferences=100, samples=100,
    )  # fmt: skip
    entries = [
        ProfileEntry(name="full", latency_s=0.060, power_w=13.0, energy=figure),
        PROFILE.entries[1],
    ]
    measured = FullRun(Profile(family="f", device="cpu", entries=entries), "full")
    assert measured.idle_w == IDLE_W
    assert measured.energy_from(line()) == "telemetry"


def test_a_profile_without_power_goes_by_readings_and_times():
    bare = Profile(
        family="f", device="cpu",
        entries=[
            ProfileEntry(name="full", latency_s=0.06), ProfileEntry(name="c50", latency_s=0.03)
        ],
    )  # fmt: skip
    full = FullRun(bare, "full", idle_w=IDLE_W)
    assert full.energy_j(line(), 0.06, 0.1) == pytest.approx(2 * 0.12)
    assert full.energy_j(line(power_w=None), 0.06, 0.1) is None
    assert full.energy_from(line(power_w=None)) == ""
    assert room(Limits(power_w=15.0, period_s=0.1), full, power_w=None) == "no power read"


def test_expected_seconds_follow_the_board_and_what_runs_took():
    full = FullRun(PROFILE, "full")
    assert full.expected_s(line()) == pytest.approx(0.060 * MARGIN)
    slow = line(latency_s=0.070, numbers={"preprocess_s": 0.010})  # 60 ms of engine for 30
    assert full.expected_s(slow) == pytest.approx(0.120 * MARGIN)
    assert full.expected_s(line(numbers={"slowdown": 1.5})) == pytest.approx(0.090 * MARGIN)
    for took_s in (0.06, 0.09, 0.09):
        full.learn(line(), took_s)
    assert full.expected_s(line()) == pytest.approx(0.090 * MARGIN)


def test_an_unknown_configuration_is_refused():
    with pytest.raises(KeyError, match="none"):
        FullRun(PROFILE, "none")
